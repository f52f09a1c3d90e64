use std::path::PathBuf;

use assay_core::{CountedUnit, ImportedOutcome, ImportedScan};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ImportError, import};

/// A real result of another tool; none when it is not at hand.
fn sample(name: &str) -> Option<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../../shared/data/quality").join(name);
    let bytes = std::fs::read(file).ok();
    if bytes.is_none() {
        eprintln!("skipped: {name} is not at hand");
    }
    bytes
}

fn results(scan: &ImportedScan) -> Vec<(&str, &ImportedOutcome, Option<u64>, CountedUnit)> {
    scan.results.iter().map(|it| (&*it.rule, &it.outcome, it.failed, it.unit)).collect()
}

#[test]
fn validation_results_and_checkpoints_of_great_expectations_say_the_same() {
    let (Some(result), Some(checkpoint)) = (sample("gx_result.json"), sample("gx_checkpoint.json"))
    else {
        return;
    };
    let scans = import("gx_result.json", &result, None).unwrap();
    let scan = &scans[0];
    assert_eq!((scan.dataset.as_str(), scan.results.len()), ("lab.orders", 7));
    assert_eq!(scan.counts(), [1, 0, 6, 0]);
    let unique = scan.results.iter().find(|it| it.kind.contains("unique")).unwrap();
    // It lists both copies of one key: one is too many.
    assert_eq!((unique.failed, unique.unit), (Some(1), CountedUnit::Rows));
    assert_eq!(unique.evaluated, Some(5));
    let rows = scan.results.iter().find(|it| it.kind.contains("row_count")).unwrap();
    assert_eq!((rows.observed, rows.failed), (Some(5.0), None));
    let others = import("gx_checkpoint.json", &checkpoint, None).unwrap();
    assert_eq!(results(&others[0]), results(scan));
}

#[test]
fn tests_of_dbt_are_told_apart_by_what_they_count() {
    let (Some(run), Some(manifest)) =
        (sample("dbt/run_results_test.json"), sample("dbt/manifest.json"))
    else {
        return;
    };
    let scans = import("run_results.json", &run, Some(("manifest.json", &manifest))).unwrap();
    let names: Vec<&str> = scans.iter().map(|scan| scan.dataset.as_str()).collect();
    assert_eq!(names, ["main.orders_by_status", "main.stg_orders"]);
    let of = |kind: &str| scans[1].results.iter().find(|it| it.kind == kind).unwrap();
    assert_eq!((of("unique").failed, of("unique").unit), (Some(1), CountedUnit::Keys));
    assert_eq!(of("unique").outcome, ImportedOutcome::Failed);
    assert_eq!(of("accepted_values").unit, CountedUnit::Values);
    let warned = scans[1].results.iter().find(|it| it.outcome == ImportedOutcome::Warned).unwrap();
    assert_eq!(
        (warned.columns.as_slice(), warned.unit),
        (&["amount".to_owned()][..], CountedUnit::Rows)
    );
    // Without the manifest nobody knows what a test is about.
    let alone = import("run_results.json", &run, None).unwrap_err();
    assert_eq!(alone, ImportError::NoManifest { file: "run_results.json".to_owned() });
    // A run that only made models has nothing to tell.
    let Some(made) = sample("dbt/run_results_run.json") else { return };
    let nothing = import("made", &made, Some(("manifest.json", &manifest))).unwrap_err();
    assert_eq!(nothing, ImportError::Nothing { file: "made".to_owned() });
}

#[test]
fn both_versions_of_soda_come_in() {
    let (Some(three), Some(four)) = (sample("soda_result.json"), sample("soda4_result.json"))
    else {
        return;
    };
    let scan = &import("soda_result.json", &three, None).unwrap()[0];
    assert_eq!((scan.dataset.as_str(), scan.counts()), ("lab.orders", [1, 1, 4, 0]));
    let of = |kind: &str| scan.results.iter().find(|it| it.kind == kind).unwrap();
    assert_eq!(
        (of("missing_count").failed, of("missing_count").unit),
        (Some(1), CountedUnit::Rows)
    );
    assert_eq!(of("duplicate_count").unit, CountedUnit::Keys);
    assert_eq!((of("row_count").observed, of("row_count").failed), (Some(5.0), None));
    let scan = &import("soda4_result.json", &four, None).unwrap()[0];
    assert_eq!((scan.dataset.as_str(), scan.counts()), ("lab.orders", [1, 0, 5, 0]));
    let of = |kind: &str| scan.results.iter().find(|it| it.kind == kind).unwrap();
    assert_eq!((of("duplicate").failed, of("duplicate").evaluated), (Some(1), Some(5)));
    assert_eq!(of("aggregate").observed, Some(99_999.0));
    assert_eq!(of("aggregate").expected, "must_be_less_than 1000");
}

