//! Where files land, whatever the values by which a table is partitioned.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_pipeline::{TableSpec, Target};
use serde_json::{Value, json};

use crate::commits::{Writer, batch};
use crate::shop::Shop;

/// The sales by city instead of by day.
async fn by_city(shop: &Shop, target_file_size: u64) -> Writer {
    let spec = TableSpec {
        partition_by: vec!["city".to_owned()],
        target_file_size,
        ..shop.stage("sell").writes.as_ref().clone()
    };
    let writer = Writer::new(shop, &shop.lake, &Arc::new(spec), "shop/by_city");
    writer.target.prepare().await.unwrap();
    writer
}

fn sale(no: usize, city: Option<&str>) -> Value {
    json!({"order_no": no.to_string(), "city": city})
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path)),
        }
    }
    found
}

#[tokio::test]
async fn any_value_lands_inside_the_table_and_is_read_back() {
    let shop = Shop::open().await;
    let writer = by_city(&shop, 1 << 20).await;
    let outside = files(&shop.path("lake"));
    let long = "x".repeat(300);
    let (one, other) = (format!("{long}1"), format!("{long}2"));
    let wide = "日本".repeat(60);
    let cities = [
        "a/b",
        "../../../../../etc/x",
        ".",
        "..",
        " ",
        "",
        "a b",
        "a%2Fb",
        "a=b",
        "ä ö/ü",
        "null",
        "con\n",
        "C:\\x",
        &wide,
        &long,
        &one,
        &other,
        "👩‍🚀",
    ];
    let mut rows: Vec<Value> =
        cities.iter().enumerate().map(|(no, city)| sale(no, Some(city))).collect();
    rows.push(sale(99, None));
    writer.append(&rows).await.unwrap();

    for (no, city) in cities.iter().enumerate() {
        let quoted = city.replace('\'', "''");
        let sql = format!("SELECT order_no FROM silver.sales WHERE city = '{quoted}'");
        assert_eq!(shop.query(&sql).await, [no.to_string()], "{city:?}");
    }
    let nameless = "SELECT order_no FROM silver.sales WHERE city IS NULL";
    assert_eq!(shop.query(nameless).await, ["99"]);
    let known = writer.target.lookup(&["city".to_owned()], None, None).await.unwrap();
    let keys = batch(&writer.spec, &rows).project(&[2]).unwrap();
    let found = known.known(&keys).await.unwrap();
    assert_eq!(found.true_count(), cities.len());

    let table = shop.lake.location(&writer.spec.dataset);
    let mut parquet = 0;
    for file in files(&shop.path("lake")).difference(&outside) {
        let inside = file.canonicalize().unwrap().starts_with(&table);
        assert!(inside || file.starts_with(shop.path("lake/reports")), "{}", file.display());
        parquet += usize::from(file.extension().is_some_and(|end| end == "parquet"));
    }
    assert_eq!(parquet, cities.len() + 1);
}

#[tokio::test]
async fn more_partitions_than_may_be_open_go_in_one_write() {
    let shop = Shop::open().await;
    let writer = by_city(&shop, 1 << 20).await;
    // Each partition comes twice, so that some are opened again.
    let rows: Vec<Value> =
        (0..2500).map(|no| sale(no, Some(&format!("city {}", no % 70)))).collect();
    let commit = writer.append(&rows).await.unwrap();
    assert_eq!(commit.report.counts.written, 2500);
    let sql = "SELECT count(*), count(DISTINCT city), count(DISTINCT order_no) FROM silver.sales";
    assert_eq!(shop.query(sql).await, ["2500 70 2500"]);
}

#[tokio::test]
async fn files_are_rolled_at_the_size_that_the_pipeline_wants() {
    let shop = Shop::open().await;
    let size = 100_000;
    let writer = by_city(&shop, size).await;
    let rows: Vec<Value> = (0..20_000)
        .map(|no: usize| {
            let noise = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &no.to_be_bytes());
            json!({"order_no": noise.to_string(), "city": "Rome"})
        })
        .collect();
    writer.append(&rows).await.unwrap();
    let data = files(&shop.lake.location(&writer.spec.dataset).join("data"));
    assert!(data.len() >= 3, "{data:?}");
    for file in &data {
        let bytes = std::fs::metadata(file).unwrap().len();
        assert!(bytes < 3 * size, "{bytes} bytes");
    }
    let count = "SELECT count(DISTINCT order_no) FROM silver.sales";
    assert_eq!(shop.query(count).await, ["20000"]);
}
