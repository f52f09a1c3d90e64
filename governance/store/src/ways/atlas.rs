//! All ways at once, for walks that go far: every name is there once, and a way is numbers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use assay_core::{RunId, StageId};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::THEN;
use crate::column::{from_time, unreadable, word};
use crate::database::{Pool, statement};
use crate::{Store, StoreError};

/// Rows of the table that are read at a time, while those before are taken in.
const CHUNK: i64 = 10_000;
/// Chunks that are read at once.
const READERS: usize = 3;
/// Ways that are held in memory at most: some hundred megabytes.
const MOST: usize = 1_000_000;

/// The ways as they were at a time, or as they are.
#[derive(Debug, Default)]
pub struct Atlas {
    pub datasets: Vec<String>,
    pub jobs: Vec<Arc<StageId>>,
    pub ways: Vec<Stretch>,
}

/// A way between two of the datasets, which are said by their places.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    pub input: u32,
    pub output: u32,
    pub job: u32,
    pub since: DateTime<Utc>,
    /// The last run that went this way, and when.
    pub run: RunId,
    pub last_at: DateTime<Utc>,
}

impl Store {
    /// Every way that was there at a time, or is there; nothing when there are too many to hold.
    pub async fn atlas(&self, at: Option<DateTime<Utc>>) -> Result<Option<Atlas>, StoreError> {
        if let Pool::Postgres(..) = self.pool() {
            return self.drawn(at).await.map_err(self.failed("read the whole lineage"));
        }
        let sql = format!(
            "SELECT json_group_array(json_array(input, output, pipeline, stage, since, run,
                 last_at)) AS ways
             FROM ways WHERE rowid BETWEEN $1 AND $1 + {CHUNK} - 1 AND {THEN}"
        );
        let (sql, then) = (&sql, at.map(from_time));
        let then = then.as_deref();
        let chunk = |from: i64| async move {
            let query = statement(sql).bind(from).bind(then);
            query.fetch_one(self.pool()).await?.try_get::<String, _>("ways")
        };
        let read = async {
            let last = statement("SELECT COALESCE(MAX(rowid), 0) AS last FROM ways");
            let last: i64 = last.fetch_one(self.pool()).await?.try_get("last")?;
            let mut drawing = Drawing::default();
            // Each connection reads in a thread of its own. As on a walk in steps, what comes in
            // meanwhile may be seen in one chunk and not in another.
            let starts = stream::iter((0..=last / CHUNK).map(|number| 1 + number * CHUNK));
            let mut chunks = starts.map(chunk).buffered(READERS);
            while let Some(text) = chunks.try_next().await? {
                drawing.take(&text)?;
                if drawing.atlas.ways.len() > MOST {
                    return Ok(None);
                }
            }
            Ok(Some(drawing.atlas))
        };
        read.await.map_err(self.failed("read the whole lineage"))
    }

    /// As PostgreSQL gives it, row by row: it has no numbers of rows to go by.
    async fn drawn(&self, at: Option<DateTime<Utc>>) -> Result<Option<Atlas>, sqlx::Error> {
        // `$1` is where SQLite begins.
        let sql = format!(
            "SELECT input, output, pipeline, stage, since, last_at, run FROM ways
             WHERE $1 IS NULL AND {THEN}"
        );
        let mut drawing = Drawing::default();
        let rows = statement(&sql).bind(None::<i64>).bind(at.map(from_time));
        rows.each(self.pool(), |row| {
            let text = |column| row.try_get::<&str, _>(column);
            let (pipeline, stage) = (text("pipeline")?, text("stage")?);
            let (since, last_at) = (text("since")?, text("last_at")?);
            let texts = [text("input")?, text("output")?, pipeline, stage, since, last_at];
            drawing.draw(texts, word(row, "run")?)?;
            Ok(drawing.atlas.ways.len() <= MOST)
        })
        .await?;
        Ok((drawing.atlas.ways.len() <= MOST).then_some(drawing.atlas))
    }
}

/// An atlas that is being made.
#[derive(Default)]
struct Drawing {
    atlas: Atlas,
    datasets: HashMap<String, u32>,
    jobs: HashMap<String, HashMap<String, u32>>,
    /// Of the row before: ways of one run stand together, and say the same.
    output: u32,
    job: u32,
    since: Read,
    last_at: Read,
}

/// A time that was read last, and how it was written.
#[derive(Default)]
struct Read {
    text: String,
    at: DateTime<Utc>,
}

impl Read {
    fn time(&mut self, text: &str) -> Result<DateTime<Utc>, sqlx::Error> {
        if self.text != text {
            self.at = text.parse().map_err(|_| unreadable("since"))?;
            text.clone_into(&mut self.text);
        }
        Ok(self.at)
    }
}

#[derive(Deserialize)]
struct Line<'l>(
    #[serde(borrow)] Cow<'l, str>,
    #[serde(borrow)] Cow<'l, str>,
    #[serde(borrow)] Cow<'l, str>,
    #[serde(borrow)] Cow<'l, str>,
    #[serde(borrow)] Cow<'l, str>,
    RunId,
    #[serde(borrow)] Cow<'l, str>,
);

impl Drawing {
    fn take(&mut self, text: &str) -> Result<(), sqlx::Error> {
        let lines: Vec<Line> = serde_json::from_str(text).map_err(|_| unreadable("ways"))?;
        for Line(input, output, pipeline, stage, since, run, last_at) in lines {
            self.draw([&input, &output, &pipeline, &stage, &since, &last_at], run)?;
        }
        Ok(())
    }

    fn draw(&mut self, texts: [&str; 6], run: RunId) -> Result<(), sqlx::Error> {
        let [input, output, pipeline, stage, since, last_at] = texts;
        if self.atlas.datasets.get(self.output as usize).is_none_or(|last| last != output) {
            self.output = self.dataset(output);
        }
        let same = |last: &Arc<StageId>| last.pipeline == pipeline && last.stage == stage;
        if !self.atlas.jobs.get(self.job as usize).is_some_and(same) {
            self.job = self.job(pipeline, stage);
        }
        let (input, output, job) = (self.dataset(input), self.output, self.job);
        let (since, last_at) = (self.since.time(since)?, self.last_at.time(last_at)?);
        self.atlas.ways.push(Stretch { input, output, job, since, run, last_at });
        Ok(())
    }

    fn dataset(&mut self, name: &str) -> u32 {
        if let Some(known) = self.datasets.get(name) {
            return *known;
        }
        let place = place(&self.atlas.datasets);
        self.datasets.insert(name.to_owned(), place);
        self.atlas.datasets.push(name.to_owned());
        place
    }

    fn job(&mut self, pipeline: &str, stage: &str) -> u32 {
        if let Some(known) = self.jobs.get(pipeline).and_then(|stages| stages.get(stage)) {
            return *known;
        }
        let place = place(&self.atlas.jobs);
        self.jobs.entry(pipeline.to_owned()).or_default().insert(stage.to_owned(), place);
        let job = StageId { pipeline: pipeline.to_owned(), stage: stage.to_owned() };
        self.atlas.jobs.push(Arc::new(job));
        place
    }
}

/// The place of what is put behind all others, of which there are fewer than ways.
fn place<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}
