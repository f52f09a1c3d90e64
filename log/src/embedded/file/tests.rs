use super::*;

use tempfile::TempDir;

fn file(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("log.db")
}

/// Runs `sql` on the file as another program would.
async fn change(directory: &TempDir, sql: &str) {
    let options = SqliteConnectOptions::new().filename(file(directory)).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn told(directory: &TempDir, error: &LogError) -> String {
    error.to_string().replace(&directory.path().display().to_string(), "<dir>")
}

async fn refusal(directory: &TempDir, path: &Path) -> String {
    match LogFile::open(path).await {
        Ok(_) => panic!("the file was opened"),
        Err(error) => told(directory, &error),
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    LogFile::open(&file(&directory)).await.unwrap();
    change(&directory, "PRAGMA user_version = 2; UPDATE about SET written_by = '7.1.0'").await;
    let refused = refusal(&directory, &file(&directory)).await;
    insta::assert_snapshot!(refused, @"the log <dir>/log.db was written by Assay 7.1.0 (format 2); this is Assay 0.1.0, which reads format 1: run Assay 7.1.0 or newer, or choose another file");
}

#[tokio::test]
async fn what_is_not_a_log_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    change(&directory, "CREATE TABLE recipes (name TEXT)").await;
    let before = std::fs::read(file(&directory)).unwrap();
    let refused = refusal(&directory, &file(&directory)).await;
    insta::assert_snapshot!(refused, @"<dir>/log.db is a file, but not a log of Assay: choose another path for the log");
    assert!(std::fs::read(file(&directory)).unwrap() == before);

    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "a text that is no database at all ".repeat(100)).unwrap();
    insta::assert_snapshot!(refusal(&directory, &text).await, @"<dir>/notes.txt is a file, but not a log of Assay: choose another path for the log");
}

#[tokio::test]
async fn a_directory_that_can_not_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("taken"), "").unwrap();
    let refused = refusal(&directory, &directory.path().join("taken/log.db")).await;
    insta::assert_snapshot!(refused, @"could not open the log (log <dir>/taken/log.db): File exists (os error 17); check that the path is right and that this user may write there");
}

#[tokio::test]
async fn a_lock_that_another_process_holds_is_transient() {
    let directory = tempfile::tempdir().unwrap();
    LogFile::open(&file(&directory)).await.unwrap();
    let options =
        SqliteConnectOptions::new().filename(file(&directory)).busy_timeout(PATIENCE / 300);
    let mut one = options.connect().await.unwrap();
    let mut two = options.connect().await.unwrap();
    let _held = one.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let busy = two.begin_with("BEGIN IMMEDIATE").await.err().unwrap();
    let error = failure::sqlite("<file>", "append to topic `t`", busy);
    assert_eq!(error.fault(), Fault::Transient);
    insta::assert_snapshot!(error, @"could not append to topic `t` (log <file>): error returned from database: (code: 5) database is locked; another process or task held it too long: try again");
}

#[tokio::test]
async fn a_full_disk_is_told_and_is_permanent() {
    let directory = tempfile::tempdir().unwrap();
    let log = LogFile::open(&file(&directory)).await.unwrap();
    let mut write = log.write("append to topic `t`").await.unwrap();
    sqlx::query("PRAGMA max_page_count = 20").fetch_all(&mut *write).await.unwrap();
    let full = sqlx::query("INSERT INTO record VALUES (1, 1, 1, zeroblob(1000000), NULL, NULL)")
        .execute(&mut *write)
        .await
        .unwrap_err();
    let error = log.failed("append to topic `t`", full);
    assert_eq!(error.fault(), Fault::Permanent);
    insta::assert_snapshot!(told(&directory, &error), @"could not append to topic `t` (log <dir>/log.db): error returned from database: (code: 13) database or disk is full; free some space, then start again");
}

#[tokio::test]
async fn a_new_file_can_be_opened_by_many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { LogFile::open(&path).await.map(drop) })
        })
        .collect();
    for open in opening {
        open.await.unwrap().unwrap();
    }
}