#[test]
fn what_is_damaged_is_named_with_its_place() {
    let gx = json!({"success": false, "results": [{"success": 1, "expectation_config": {"type": "x"}}],
                    "meta": {"run_id": {"run_time": "2026-11-21T14:01:18+00:00"}}});
    let told =
        |value: &Value| import("f", value.to_string().as_bytes(), None).unwrap_err().to_string();
    assert_eq!(told(&gx), "f is damaged: `results.0.success` is neither true nor false");
    let without = |key: &str| {
        let mut less = gx.clone();
        less.as_object_mut().unwrap().remove(key);
        told(&less)
    };
    assert_eq!(without("meta"), "f is damaged: `meta` is missing");
    assert!(told(&json!([])).contains("no result that is known here"));
    assert!(
        told(&json!({"success": true, "results": {}, "meta": {"run_id": {"run_time": "x"}}}))
            .contains("run_time")
    );
    let cut = import("f", b"{\"success\": tr", None).unwrap_err().to_string();
    assert!(cut.starts_with("f is no JSON: it breaks off or is damaged in line 1"), "{cut}");
    let deep = "[".repeat(100_000);
    assert!(import("f", deep.as_bytes(), None).is_err());
}

#[test]
fn what_python_writes_for_no_number_is_read() {
    let text = br#"{"success": true, "results": [{"success": false, "expectation_config": {"type": "a NaN"},
        "result": {"unexpected_count": 2, "observed_value": NaN, "list": [-Infinity, "NaN \" NaN"]}}],
        "meta": {"run_id": {"run_time": "2026-11-21T14:01:18+00:00"}}}"#;
    let scan = &import("f", text, None).unwrap()[0];
    assert_eq!((scan.results[0].kind.as_str(), scan.results[0].failed), ("a NaN", Some(2)));
}

/// All places of a value.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    found.push(at.clone());
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| {
                places(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            });
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(place, value)| places(value, format!("{at}/{place}"), found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever stands wherever in a result, it is taken or refused.
    #[test]
    fn nothing_that_stands_in_a_result_panics(
        which in 0..4_usize,
        spot in any::<prop::sample::Index>(),
        other in prop_oneof![
            Just(json!(null)), Just(json!(-1)), Just(json!(1e300)), Just(json!("x")), Just(json!([])),
            Just(json!([null])), Just(json!({})), Just(json!({"a": []})), Just(json!(true)),
        ],
        cut in any::<prop::sample::Index>(),
    ) {
        let names = ["gx_checkpoint.json", "soda_result.json", "soda4_result.json", "dbt/run_results_test.json"];
        let (Some(bytes), Some(manifest)) = (sample(names[which]), sample("dbt/manifest.json")) else {
            return Ok(());
        };
        let mut value: Value = serde_json::from_slice(&bytes).unwrap();
        let mut all = Vec::new();
        places(&value, String::new(), &mut all);
        *value.pointer_mut(&all[spot.index(all.len())]).unwrap() = other;
        let manifest = Some(("manifest.json", &manifest[..]));
        let _ = import("f", value.to_string().as_bytes(), manifest);
        let _ = import("f", &bytes[..cut.index(bytes.len())], manifest);
    }

    #[test]
    fn bytes_that_are_anything_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(import("f", &bytes, None).is_err());
    }
}

/// What the fuzzer begins with is taken in, so that it gets behind the first look.
#[test]
fn what_the_fuzzer_begins_with_is_taken_in() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/results");
    let mut tools = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let (results, manifest) = text.split_once("\n---\n").unwrap_or((&text, ""));
        let scans = import("f", results.as_bytes(), Some(("manifest", manifest.as_bytes())));
        tools.extend(scans.into_iter().flatten().map(|scan| scan.tool));
    }
    assert_eq!(tools.into_iter().collect::<Vec<_>>(), ["dbt", "great-expectations", "soda"]);
}
