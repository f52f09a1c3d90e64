//! All ways at once, for walks that go far: every name is there once, and a way is numbers.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use assay_core::{RunId, StageId};
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::THEN;
use crate::column::{from_time, unreadable};
use crate::database::{Home, Value, statement};
use crate::{Store, StoreError};

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
        let drawn = match self.home() {
            Some(home) => drawn_here(home.clone(), at).await,
            None => self.drawn(at).await,
        };
        drawn.map_err(self.failed("read the whole lineage"))
    }

    /// As a server gives it.
    async fn drawn(&self, at: Option<DateTime<Utc>>) -> Result<Option<Atlas>, sqlx::Error> {
        let mut drawing = Drawing::default();
        let rows = statement(&ALL).bind(None::<i64>).bind(at.map(from_time));
        rows.each(self.pool(), |row| drawing.draw(|place| row.try_get(place))).await?;
        Ok(drawing.done())
    }
}

/// As it lies in a file. A row each by a pool costs more than all that is in it.
async fn drawn_here(home: Home, at: Option<DateTime<Utc>>) -> Result<Option<Atlas>, sqlx::Error> {
    let turn = home.reader().await?;
    let (done, drawn) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut drawing = Drawing::default();
        let values = [Value::from(None::<i64>), Value::from(at.map(from_time))];
        // Whoever asked may have gone.
        let read = home.each(&ALL, &values, |row| {
            Ok(!done.is_closed() && drawing.draw(|place| row.text(place))?)
        });
        drop(turn);
        let _ = done.send(read.map(|()| drawing.done()));
    });
    drawn.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

/// In the order that [`Drawing::draw`] takes them. `$1` is of nothing: `$2` is the time.
static ALL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT input, output, pipeline, stage, since, last_at, run FROM ways
         WHERE $1 IS NULL AND {THEN}"
    )
});

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

impl Drawing {
    /// Draws a way, whose texts are at their places; false when there are too many.
    fn draw<'r>(
        &mut self,
        text: impl Fn(usize) -> Result<&'r str, sqlx::Error>,
    ) -> Result<bool, sqlx::Error> {
        let (output, pipeline, stage) = (text(1)?, text(2)?, text(3)?);
        if self.atlas.datasets.get(self.output as usize).is_none_or(|last| last != output) {
            self.output = self.dataset(output);
        }
        let same = |last: &Arc<StageId>| last.pipeline == pipeline && last.stage == stage;
        if !self.atlas.jobs.get(self.job as usize).is_some_and(same) {
            self.job = self.job(pipeline, stage);
        }
        let (input, output, job) = (self.dataset(text(0)?), self.output, self.job);
        let (since, last_at) = (self.since.time(text(4)?)?, self.last_at.time(text(5)?)?);
        let run = text(6)?.parse().map_err(|_| unreadable("run"))?;
        self.atlas.ways.push(Stretch { input, output, job, since, run, last_at });
        Ok(self.atlas.ways.len() <= MOST)
    }

    fn done(self) -> Option<Atlas> {
        (self.atlas.ways.len() <= MOST).then_some(self.atlas)
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
