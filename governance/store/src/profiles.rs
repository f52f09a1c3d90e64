use assay_core::{DatasetName, Profile, Remembered, Report, RunId, Season};
use chrono::{DateTime, Utc};

use crate::column::{count, from_count, from_json, from_time, json, time, word};
use crate::database::{Row, Session, statement};
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
        let any = (Season::None, DateTime::UNIX_EPOCH);
        self.profiles_like(dataset, but, any, limit).await
    }

    /// The profiles of the newest runs of a dataset that are like one of that time, but for one run;
    /// newest first.
    pub async fn profiles_like(
        &self,
        dataset: &DatasetName,
        but: Option<RunId>,
        (season, time): (Season, DateTime<Utc>),
        limit: u32,
    ) -> Result<Vec<ProfileRecord>, StoreError> {
        let key = dataset.to_string();
        let alike = self.alike(&key, but, (season, time), limit).await;
        alike.map_err(self.failed("read the profiles of earlier runs"))
    }

    /// When the newest batches that a rule measured were judged, and how many seconds old their
    /// newest row was; newest first.
    pub async fn lags(
        &self,
        dataset: &DatasetName,
        rule: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, f64)>, StoreError> {
        let known = self.lags_of(&dataset.to_string(), rule, limit).await;
        known.map_err(self.failed("read how fresh earlier batches were"))
    }

    pub(crate) async fn alike(
        &self,
        key: &str,
        but: Option<RunId>,
        (season, now): (Season, DateTime<Utc>),
        limit: u32,
    ) -> Result<Vec<ProfileRecord>, sqlx::Error> {
        // Profiles are long: only those are read that are wanted.
        let times = statement(
            "SELECT run, judged_at FROM profiles WHERE dataset = $1 AND run <> $2
             ORDER BY judged_at DESC, run DESC",
        )
        .bind(key)
        .bind(but.map(|run| run.to_string()).unwrap_or_default())
        .fetch_all(self.pool())
        .await?;
        let mut records = Vec::new();
        for row in &times {
            if records.len() >= limit as usize {
                break;
            }
            if !season.like(time(row, "judged_at")?, now) {
                continue;
            }
            let query = "SELECT run, judged_at, batches, body FROM profiles
                         WHERE dataset = $1 AND run = $2";
            let found = statement(query).bind(key).bind(row.try_get::<&str, _>("run")?);
            // It may have been pruned since.
            records.extend(found.fetch_optional(self.pool()).await?.as_ref().map(record));
        }
        records.into_iter().collect()
    }

    pub(crate) async fn lags_of(
        &self,
        key: &str,
        rule: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, f64)>, sqlx::Error> {
        let rows = statement(
            "SELECT judged_at, seconds FROM lags WHERE dataset = $1 AND rule = $2
             ORDER BY judged_at DESC, draft DESC LIMIT $3",
        )
        .bind(key)
        .bind(rule)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| Ok((time(row, "judged_at")?, row.try_get("seconds")?))).collect()
    }
}

/// Of what something is remembered: the rows that a draft of a run wrote into a dataset.
pub(crate) struct Of<'a> {
    pub(crate) dataset: &'a str,
    pub(crate) run: &'a str,
    pub(crate) draft: &'a str,
    pub(crate) judged_at: DateTime<Utc>,
}

/// Takes in what later batches are held against: the profile becomes one with that of the run.
pub(crate) async fn put(
    connection: &mut Session,
    report: &Report,
    remembered: &Remembered,
) -> Result<(), sqlx::Error> {
    let of = Of {
        dataset: &report.output.to_string(),
        run: &report.run.id.to_string(),
        draft: &report.draft.to_string(),
        judged_at: report.judged_at,
    };
    keep(connection, &of, remembered).await
}

pub(crate) async fn keep(
    connection: &mut Session,
    of: &Of<'_>,
    remembered: &Remembered,
) -> Result<(), sqlx::Error> {
    let judged_at = from_time(of.judged_at);
    let known = statement("SELECT batches, body FROM profiles WHERE dataset = $1 AND run = $2")
        .bind(of.dataset)
        .bind(of.run)
        .fetch_optional(&mut *connection)
        .await?;
    let (mut batches, mut profile) = match &known {
        Some(row) => (count(row, "batches")?, json(row, "body")?),
        None => (0, Profile::default()),
    };
    batches += 1;
    profile.merge(&remembered.profile);
    statement(
        "INSERT INTO profiles (dataset, run, judged_at, batches, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (dataset, run) DO UPDATE SET judged_at = excluded.judged_at,
             batches = excluded.batches, body = excluded.body",
    )
    .bind(of.dataset)
    .bind(of.run)
    .bind(&judged_at)
    .bind(from_count(batches))
    .bind(from_json(&profile)?)
    .execute(&mut *connection)
    .await?;
    for (rule, seconds) in &remembered.lags {
        statement(
            "INSERT INTO lags (draft, rule, dataset, judged_at, seconds)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (draft, rule) DO NOTHING",
        )
        .bind(of.draft)
        .bind(rule)
        .bind(of.dataset)
        .bind(&judged_at)
        .bind(*seconds)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn record(row: &Row) -> Result<ProfileRecord, sqlx::Error> {
    Ok(ProfileRecord {
        run: RunId(word(row, "run")?),
        judged_at: time(row, "judged_at")?,
        batches: count(row, "batches")?,
        profile: json(row, "body")?,
    })
}
