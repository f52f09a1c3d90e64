use assay_core::{DatasetName, Profile, Remembered, Report, RunId};
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::column::{count, from_count, from_json, from_time, json, time, word};
use crate::{Store, StoreError};

/// What the rows that a run wrote look like.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRecord {
    pub run: RunId,
    /// When its last batch was judged.
    pub judged_at: DateTime<Utc>,
    pub batches: u64,
    pub profile: Profile,
}

impl Store {
    /// The profiles of the newest runs of a dataset, but for one run; newest first.
    pub async fn profiles(
        &self,
        dataset: &DatasetName,
        but: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<ProfileRecord>, StoreError> {
        let failed = self.failed("read the profiles of earlier runs");
        let rows = sqlx::query(
            "SELECT run, judged_at, batches, body FROM profiles
             WHERE dataset = $1 AND run <> $2 ORDER BY judged_at DESC, run DESC LIMIT $3",
        )
        .bind(dataset.to_string())
        .bind(but.map(|run| run.to_string()).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(failed)
    }

    /// When the newest batches that a rule measured were judged, and how many seconds old their
    /// newest row was; newest first.
    pub async fn lags(
        &self,
        dataset: &DatasetName,
        rule: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, f64)>, StoreError> {
        let failed = self.failed("read how fresh earlier batches were");
        let rows = sqlx::query(
            "SELECT judged_at, seconds FROM lags WHERE dataset = $1 AND rule = $2
             ORDER BY judged_at DESC, draft DESC LIMIT $3",
        )
        .bind(dataset.to_string())
        .bind(rule)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        let pair = |row| Ok((time(row, "judged_at")?, Row::try_get(row, "seconds")?));
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }
}

/// Takes in what later batches are held against: the profile becomes one with that of the run.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    report: &Report,
    remembered: &Remembered,
) -> Result<(), sqlx::Error> {
    let (dataset, run) = (report.output.to_string(), report.run.id.to_string());
    let judged_at = from_time(report.judged_at);
    let known = sqlx::query("SELECT batches, body FROM profiles WHERE dataset = $1 AND run = $2")
        .bind(&dataset)
        .bind(&run)
        .fetch_optional(&mut *connection)
        .await?;
    let (mut batches, mut profile) = match &known {
        Some(row) => (count(row, "batches")?, json(row, "body")?),
        None => (0, Profile::default()),
    };
    batches += 1;
    profile.merge(&remembered.profile);
    sqlx::query(
        "INSERT INTO profiles (dataset, run, judged_at, batches, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (dataset, run) DO UPDATE SET judged_at = excluded.judged_at,
             batches = excluded.batches, body = excluded.body",
    )
    .bind(&dataset)
    .bind(&run)
    .bind(&judged_at)
    .bind(from_count(batches))
    .bind(from_json(&profile)?)
    .execute(&mut *connection)
    .await?;
    for (rule, seconds) in &remembered.lags {
        sqlx::query(
            "INSERT INTO lags (draft, rule, dataset, judged_at, seconds)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (draft, rule) DO NOTHING",
        )
        .bind(report.draft.to_string())
        .bind(rule)
        .bind(&dataset)
        .bind(&judged_at)
        .bind(seconds)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn record(row: &SqliteRow) -> Result<ProfileRecord, sqlx::Error> {
    Ok(ProfileRecord {
        run: RunId(word(row, "run")?),
        judged_at: time(row, "judged_at")?,
        batches: count(row, "batches")?,
        profile: json(row, "body")?,
    })
}
