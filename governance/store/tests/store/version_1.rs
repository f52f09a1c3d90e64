//! A store as version 1 left it: its own migration, and rows as it wrote them.

use std::path::{Path, PathBuf};

use assay_core::{Evaluated, Report, Verdict};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use crate::sample::{report, run};

const MIGRATION: &str = include_str!("../../migrations/0001_told_runs_reports_lineage_totals.sql");

/// Two commits of `parse`, and a batch of `enrich` that was halted.
pub(crate) async fn make(path: &Path) {
    let mut connection = connect(path).await;
    let stamp = "PRAGMA application_id = 1095975257; PRAGMA user_version = 1;";
    execute(&mut connection, &format!("{MIGRATION} {stamp}")).await;
    for (number, stage) in [(1, "parse"), (2, "enrich")] {
        let run = run(number, stage);
        let body = serde_json::to_string(&run).unwrap();
        let (id, started) = (run.id, written(run.started_at));
        execute(&mut connection, &format!(
            "INSERT INTO runs VALUES ('{id}', 'github_events', '{stage}', '{started}', 1, 'complete',
                 '{started}', '{started}', 2,
                 '{{\"read\":20,\"written\":18,\"rejected\":2,\"filtered\":0,\"duplicates\":0}}',
                 NULL, '{body}');
             INSERT INTO events VALUES ('{id}', '{id}', 'job_start', '{started}', '[\"a.b\"]', '[]',
                 '{{\"eventType\":\"START\"}}');"
        ))
        .await;
    }
    for sequence in 1..=2 {
        let report = report(&run(1, "parse"), sequence, sequence.cast_signed());
        put(&mut connection, &report, "97.5, 'warn'", &format!("{sequence}, -{sequence}")).await;
    }
    put(&mut connection, &halted(), "97.5, 'halt'", "NULL, NULL").await;
    let told = report(&run(1, "parse"), 2, 2).draft;
    execute(
        &mut connection,
        &format!(
            "INSERT INTO told VALUES ('silver.github_events', 2, -2, '{told}');
         INSERT INTO edges VALUES ('bronze.github_events', 'silver.github_events', 'github_events',
             'parse', '{id}', '{at}', '{at}');
         INSERT INTO totals VALUES ('records_processed_total', '{{\"stage\":\"parse\"}}', 18.0);",
            id = run(1, "parse").id,
            at = written(run(1, "parse").started_at),
        ),
    )
    .await;
    connection.close().await.unwrap();
}

/// The report of the batch that was halted.
pub(crate) fn halted() -> Report {
    let mut report = report(&run(2, "enrich"), 300, 3);
    if let Evaluated::Judged(quality) = &mut report.quality {
        quality.verdict = Verdict::Halt;
    }
    report
}

/// The backups beside a store, by name.
pub(crate) fn backups(path: &Path) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let paths = inside.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths.filter(|path| path.to_string_lossy().contains(".bak")).collect();
    found.sort();
    found
}

/// The definitions of all tables and indexes of a version 1, or of any store.
pub(crate) async fn tables(path: &Path) -> Vec<(String, Option<String>)> {
    let mut connection = connect(path).await;
    let sql = "SELECT name, sql FROM sqlite_master ORDER BY name";
    let tables = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    tables
}

pub(crate) async fn number(path: &Path, sql: &str) -> i64 {
    let mut connection = connect(path).await;
    let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    number
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap()
}

async fn put(connection: &mut SqliteConnection, report: &Report, quality: &str, commit: &str) {
    let body = serde_json::to_string(report).unwrap();
    execute(
        connection,
        &format!(
            "INSERT INTO reports VALUES ('{}', '{}', '{}', '{}', {quality}, {commit},
             10, 9, 1, 0, 0, '{body}');",
            report.draft,
            report.run.id,
            report.output,
            written(report.judged_at)
        ),
    )
    .await;
}

async fn execute(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

fn written(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}
