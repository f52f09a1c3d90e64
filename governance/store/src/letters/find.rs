//! Which letters there are, without reading a topic.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{LetterCause, LetterClosed, LetterPlace, LetterRecord, LetterRow, LetterState};
use crate::column::{count, from_count, from_time, json, small, some_time, time};
use crate::database::{Building, Row, statement};
use crate::replays::IN_FLIGHT;
use crate::{Store, StoreError};

/// Which letters are meant: those that have all that is given here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LetterFilter {
    /// Any of them; empty: every topic.
    pub topics: Vec<String>,
    /// Any of them; empty: whatever their ids.
    pub ids: Vec<String>,
    pub stage: Option<String>,
    pub dataset: Option<String>,
    pub reason: Option<String>,
    pub rule: Option<String>,
    pub class: Option<String>,
    pub run: Option<String>,
    pub attempt: Option<u32>,
    pub fingerprint: Option<String>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Also those that wait for nobody any more.
    pub closed: bool,
    /// Only those that no job has which is not over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub free: bool,
    /// Also those of drafts that were never committed.
    pub void: bool,
    /// Not those that are parked after too many attempts.
    pub unparked: bool,
    /// Ids that were given beside those that are here: a job has its letters as rows of their own.
    #[serde(skip_serializing_if = "none")]
    pub more_ids: usize,
}

/// Ids that are kept of what was asked for.
const SHOWN_IDS: usize = 100;

fn none(count: &usize) -> bool {
    *count == 0
}

impl LetterFilter {
    /// Keeps the first ids only, where the filter is shown and not asked any more.
    pub(crate) fn shorten(&mut self) {
        self.more_ids += self.ids.len().saturating_sub(SHOWN_IDS);
        self.ids.truncate(SHOWN_IDS);
    }
}

/// Letters that died of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterGroup {
    pub cause: LetterCause,
    pub letters: u64,
    pub rows: u64,
    pub oldest: DateTime<Utc>,
    pub newest: DateTime<Utc>,
}

/// A letter of a job, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterOfReplay {
    pub number: u64,
    pub id: String,
    pub topic: String,
    pub part: u32,
    pub place: u64,
    /// How it stands; absent where the index has it no more.
    pub state: Option<LetterState>,
    pub payload_bytes: u64,
}

const COLUMNS: &str = "l.*, c.dialect, c.stage, c.dataset, c.reason, c.rules, c.class, c.wrote,
    c.detail AS cause_detail";

impl Store {
    /// The letters that fit, newest first, behind `after`; at most so many.
    pub async fn letters(
        &self,
        filter: &LetterFilter,
        after: Option<&LetterRow>,
        limit: u32,
    ) -> Result<Vec<LetterRecord>, StoreError> {
        let after = after.map(LetterPlace::of);
        self.letters_behind(filter, after.as_ref(), limit).await
    }

    /// The letters that fit, newest first, behind a place in the list.
    pub async fn letters_behind(
        &self,
        filter: &LetterFilter,
        after: Option<&LetterPlace>,
        limit: u32,
    ) -> Result<Vec<LetterRecord>, StoreError> {
        let failed = self.failed("list letters");
        let mut query = Building::new(format!(
            "SELECT {COLUMNS} FROM letters l JOIN letter_causes c ON c.fingerprint = l.fingerprint WHERE "
        ));
        conditions(&mut query, filter);
        if let Some(after) = after {
            query.push(" AND (l.failed_at, l.id, l.attempt, l.draft) < (");
            query.push_bind(from_time(after.failed_at)).push(", ").push_bind(after.id.clone());
            query.push(", ").push_bind(after.attempt).push(", ");
            query.push_bind(after.draft.clone()).push(")");
        }
        query.push(" ORDER BY l.failed_at DESC, l.id DESC, l.attempt DESC, l.draft DESC LIMIT ");
        query.push_bind(i64::from(limit));
        let rows = query.build().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(failed)
    }

