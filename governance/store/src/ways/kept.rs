//! Ways as they are kept, and the questions that are the same of all of them.

use assay_core::{RunId, StageId};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ColumnWay, Direction, Way};
use crate::Store;
use crate::column::{from_json, from_time, json};
use crate::database::{Statement, statement};

/// What was so at a time; now when none is given.
pub(super) const THEN: &str =
    "(($2 IS NULL AND until IS NULL) OR (since <= $2 AND (until IS NULL OR until > $2)))";

/// What there is of a kind of way: its table, and a row of it as JSON.
pub(super) trait Kept: From<Self::Row> {
    type Row: DeserializeOwned;
    const TABLE: &'static str;
    const COLUMNS: &'static str;
}

impl Kept for Way {
    type Row = WayRow;
    const TABLE: &'static str = "ways";
    const COLUMNS: &'static str = "input, output, pipeline, stage, since, until, run, last_at";
}

impl Kept for ColumnWay {
    type Row = ColumnRow;
    const TABLE: &'static str = "column_ways";
    const COLUMNS: &'static str =
        "input, input_column, output, output_column, pipeline, stage, direct, how, since, until";
}

impl Store {
    pub(super) async fn touching<W: Kept>(
        &self,
        datasets: &[&str],
        direction: Direction,
        at: Option<DateTime<Utc>>,
    ) -> Result<Vec<W>, sqlx::Error> {
        let end = direction.end();
        let condition = format!("{end} IN (SELECT value FROM json_each($1)) AND {THEN}");
        let sql = self.select::<W>(&condition);
        let asked = statement(&sql).bind(from_json(&datasets)?).bind(at.map(from_time));
        self.given(asked).await
    }

    pub(super) async fn between<W: Kept>(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<W>, sqlx::Error> {
        let sql = self.select::<W>(
            "(since <= $1 AND (until IS NULL OR until > $1))
                <> (since <= $2 AND (until IS NULL OR until > $2))",
        );
        self.given(statement(&sql).bind(from_time(from)).bind(from_time(to))).await
    }

    /// All rows are one text, which costs less than many small rows.
    fn select<W: Kept>(&self, condition: &str) -> String {
        let rows = self.pool().rows_as_json(W::COLUMNS);
        format!("SELECT {rows} AS ways FROM {} WHERE {condition}", W::TABLE)
    }

    async fn given<W: Kept>(&self, asked: Statement<'_>) -> Result<Vec<W>, sqlx::Error> {
        let row = asked.fetch_one(self.pool()).await?;
        let rows: Vec<W::Row> = json(&row, "ways")?;
        Ok(rows.into_iter().map(W::from).collect())
    }
}

/// A way as JSON has it.
#[derive(Deserialize)]
pub(super) struct WayRow(
    String,
    String,
    String,
    String,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    RunId,
    DateTime<Utc>,
);

impl From<WayRow> for Way {
    fn from(row: WayRow) -> Way {
        let WayRow(input, output, pipeline, stage, since, until, run, last_at) = row;
        Way { input, output, job: StageId { pipeline, stage }, since, until, run, last_at }
    }
}

/// A way of a column as JSON has it.
#[derive(Deserialize)]
pub(super) struct ColumnRow(
    String,
    String,
    String,
    String,
    String,
    String,
    u8,
    String,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
);

impl From<ColumnRow> for ColumnWay {
    fn from(row: ColumnRow) -> ColumnWay {
        let ColumnRow(
            input,
            input_column,
            output,
            output_column,
            pipeline,
            stage,
            direct,
            how,
            since,
            until,
        ) = row;
        let (job, direct) = (StageId { pipeline, stage }, direct == 1);
        ColumnWay { input, input_column, output, output_column, job, direct, how, since, until }
    }
}
