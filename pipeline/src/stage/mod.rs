//! A stage is a value: what it reads, how it shapes and judges rows, where they go. It performs
//! no effect; the runner does.

mod also;
mod columns;
mod exact;
mod extract;
mod lineage;
mod model;
mod shape;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use assay_core::{DatasetName, ReaderId, StageId};
use assay_lineage::ColumnLineage;
use assay_quality::{Breaker, Suite};

pub use also::{Also, EventTime, Merge, Windows};
pub use columns::arrow_schema;
pub(crate) use columns::{UTC, fits};
pub(crate) use extract::{Extract, ExtractColumn, is_object};
pub(crate) use model::{Expression, ModelError, RowModel, line_of, query_columns};
pub use shape::StageError;
pub(crate) use shape::{Broken, Shaped, Shaper, conform};

use crate::definition::{Aggregate, TableSpec, TopicSpec};
use crate::runner::Pace;

/// One step from a dataset to a dataset.
#[derive(Debug)]
pub struct Stage {
    pub id: StageId,
    pub reads: Reads,
    pub writes: Arc<TableSpec>,
    pub filter: Option<String>,
    pub(crate) extract: Extract,
    /// SQL: the projection of a row stage, or the query of an aggregate stage.
    pub model: String,
    pub deduplicate: Vec<String>,
    pub aggregate: Option<Aggregate>,
    /// When a row of a topic happened, and when it is late.
    pub event_time: Option<EventTime>,
    /// What else is written in the same commit.
    pub also: Vec<Also>,
    /// The column, of what is read and what is written, by whose days a row stage is recomputed.
    pub day: Option<String>,
    pub suite: Suite,
    /// See `columns()`.
    pub(crate) columns: OnceLock<ColumnLineage>,
    /// The same of each further table.
    pub(crate) also_columns: OnceLock<Vec<ColumnLineage>>,
    /// The tables that rules of the contract refer to.
    pub(crate) references: BTreeMap<DatasetName, Arc<TableSpec>>,
    pub breaker: Breaker,
    /// When it commits while it follows its source.
    pub pace: Pace,
}

/// What a stage reads.
#[derive(Debug, Clone)]
pub enum Reads {
    Topic(Arc<TopicSpec>),
    Table(Arc<TableSpec>),
}

impl Reads {
    pub fn dataset(&self) -> &DatasetName {
        match self {
            Reads::Topic(topic) => &topic.dataset,
            Reads::Table(table) => &table.dataset,
        }
    }

    /// The columns that name a row for ever.
    pub fn origin(&self) -> &[String] {
        match self {
            Reads::Topic(topic) => &topic.origin,
            Reads::Table(table) => &table.origin,
        }
    }

    /// The columns that the stage gets.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Reads::Topic(topic) => crate::source::topic_schema(topic.schema.arrow()),
            Reads::Table(table) => Arc::clone(&table.schema),
        }
    }
}

impl Stage {
    /// Whether it takes a topic straight into a database.
    pub fn streams(&self) -> bool {
        self.writes.postgres.is_some()
    }

    /// The columns of what it reads and writes whose values the contracts show to few.
    pub fn sensitive(&self) -> Vec<String> {
        let mut names = self.writes.contract.sensitive();
        if let Reads::Table(table) = &self.reads {
            names.extend(table.contract.sensitive());
        }
        names.sort();
        names.dedup();
        names
    }

    /// The name under which positions in its replays are kept, apart from its own.
    pub fn replayer(&self) -> ReaderId {
        ReaderId(format!("{}+replay", self.id))
    }

    /// The name under which the stage's positions are kept.
    pub fn reader(&self) -> ReaderId {
        ReaderId(self.id.to_string())
    }
}