    /// The letters of a job from a number on, and where each lies: its topic says what it is.
    pub async fn letters_of_replay(
        &self,
        job: Uuid,
        from: u64,
        limit: u32,
    ) -> Result<Vec<LetterOfReplay>, StoreError> {
        let failed = self.failed("read the letters of a job");
        let rows = statement(
            "SELECT r.number, r.id, r.topic, r.part, r.place, l.state, l.payload_bytes
             FROM replay_letters r
             LEFT JOIN letters l ON l.id = r.id AND l.attempt = r.attempt AND l.draft = r.draft
             WHERE r.job = $1 AND r.number >= $2 ORDER BY r.number LIMIT $3",
        )
        .bind(job.to_string())
        .bind(from_count(from))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        let one = |row: &Row| {
            let state: Option<&str> = row.try_get(5)?;
            Ok(LetterOfReplay {
                number: row.try_get::<i64, _>(0)?.cast_unsigned(),
                id: row.try_get(1)?,
                topic: row.try_get(2)?,
                part: small(row, "part")?,
                place: row.try_get::<i64, _>(4)?.cast_unsigned(),
                state: state.map(LetterState::from_name),
                payload_bytes: row.try_get::<Option<i64>, _>(6)?.unwrap_or(0).cast_unsigned(),
            })
        };
        rows.iter().map(one).collect::<Result<_, _>>().map_err(failed)
    }

    /// Every letter of an id, newest first.
    pub async fn letters_of(&self, id: &str) -> Result<Vec<LetterRecord>, StoreError> {
        let ids = vec![id.to_owned()];
        let filter = LetterFilter { ids, closed: true, void: true, ..LetterFilter::default() };
        self.letters(&filter, None, 10_000).await
    }

    /// The letters that fit by what they died of, most first.
    pub async fn letter_groups(
        &self,
        filter: &LetterFilter,
        limit: u32,
    ) -> Result<Vec<LetterGroup>, StoreError> {
        let failed = self.failed("group letters");
        let mut query = Building::new(
            "SELECT c.*, g.letters, g.rows_held, g.oldest, g.newest FROM (
                 SELECT l.fingerprint, COUNT(*) AS letters, CAST(SUM(l.rows_held) AS BIGINT) AS rows_held,
                     MIN(l.failed_at) AS oldest, MAX(l.failed_at) AS newest
                 FROM letters l WHERE ",
        );
        of_letter(&mut query, filter);
        query.push(
            " GROUP BY l.fingerprint) g JOIN letter_causes c ON c.fingerprint = g.fingerprint WHERE ",
        );
        of_cause(&mut query, filter);
        query.push(" ORDER BY g.letters DESC, c.fingerprint LIMIT ").push_bind(i64::from(limit));
        let rows = query.build().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(group).collect::<Result<_, _>>().map_err(failed)
    }

    /// How many letters fit.
    pub async fn letter_count(&self, filter: &LetterFilter) -> Result<u64, StoreError> {
        let groups = self.letter_groups(filter, u32::MAX).await?;
        Ok(groups.iter().map(|group| group.letters).sum())
    }
}

/// Adds what `filter` asks for, of letters `l` and their causes `c`.
pub(crate) fn conditions(query: &mut Building, filter: &LetterFilter) {
    of_letter(query, filter);
    query.push(" AND ");
    of_cause(query, filter);
}

fn of_letter(query: &mut Building, filter: &LetterFilter) {
    let mut states = vec!["'open'"];
    if filter.closed {
        states.extend(["'closed'", "'older'"]);
    }
    if filter.void {
        states.push("'void'");
    }
    match &states[..] {
        // What is asked by its id is found by it, and not by how it stands.
        many if !filter.ids.is_empty() => {
            query.push(format!("(l.state || '') IN ({})", many.join(", ")))
        }
        // Said so, the index is read in its order.
        [one] => query.push(format!("l.state = {one}")),
        many => query.push(format!("l.state IN ({})", many.join(", "))),
    };
    if !filter.ids.is_empty() {
        among(query, " AND l.id", &filter.ids);
    }
    if let Some(fingerprint) = &filter.fingerprint {
        query.push(" AND l.fingerprint = ").push_bind(fingerprint.clone());
    }
    if let Some(run) = &filter.run {
        query.push(" AND l.run = ").push_bind(run.clone());
    }
    if let Some(attempt) = filter.attempt {
        query.push(" AND l.attempt = ").push_bind(attempt);
    }
    if filter.free {
        query.push(format!(" AND NOT {IN_FLIGHT}"));
    }
    if let Some(since) = filter.since {
        query.push(" AND l.failed_at >= ").push_bind(from_time(since));
    }
    if let Some(until) = filter.until {
        query.push(" AND l.failed_at < ").push_bind(from_time(until));
    }
}

