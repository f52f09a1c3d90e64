//! What a stage has not read yet, without reading it.

use assay_core::{DatasetName, Position, ReaderId, Slice};
use assay_dlq::TOPICS;
use assay_log::{Fetch, Log, LogError};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::lake::{Lake, new_since, position_of, positions};
use crate::postgres::Places;
use crate::source::SourceError;
use crate::stage::{Reads, Stage};
use crate::target::Targets;

/// What a run of a stage would read and write now.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    pub stage: String,
    pub reads: DatasetName,
    pub pending: Pending,
    pub writes: DatasetName,
    /// `append`, or `replace` with the column.
    pub how: String,
    pub table_exists: bool,
    pub rules: usize,
    pub deduplicates_by: Vec<String>,
}

/// What is new to a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    Messages {
        messages: u64,
        partitions: usize,
    },
    Rows {
        rows: u64,
        files: usize,
    },
    /// The dataset is not there yet.
    NotThere,
}

/// How far a reader is behind in one partition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Behind {
    /// Absent where no stage has read the topic yet.
    pub reader: Option<String>,
    pub topic: String,
    pub partition: u32,
    /// The offset that it reads next.
    pub next: u64,
    pub messages: u64,
    /// Age of the oldest unread message.
    pub seconds: Option<f64>,
}

/// What a run of `stage` would do now; what stages before it would add is not counted.
pub async fn plan(places: &Places, log: &dyn Log, stage: &Stage) -> Result<Plan, SourceError> {
    let lake = places.lake.as_ref();
    let table_exists = match stage.writes.postgres {
        // A table of a database is there, or the stage can't run.
        Some(_) => true,
        None => lake.table(&stage.writes.dataset).await?.is_some(),
    };
    let position = position_in(places, stage).await?;
    let pending = match &stage.reads {
        Reads::Topic(topic) => messages(log, topic.dataset.name(), &position).await?,
        Reads::Table(table) => rows(lake, &table.dataset, &position).await?,
    };
    Ok(Plan {
        stage: stage.id.to_string(),
        reads: stage.reads.dataset().clone(),
        pending,
        writes: stage.writes.dataset.clone(),
        how: stage.aggregate.as_ref().map_or_else(
            || "append".to_owned(),
            |aggregate| format!("replace by {}", aggregate.replace),
        ),
        table_exists,
        rules: stage.writes.contract.rules.len(),
        deduplicates_by: stage.deduplicate.clone(),
    })
}

async fn messages(log: &dyn Log, topic: &str, position: &Position) -> Result<Pending, SourceError> {
    if !log.topics().await?.iter().any(|known| known.name == topic) {
        return Ok(Pending::NotThere);
    }
    let ends = log.ends(topic).await?;
    let unread = ends.iter().map(|ends| {
        let mark = position.mark(&Slice::partition(topic, ends.partition));
        ends.end.saturating_sub(mark.map_or(ends.start, |mark| mark.at))
    });
    Ok(Pending::Messages { messages: unread.sum(), partitions: ends.len() })
}

async fn rows(
    lake: &Lake,
    dataset: &DatasetName,
    position: &Position,
) -> Result<Pending, SourceError> {
    let Some(table) = lake.table(dataset).await? else { return Ok(Pending::NotThere) };
    let mark = position.mark(&Slice::table(&dataset.to_string())).map_or(0, |mark| mark.at);
    let files = match table.metadata().current_snapshot().cloned() {
        Some(snapshot) => new_since(dataset, &table, &snapshot, mark).await?,
        None => return Ok(Pending::Rows { rows: 0, files: 0 }),
    };
    Ok(Pending::Rows { rows: files.rows, files: files.files.len() })
}

async fn position_in(places: &Places, stage: &Stage) -> Result<Position, SourceError> {
    if stage.writes.postgres.is_some() {
        return Ok(places.target(&stage.writes).position(&stage.reader()).await?);
    }
    Ok(match places.lake.table(&stage.writes.dataset).await? {
        Some(table) => position_of(&stage.writes.dataset, &table, &stage.reader())?,
        None => Position::default(),
    })
}

