use assay_core::{Fault, RunStatus};
use assay_store::{Store, StoreError};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::sample::{at, end, processed, run, telling};

async fn change(path: &std::path::Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_was_told_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/there/yet/assay.db");
    let store = Store::open(&path).await.unwrap();
    assert!(store.tell(&telling(&run(1, "parse"), 1)).await.unwrap());
    store.close().await;

    let store = Store::open(&path).await.unwrap();
    assert_eq!(processed(&store).await, 9.0);
    assert_eq!(store.place(), path.display().to_string());
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    Store::open(&path).await.unwrap().close().await;
    change(&path, "PRAGMA user_version = 99").await;

    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    assert_eq!(error.fault(), Fault::Permanent);
    let message = error.to_string();
    assert!(message.contains("assay.db") && message.contains("newer program"), "{message}");

    change(&path, "PRAGMA user_version = 16").await;
    Store::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    change(&path, "CREATE TABLE orders (id BIGINT)").await;
    let before = std::fs::read(&path).unwrap();

    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_a_permanent_fault_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to be read as one".repeat(100)).unwrap();

    let error = Store::open(&path).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Permanent);
    assert!(error.to_string().contains("notes.txt"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_and_write_a_store_that_is_not_there_yet_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    let work = |number| {
        let path = path.clone();
        tokio::spawn(async move {
            let run = run(number, "parse");
            let store = Store::open(&path).await?;
            store.start_run(&run, at(0), &[], &[]).await?;
            store.tell(&telling(&run, number)).await?;
            store.end_run(&end(&run, RunStatus::Complete), &[], &[]).await
        })
    };
    for worker in (1..=16).map(work).collect::<Vec<_>>() {
        assert!(worker.await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn what_this_program_did_not_write_is_said_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    let store = Store::open(&path).await.unwrap();
    store.tell(&telling(&run(1, "parse"), 1)).await.unwrap();
    change(&path, "UPDATE reports SET body = '{\"secret\": 1}'").await;

    let message = store.reports(None, 1).await.unwrap_err().to_string();
    assert!(message.contains("`body`") && message.contains("assay.db"), "{message}");
    assert!(!message.contains("secret"), "{message}");
}
