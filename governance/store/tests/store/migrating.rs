use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use assay_core::Fault;
use assay_store::{RunFilter, Store, StoreError};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::sample::{dataset, processed, report, run, telling};
use crate::version_1::{self, backups, halted, number, tables};

async fn holds_what_version_1_held(store: &Store) {
    let parse = run(1, "parse");
    let told = store.told(&dataset("silver.github_events")).await.unwrap().unwrap();
    assert_eq!((told.sequence, told.draft), (2, report(&parse, 2, 2).draft));
    let reports = store.reports_of(parse.id).await.unwrap();
    assert_eq!(reports[0].report, report(&parse, 1, 1));
    assert_eq!((reports.len(), reports[1].commit.unwrap().snapshot), (2, -2));
    let runs = store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!((runs.len(), runs[1].run.clone(), runs[1].counts.read), (2, parse.clone(), 20));
    assert_eq!(store.events(None, 10).await.unwrap().len(), 2);
    assert_eq!(store.edges().await.unwrap()[0].run, parse.id);
    assert_eq!(processed(store).await, 18.0);
}

#[tokio::test]
async fn a_store_of_version_1_keeps_all_it_holds_and_a_backup_is_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    version_1::make(&path).await;
    let before = tables(&path).await;

    let store = Store::open(&path).await.unwrap();
    holds_what_version_1_held(&store).await;
    assert!(!store.tell(&telling(&run(1, "parse"), 2)).await.unwrap());
    assert!(store.tell(&telling(&run(1, "parse"), 3)).await.unwrap());
    let halt = store.halt(halted().draft).await.unwrap().unwrap();
    assert_eq!((halt.report, halt.accepted_at), (halted(), None));
    store.close().await;

    let backups = backups(&path);
    assert_eq!(backups.len(), 1, "{backups:?}");
    let name = backups[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("assay.db.v1-2") && name.ends_with("Z.bak"), "{name}");
    // The backup is what the program of version 1 wrote, and what it opens.
    assert_eq!(tables(&backups[0]).await, before);
    assert_eq!(number(&backups[0], "PRAGMA user_version").await, 1);
    assert_eq!(number(&backups[0], "PRAGMA application_id").await, 0x4153_4159);
    assert_eq!(number(&backups[0], "SELECT COUNT(*) FROM reports").await, 3);
    holds_what_version_1_held(&Store::open(&backups[0]).await.unwrap()).await;
}

#[tokio::test]
async fn a_store_that_is_up_to_date_or_new_gets_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    Store::open(&path).await.unwrap().close().await;
    Store::open(&path).await.unwrap().close().await;
    assert!(backups(&path).is_empty());
    let version_1 = folder.path().join("old.db");
    version_1::make(&version_1).await;
    Store::open(&version_1).await.unwrap().close().await;
    assert_eq!(tables(&path).await, tables(&version_1).await);
}

#[tokio::test]
async fn a_backup_does_not_overwrite_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    version_1::make(&path).await;
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_262_400);
    File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    let taken = folder.path().join("assay.db.v1-20261121T120000Z.bak");
    fs::write(&taken, "of another time").unwrap();
    // What a process that was killed left over is no backup and in nobody's way.
    fs::write(folder.path().join("assay.db.v1.bak.part"), "half of it").unwrap();

    Store::open(&path).await.unwrap();
    assert_eq!(fs::read_to_string(&taken).unwrap(), "of another time");
    let second = folder.path().join("assay.db.v1-20261121T120000Z-2.bak");
    assert_eq!(backups(&path), [second.clone(), taken]);
    assert_eq!(number(&second, "SELECT COUNT(*) FROM reports").await, 3);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_store_as_it_was_and_names_the_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    version_1::make(&path).await;
    change(&path, "CREATE TABLE halts (of_somebody_else TEXT)").await;
    let before = tables(&path).await;

    let error = Store::open(&path).await.unwrap_err();
    let backups = backups(&path);
    assert_eq!((error.fault(), backups.len()), (Fault::Permanent, 1));
    assert!(matches!(error, StoreError::Migration { from: 1, to: 16, .. }), "{error}");
    assert!(error.to_string().contains(backups[0].to_str().unwrap()), "{error}");
    assert_eq!(tables(&path).await, before);
    assert_eq!(tables(&backups[0]).await, before);
    assert_eq!(number(&path, "PRAGMA user_version").await, 1);

    change(&path, "DROP TABLE halts").await;
    holds_what_version_1_held(&Store::open(&path).await.unwrap()).await;
}

#[tokio::test]
async fn without_a_backup_nothing_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    version_1::make(&path).await;
    let in_the_way = folder.path().join("assay.db.v1.bak.part");
    fs::create_dir(&in_the_way).unwrap();

    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Backup { .. }), "{error}");
    assert_eq!(number(&path, "PRAGMA user_version").await, 1);

    fs::remove_dir(in_the_way).unwrap();
    holds_what_version_1_held(&Store::open(&path).await.unwrap()).await;
}

async fn change(path: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
