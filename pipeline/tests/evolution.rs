//! Contracts that change while their tables are there.

use assay_core::{Fault, Governed};
use assay_pipeline::{RunError, Target, TargetError};
use sqlx::{Connection, SqliteConnection};

use crate::shop::{Edit, Shop, open_lake, order};

const BRONZE: &str = "contracts/bronze.orders.odcs.yaml";
const PLACE: &str = "      - {name: place, logicalType: integer, physicalType: bigint}\n";

async fn with_a_row(edits: &[Edit<'_>]) -> Shop {
    let shop = Shop::edited(edits).await;
    shop.take(&[order("old", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    shop.run_all().await;
    shop
}

#[tokio::test]
async fn an_added_column_is_null_in_old_rows() {
    let mut shop = with_a_row(&[]).await;
    let added =
        format!("{PLACE}      - {{name: note, logicalType: string, physicalType: string}}\n");
    shop.change(&[
        (BRONZE, PLACE, &added),
        ("models/take.sql", "  trace\n", "  trace,\n  upper(kind) AS note\n"),
    ]);
    shop.take(&[order("new", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    shop.run_all().await;
    assert_eq!(
        shop.query("SELECT no, note FROM bronze.orders ORDER BY no").await,
        ["new WEB", "old NULL"]
    );
    let nulls = "SELECT count(*) FROM bronze.orders WHERE note IS NULL";
    assert_eq!(shop.query(nulls).await, ["1"]);
    assert_eq!(shop.query("SELECT count(*) FROM silver.sales").await, ["2"]);
}

#[tokio::test]
async fn what_a_contract_takes_away_is_refused_all_at_once() {
    let mut shop = with_a_row(&[]).await;
    let before = shop.snapshots().await;
    shop.change(&[
        (BRONZE, PLACE, ""),
        ("models/take.sql", "  _offset AS place,\n", ""),
        (
            BRONZE,
            "{name: part, logicalType: integer, physicalType: int}",
            "{name: part, logicalType: string, physicalType: string}",
        ),
        ("models/take.sql", "_partition AS part", "CAST(_partition AS VARCHAR) AS part"),
        ("pipeline.yaml", "partition_by: [landed_on]", "partition_by: [kind, landed_on]"),
    ]);
    shop.take(&[order("new", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    let error = shop.run("take", Governed::ALL).await.unwrap_err();
    assert!(matches!(error, RunError::Target(TargetError::Narrowed(_))), "{error:?}");
    let root = shop.folder.path().display().to_string();
    insta::assert_snapshot!(error.to_string().replace(&root, "…"));
    assert_eq!(shop.snapshots().await, before);
}

#[tokio::test]
async fn a_table_of_a_newer_version_is_refused_and_not_misread() {
    let mut shop = with_a_row(&[]).await;
    let dataset = "bronze.orders".parse().unwrap();
    let table = shop.lake.existing(&dataset).await.unwrap();
    let metadata = table.metadata_location().unwrap().trim_start_matches("file://").to_owned();
    let text = std::fs::read_to_string(&metadata).unwrap();
    let newer = text.replace(r#""assay.format-version":"1""#, r#""assay.format-version":"2""#);
    assert_ne!(newer, text);
    std::fs::write(&metadata, newer).unwrap();
    // Such a file never changes, so who has read it does not look at it again.
    shop.lake = open_lake(shop.folder.path(), &shop.clock).await;

    let error = shop.lake.existing(&dataset).await.unwrap_err();
    assert!(matches!(error, TargetError::Newer { .. }), "{error:?}");
    assert!(error.to_string().contains("update Assay"), "{error}");
    for stage in ["take", "sell"] {
        let error = shop.run(stage, Governed::ALL).await.unwrap_err();
        assert!(error.told().contains("written by a newer Assay"), "{}", error.told());
    }
    assert!(shop.try_query("SELECT * FROM bronze.orders").await.is_err());
}

#[tokio::test]
async fn a_table_is_made_once_who_holds_the_catalog_lets_go() {
    let shop = Shop::open().await;
    let catalog = format!("sqlite://{}", shop.path("lake/catalog.db").display());
    let mut other = SqliteConnection::connect(&catalog).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    // A process that was suspended in the middle of its work, say: a run tries again.
    let error = shop.target("sell").prepare().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error:?}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    shop.target("sell").prepare().await.unwrap();
}