fn of_cause(query: &mut Building, filter: &LetterFilter) {
    query.push("true");
    if !filter.topics.is_empty() {
        among(query, " AND c.topic", &filter.topics);
    }
    let plain = [
        ("stage", &filter.stage),
        ("dataset", &filter.dataset),
        ("reason", &filter.reason),
        ("class", &filter.class),
    ];
    for (column, value) in plain {
        if let Some(value) = value {
            query.push(format!(" AND c.{column} = ")).push_bind(value.clone());
        }
    }
    if filter.unparked {
        query.push(" AND (c.reason IS NULL OR c.reason <> 'attempts-exhausted')");
    }
    if let Some(rule) = &filter.rule {
        query.push(" AND EXISTS (SELECT 1 FROM json_each(c.rules) WHERE value = ");
        query.push_bind(rule.clone()).push(")");
    }
}

fn among(query: &mut Building, what: &str, values: &[String]) {
    let list = serde_json::to_string(values).unwrap_or_else(|_| "[]".to_owned());
    query.push(format!("{what} IN (SELECT value FROM json_each("));
    query.push_bind(list).push("))");
}

pub(crate) fn record(row: &Row) -> Result<LetterRecord, sqlx::Error> {
    let number = |column| row.try_get::<Option<i64>, _>(column).map(|n| n.map(i64::cast_unsigned));
    let part = number("source_part")?.and_then(|part| u32::try_from(part).ok());
    let closed = match some_time(row, "closed_at")? {
        Some(at) => Some(LetterClosed {
            fate: row.try_get("fate")?,
            at,
            draft: row.try_get("closed_by")?,
            job: row.try_get("job")?,
            sent_to: row.try_get("sent_to")?,
        }),
        None => None,
    };
    Ok(LetterRecord {
        state: LetterState::from_name(row.try_get("state")?),
        closed,
        cause: LetterCause { detail: row.try_get("cause_detail")?, ..cause(row)? },
        letter: LetterRow {
            id: row.try_get("id")?,
            attempt: small(row, "attempt")?,
            draft: row.try_get("draft")?,
            topic: row.try_get("topic")?,
            part: small(row, "part")?,
            place: count(row, "place")?,
            fingerprint: row.try_get("fingerprint")?,
            run: row.try_get("run")?,
            detail: row.try_get("detail")?,
            contract: row.try_get("contract")?,
            origin: row.try_get("origin")?,
            source_topic: row.try_get("source_topic")?,
            source_part: part,
            source_place: number("source_place")?,
            failed_at: time(row, "failed_at")?,
            first_failed_at: time(row, "first_failed_at")?,
            rows_held: count(row, "rows_held")?,
            payload_kind: row.try_get("payload_kind")?,
            payload_bytes: count(row, "payload_bytes")?,
        },
    })
}

fn cause(row: &Row) -> Result<LetterCause, sqlx::Error> {
    Ok(LetterCause {
        fingerprint: row.try_get("fingerprint")?,
        topic: row.try_get("topic")?,
        dialect: row.try_get("dialect")?,
        stage: row.try_get("stage")?,
        dataset: row.try_get("dataset")?,
        reason: row.try_get("reason")?,
        rules: json(row, "rules")?,
        class: row.try_get("class")?,
        wrote: row.try_get("wrote")?,
        detail: row.try_get("detail")?,
    })
}

fn group(row: &Row) -> Result<LetterGroup, sqlx::Error> {
    Ok(LetterGroup {
        cause: cause(row)?,
        letters: count(row, "letters")?,
        rows: count(row, "rows_held")?,
        oldest: time(row, "oldest")?,
        newest: time(row, "newest")?,
    })
}
