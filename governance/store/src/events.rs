use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use assay_core::{Run, RunId, StageId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::column::{count, from_json, from_time, json, time, word};
use crate::database::{Row, Session, statement};
use crate::outbox::{self, Recipient};
use crate::ways::{self, Prepared};
use crate::{Store, StoreError};

/// What an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A batch came in from outside, to the log or to bronze.
    Ingestion,
    /// A batch was made from other datasets.
    Transformation,
    JobStart,
    JobEnd,
    ApiRequest,
}

impl EventKind {
    pub const ALL: [EventKind; 5] = [
        EventKind::Ingestion,
        EventKind::Transformation,
        EventKind::JobStart,
        EventKind::JobEnd,
        EventKind::ApiRequest,
    ];

    pub fn name(self) -> &'static str {
        match self {
            EventKind::Ingestion => "ingestion",
            EventKind::Transformation => "transformation",
            EventKind::JobStart => "job_start",
            EventKind::JobEnd => "job_end",
            EventKind::ApiRequest => "api_request",
        }
    }

    /// Whether rows went from the inputs to the outputs.
    pub(crate) fn moves_rows(self) -> bool {
        matches!(self, EventKind::Ingestion | EventKind::Transformation)
    }
}

impl FromStr for EventKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EventKind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("`{text}` is not a kind of lineage event"))
    }
}

/// One lineage event as it is sent, and what queries need of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Uuid,
    pub run: RunId,
    pub kind: EventKind,
    pub at: DateTime<Utc>,
    pub body: Value,
    /// Datasets: `layer.name`, or `namespace name` for what is not ours.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// Rows went from one dataset to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub input: String,
    pub output: String,
    pub stage: StageId,
    /// The last run that went this way.
    pub run: RunId,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
}

const EVENT: &str = "SELECT id, run, kind, at, inputs, outputs, body FROM events";

impl Store {
    /// The newest events, newest first.
    pub async fn events(
        &self,
        kind: Option<EventKind>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let failed = self.failed("read the lineage events");
        let of_kind = if kind.is_some() { "WHERE kind = $1" } else { "WHERE $1 IS NULL" };
        let sql = format!("{EVENT} {of_kind} ORDER BY at DESC, id DESC LIMIT $2");
        let query = statement(&sql).bind(kind.map(EventKind::name)).bind(i64::from(limit));
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(event).collect::<Result<_, _>>().map_err(failed)
    }

    /// Gives `each` events of a kind or of all, the newest first; those behind a time and an id.
    /// They are not in memory together: an event may have megabytes.
    pub async fn each_event_before(
        &self,
        kind: Option<EventKind>,
        before: Option<(DateTime<Utc>, Uuid)>,
        limit: u32,
        mut each: impl FnMut(Event) + Send,
    ) -> Result<(), StoreError> {
        let failed = self.failed("read the lineage events");
        let of_kind = if kind.is_some() { "kind = $1" } else { "$1 IS NULL" };
        let place = if before.is_some() { "(at, id) < ($2, $3)" } else { "$2 IS NULL" };
        let sql = format!("{EVENT} WHERE {of_kind} AND {place} ORDER BY at DESC, id DESC LIMIT $4");
        let query = statement(&sql)
            .bind(kind.map(EventKind::name))
            .bind(before.map(|(at, _)| from_time(at)))
            .bind(before.map(|(_, id)| id.to_string()))
            .bind(i64::from(limit));
        let given = query.each(self.pool(), |row| {
            each(event(row)?);
            Ok(true)
        });
        given.await.map_err(failed)
    }

    /// Gives `each` events of a run, oldest first. They are not in memory together.
    pub async fn each_event_of(
        &self,
        run: RunId,
        mut each: impl FnMut(Event) + Send,
    ) -> Result<(), StoreError> {
        let failed = self.failed("read the lineage events of a run");
        let sql = format!("{EVENT} WHERE run = $1 ORDER BY at, id");
        let query = statement(&sql).bind(run.to_string());
        let given = query.each(self.pool(), |row| {
            each(event(row)?);
            Ok(true)
        });
        given.await.map_err(failed)
    }

    /// All events of a run, oldest first.
    pub async fn events_of(&self, run: RunId) -> Result<Vec<Event>, StoreError> {
        let failed = self.failed("read the lineage events of a run");
        let sql = format!("{EVENT} WHERE run = $1 ORDER BY at, id");
        let query = statement(&sql).bind(run.to_string());
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(event).collect::<Result<_, _>>().map_err(failed)
    }

    /// How many events are kept of each kind; kinds without any are left out.
    pub async fn event_counts(&self) -> Result<BTreeMap<EventKind, u64>, StoreError> {
        let failed = self.failed("count the lineage events");
        let rows = statement("SELECT kind, COUNT(*) AS events FROM events GROUP BY kind")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        let pair = |row| Ok((word(row, "kind")?, count(row, "events")?));
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }

    /// Every way that rows ever went. A run that committed nothing leaves none.
    pub async fn edges(&self) -> Result<Vec<Edge>, StoreError> {
        let failed = self.failed("read the lineage");
        let rows = statement("SELECT * FROM edges ORDER BY output, input, pipeline, stage")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(edge).collect::<Result<_, _>>().map_err(failed)
    }
}

/// Takes in events of `run`, and what has to be sent of them to `recipients`; one whose id is known
/// already is left as it is. `of` is the time of what they tell of, where that is not their own.
pub(crate) async fn put(
    connection: &mut Session,
    run: &Run,
    events: &[Event],
    recipients: &[Recipient],
    of: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    let all = events.iter().map(|event| Prepared::of(run, event, None));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    put_all(connection, &all, recipients, |event| (of.unwrap_or(event.at), event.at)).await
}

/// The same for events of several runs. `times` says of each of what time it tells, and since when it
/// waits to be sent.
pub(crate) async fn put_all(
    connection: &mut Session,
    events: &[impl Borrow<Prepared>],
    recipients: &[Recipient],
    times: impl Fn(&Prepared) -> (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    // The transaction holds the write lock, so nobody else puts any of them meanwhile.
    let mut known = known(connection, events).await?;
    for event in events.iter().map(Borrow::borrow) {
        if known.insert(event.id) {
            ways::take(connection, event).await?;
            outbox::enqueue(connection, recipients, event, times(event)).await?;
        }
    }
    Ok(())
}

/// Those of the events that are kept already.
async fn known(
    connection: &mut Session,
    events: &[impl Borrow<Prepared>],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.borrow().id).collect();
    let sql = "SELECT id FROM events WHERE id IN (SELECT value FROM json_each($1))";
    let query = statement(sql).bind(from_json(&ids)?);
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| word(row, "id")).collect()
}

fn event(row: &Row) -> Result<Event, sqlx::Error> {
    Ok(Event {
        id: word(row, "id")?,
        run: word(row, "run")?,
        kind: word(row, "kind")?,
        at: time(row, "at")?,
        body: json(row, "body")?,
        inputs: json(row, "inputs")?,
        outputs: json(row, "outputs")?,
    })
}

fn edge(row: &Row) -> Result<Edge, sqlx::Error> {
    Ok(Edge {
        input: row.try_get("input")?,
        output: row.try_get("output")?,
        stage: StageId { pipeline: row.try_get("pipeline")?, stage: row.try_get("stage")? },
        run: word(row, "run")?,
        first_seen_at: time(row, "first_seen_at")?,
        last_seen_at: time(row, "last_seen_at")?,
    })
}
