//! The lineage with its time: which way rows went, by what job, and from when until when.

mod atlas;
mod columns;
mod kept;
mod names;
mod prepared;
mod runs;
mod said;
mod take;

use std::borrow::Borrow;
use std::collections::BTreeSet;

use assay_core::{Clock, RunId, StageId, SystemClock};
use chrono::{DateTime, Utc};

use self::kept::THEN;
use crate::column::{from_json, from_time, some_time, word};
use crate::database::statement;
use crate::{Event, Store, StoreError, events};

pub use atlas::{Atlas, Stretch};
pub(crate) use names::forget_names;
pub use prepared::Prepared;
pub use runs::LineageRun;
pub use said::{job, label};
pub(crate) use take::take;

/// An event that somebody sent, with the run that it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub run: assay_core::Run,
    pub event: Event,
    /// The event's body as it is kept, where that was written already and is the same since.
    pub text: Option<String>,
}

/// Rows went from one dataset to another, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub input: String,
    pub output: String,
    pub job: StageId,
    pub since: DateTime<Utc>,
    /// When a run completed that went another way.
    pub until: Option<DateTime<Utc>>,
    /// The last run that went this way, and when.
    pub run: RunId,
    pub last_at: DateTime<Utc>,
}

/// Values of one column went to another, or decided which do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnWay {
    pub input: String,
    pub input_column: String,
    pub output: String,
    /// `*` when it is all of the output's rows.
    pub output_column: String,
    pub job: StageId,
    /// False when it only decides which values there are.
    pub direct: bool,
    /// identity, aggregation, filter, …; empty when that is not known.
    pub how: String,
    pub since: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

/// In which direction a graph is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Upstream,
    Downstream,
}

impl Direction {
    /// The end of a way where a walk in this direction stands.
    fn end(self) -> &'static str {
        match self {
            Direction::Upstream => "output",
            Direction::Downstream => "input",
        }
    }
}

impl Store {
    /// Takes in events of others, all or none of them; on return they survive a loss of power.
    /// An event that was there already has no effect.
    ///
    /// Where the store is a file, the thread of the caller does all of it: it is not for one that
    /// others wait for.
    pub async fn receive(&self, received: &[Received]) -> Result<(), StoreError> {
        let prepared = received.iter().map(|received| self.prepare(received));
        self.receive_prepared(&prepared.collect::<Result<Vec<_>, _>>()?).await
    }

    /// The same of events that are prepared.
    pub async fn receive_prepared(
        &self,
        events: &[impl Borrow<Prepared> + Sync],
    ) -> Result<(), StoreError> {
        let taken = async {
            let mut transaction = self.write_here().await?;
            // What comes in now is sent on, whenever it was said, and waits from now on.
            let times = (DateTime::<Utc>::MAX_UTC, SystemClock.now());
            events::put_all(&mut transaction, events, &self.recipients, |_| times).await?;
            transaction.commit().await
        };
        taken.await.map_err(self.failed("take in lineage events"))
    }

    /// The ways from or to any of `datasets`, as it was then, or as it is.
    pub async fn ways(
        &self,
        datasets: &[&str],
        direction: Direction,
        at: Option<DateTime<Utc>>,
    ) -> Result<Vec<Way>, StoreError> {
        let asked = self.touching(datasets, direction, at).await;
        asked.map_err(self.failed("read the lineage"))
    }

    /// Whether there is any way from or to `datasets`, as it was then, or as it is.
    pub async fn leads_on(
        &self,
        datasets: &[&str],
        direction: Direction,
        at: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        let end = direction.end();
        let sql = format!(
            "SELECT 1 FROM ways WHERE {end} IN (SELECT value FROM json_each($1)) AND {THEN} LIMIT 1"
        );
        let failed = self.failed("read the lineage");
        let row = statement(&sql)
            .bind(from_json(&datasets).map_err(&failed)?)
            .bind(at.map(from_time))
            .fetch_optional(self.pool())
            .await
            .map_err(failed)?;
        Ok(row.is_some())
    }

    /// The ways from or to columns of any of `datasets`, as it was then, or as it is.
    pub async fn column_ways(
        &self,
        datasets: &[&str],
        direction: Direction,
        at: Option<DateTime<Utc>>,
    ) -> Result<Vec<ColumnWay>, StoreError> {
        let asked = self.touching(datasets, direction, at).await;
        asked.map_err(self.failed("read the lineage of columns"))
    }

    /// The ways that were there at one of two times and not at the other, in any order.
    pub async fn ways_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Way>, StoreError> {
        let asked = self.between(from, to).await;
        asked.map_err(self.failed("compare the lineage of two times"))
    }

    /// The ways of columns that were there at one of two times and not at the other, in any order.
    pub async fn column_ways_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<ColumnWay>, StoreError> {
        let asked = self.between(from, to).await;
        asked.map_err(self.failed("compare the lineage of columns at two times"))
    }

    /// When the last way from a column of a dataset ended, by any of its names.
    pub async fn column_went(
        &self,
        datasets: &[&str],
        column: &str,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let failed = self.failed("read when a column was used last");
        let sql = "SELECT MAX(until) AS went FROM column_ways
            WHERE input IN (SELECT value FROM json_each($1)) AND input_column = $2";
        let query = statement(sql).bind(from_json(&datasets).map_err(&failed)?).bind(column);
        let row = query.fetch_one(self.pool()).await.map_err(&failed)?;
        some_time(&row, "went").map_err(failed)
    }

    /// The columns of a dataset, by any of its names, that any event said a way from or to.
    pub async fn columns_of(&self, datasets: &[&str]) -> Result<BTreeSet<String>, StoreError> {
        let failed = self.failed("read the columns of a dataset");
        let named = "IN (SELECT value FROM json_each($1))";
        let sql = format!(
            "SELECT output_column AS name FROM column_ways WHERE output {named}
             UNION SELECT input_column FROM column_ways WHERE input {named}"
        );
        let query = statement(&sql).bind(from_json(&datasets).map_err(&failed)?);
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>().map_err(failed)
    }

    /// Runs that read or wrote a dataset, by any of its names: the last by their ids.
    pub async fn runs_touching(
        &self,
        datasets: &[&str],
        limit: u32,
    ) -> Result<Vec<RunId>, StoreError> {
        let failed = self.failed("read which runs touched a dataset");
        let rows = statement(
            "SELECT DISTINCT run FROM touched WHERE dataset IN (SELECT value FROM json_each($1))
             ORDER BY run DESC LIMIT $2",
        )
        .bind(from_json(&datasets).map_err(&failed)?)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(|row| word(row, "run")).collect::<Result<_, _>>().map_err(failed)
    }
}