/// How far every reader of a topic is behind, as the positions in the tables tell.
pub async fn behind(places: &Places, log: &dyn Log) -> Result<Vec<Behind>, SourceError> {
    let lake = places.lake.as_ref();
    let mut found = Vec::new();
    for dataset in lake.datasets().await? {
        let table = lake.existing(&dataset).await?;
        for (reader, position) in positions(&dataset, &table)? {
            found.extend(behind_of(log, &reader, &position, lake.clock.now()).await?);
        }
    }
    if let Some(postgres) = &places.postgres {
        let positions = postgres.positions().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "how far streams are behind is not known now");
            vec![]
        });
        for (reader, position) in positions {
            found.extend(behind_of(log, &reader, &position, lake.clock.now()).await?);
        }
    }
    found.extend(never_read(log, &found).await?);
    found.sort_by(|a, b| {
        (&a.reader, &a.topic, a.partition).cmp(&(&b.reader, &b.topic, b.partition))
    });
    Ok(found)
}

/// How far a stage that reads a topic is behind, in every partition.
pub async fn behind_stage(
    places: &Places,
    log: &dyn Log,
    stage: &Stage,
) -> Result<Vec<Behind>, SourceError> {
    let Reads::Topic(topic) = &stage.reads else { return Ok(vec![]) };
    let position = position_in(places, stage).await?;
    let now = places.lake.clock.now();
    behind_topic(log, &stage.reader(), topic.dataset.name(), &position, now).await
}

/// Topics that wait for their first reader; dead letters wait for people.
async fn never_read(log: &dyn Log, read: &[Behind]) -> Result<Vec<Behind>, SourceError> {
    let mut found = Vec::new();
    for topic in log.topics().await? {
        let known = read.iter().any(|behind| behind.topic == topic.name);
        if known || TOPICS.contains(&topic.name.as_str()) {
            continue;
        }
        for ends in log.ends(&topic.name).await? {
            found.push(Behind {
                reader: None,
                topic: topic.name.clone(),
                partition: ends.partition,
                next: ends.start,
                messages: ends.end.saturating_sub(ends.start),
                seconds: None,
            });
        }
    }
    Ok(found)
}

async fn behind_of(
    log: &dyn Log,
    reader: &ReaderId,
    position: &Position,
    now: DateTime<Utc>,
) -> Result<Vec<Behind>, SourceError> {
    let mut topics: Vec<&str> =
        position.0.keys().filter_map(|slice| Some(slice.as_str().rsplit_once('/')?.0)).collect();
    topics.dedup();
    let mut found = Vec::new();
    for topic in topics {
        found.extend(behind_topic(log, reader, topic, position, now).await?);
    }
    Ok(found)
}

async fn behind_topic(
    log: &dyn Log,
    reader: &ReaderId,
    topic: &str,
    position: &Position,
    now: DateTime<Utc>,
) -> Result<Vec<Behind>, SourceError> {
    let mut found = Vec::new();
    let all = match log.ends(topic).await {
        // The stage that reads it says what to do; the others have their lag all the same.
        Err(LogError::UnknownTopic { .. }) => {
            tracing::warn!(topic, %reader, "a topic that was read before is gone: it has no lag");
            return Ok(found);
        }
        all => all?,
    };
    for ends in all {
        let mark = position.mark(&Slice::partition(topic, ends.partition));
        let next = mark.map_or(ends.start, |mark| mark.at).max(ends.start);
        let oldest = match next < ends.end {
            true => {
                let one = Fetch { max_records: 1, max_bytes: 1 };
                log.read(topic, ends.partition, next, one).await?.into_iter().next()
            }
            false => None,
        };
        found.push(Behind {
            reader: Some(reader.to_string()),
            topic: topic.to_owned(),
            partition: ends.partition,
            next,
            messages: ends.end.saturating_sub(next),
            seconds: oldest.map(|record| (now - record.timestamp).as_seconds_f64().max(0.0)),
        });
    }
    Ok(found)
}

impl From<Pending> for String {
    fn from(pending: Pending) -> String {
        match pending {
            Pending::Messages { messages, partitions } => {
                format!("{messages} messages in {partitions} partitions")
            }
            Pending::Rows { rows, files } => format!("{rows} rows in {files} files"),
            Pending::NotThere => "not there yet".to_owned(),
        }
    }
}
