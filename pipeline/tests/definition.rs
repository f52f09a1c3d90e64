//! Pipelines as they are loaded.

use std::path::Path;

use assay_pipeline::{Folder, LoadError, Pipeline};
use tempfile::TempDir;

use crate::shop::{Edit, write_pipeline};

/// What is said about the shop's pipeline after these edits.
fn mistakes(edits: &[Edit<'_>]) -> String {
    let folder = TempDir::new().unwrap();
    write_pipeline(folder.path(), edits);
    let error = Pipeline::load(&Folder::Disk(folder.path().to_owned())).unwrap_err();
    let LoadError::Mistakes { mistakes, .. } = error else { panic!("{error}") };
    assert!(mistakes.0.iter().all(|mistake| mistake.fix.is_some()), "{mistakes}");
    mistakes.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn the_pipelines_that_are_shipped_load() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    let mut loaded = 0;
    for entry in std::fs::read_dir(shipped).unwrap() {
        let path = entry.unwrap().path();
        let pipeline = Pipeline::load(&Folder::Disk(path.clone()));
        let pipeline = pipeline.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_name().unwrap().to_str(), Some(pipeline.name.as_str()));
        loaded += 1;
    }
    assert!(loaded > 0);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_place_and_a_way_out() {
    let told = mistakes(&[
        ("pipeline.yaml", "name: shop\n", "name: my shop\ndescripton: x\n"),
        ("pipeline.yaml", "    partitions: 2\n", "    partitions: 2\n    contract: x.yaml\n"),
        ("pipeline.yaml", "  json_text: [details]", "  json_text: [detail]"),
        ("pipeline.yaml", "filter: kind <> 'test'", "filter: kinds <> 'test'"),
        ("pipeline.yaml", "[order_no]\n    write", "[order_number]\n    write"),
        ("models/sell.sql", "  lower(trim(city))", "  lower(trim(town))"),
        ("contracts/gold.city_days.odcs.yaml", "required: true\n", "requierd: true\n"),
        ("contracts/gold.city_days.odcs.yaml", "physicalType: date", "physicalType: dat"),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn an_extract_is_held_against_what_the_stage_reads() {
    let told = mistakes(&[
        ("pipeline.yaml", "{from: placed, type: timestamp}", "{from: place, type: timestamp}"),
        (
            "pipeline.yaml",
            "{from: details, path: parts, type: long}",
            "{from: detail, path: parts, type: long}",
        ),
        (
            "pipeline.yaml",
            "      amount: {",
            "      buyer: {from: details, path: buyer, type: long}\n      amount: {",
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn an_aggregate_is_held_against_both_of_its_tables() {
    let told = mistakes(&[
        ("pipeline.yaml", "      conserve: orders\n", "      conserve: number_of_orders\n"),
        ("pipeline.yaml", "    whole: sold_on\n", "    whole: buyer\n"),
        ("pipeline.yaml", "      replace: day\n", "      replace: city\n"),
        ("models/total.sql", "ON running.city = days.city", "ON running.town = days.city"),
        ("contracts/gold.city_days.odcs.yaml", "to: silver.sales.city", "to: silver.sales.town"),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_model_is_held_against_the_contracts_on_both_sides() {
    let told = mistakes(&[
        ("models/take.sql", "  placed,\n", ""),
        ("models/take.sql", "  no,\n", "  no,\n  no AS number,\n"),
        ("models/take.sql", "buyer['number'] AS buyer", "buyer['city'] AS buyer"),
        ("models/sell.sql", "FROM bronze.orders\n", "FROM bronze.orders\nWHERE amount > 0\n"),
        ("models/total.sql", "days.orders, ", "days.orders + 0.5 AS orders, "),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn stages_fit_together() {
    let told = mistakes(&[
        (
            "pipeline.yaml",
            "  - name: take\n    read: log.shop_orders\n",
            "  - name: take it\n    read: log.shop_ordrs\n",
        ),
        ("pipeline.yaml", "    deduplicate: [order_no]\n", ""),
        (
            "pipeline.yaml",
            "  - name: total\n    read: silver.sales\n",
            "  - name: total\n    read: silver.sales\n    filter: amount > 0\n",
        ),
        (
            "pipeline.yaml",
            "    write: gold.city_days\n",
            "    write: gold.city_days\n  - name: total\n    read: gold.city_days\n    \
             model: models/nowhere.sql\n    deduplicate: [city]\n    write: silver.sales\n",
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn the_order_of_the_stages_is_the_order_of_the_data() {
    let told = mistakes(&[
        (
            "pipeline.yaml",
            "  - name: take\n    read: log.shop_orders\n    model: models/take.sql\n    write: bronze.orders\n",
            "",
        ),
        (
            "pipeline.yaml",
            "    write: gold.city_days\n",
            "    write: gold.city_days\n  - name: take\n    read: log.shop_orders\n    \
             model: models/take.sql\n    write: bronze.orders\n",
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_path_out_of_the_folder_is_refused() {
    let told = mistakes(&[("pipeline.yaml", "models/take.sql", "../../etc/passwd")]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_folder_without_a_pipeline_says_which_file_is_missing() {
    let folder = TempDir::new().unwrap();
    let error = Pipeline::load(&Folder::Disk(folder.path().to_owned())).unwrap_err();
    assert!(error.to_string().contains("pipeline.yaml"), "{error}");
}

#[test]
fn a_name_that_is_none_in_avro_is_a_mistake_and_no_panic() {
    for bad in ["O(rder", "", "1order", "a..b", "ord er"] {
        let schema = format!(r#"{{"type":"record","name":"{bad}","fields":[]}}"#);
        let error = assay_pipeline::RecordSchema::parse(&schema).unwrap_err();
        assert!(error.contains("no name in Avro"), "{bad}: {error}");
    }
}
