//! A pipeline is a folder: one `pipeline.yaml`, ODCS contracts, SQL models, Avro schemas.

mod also;
mod file;
mod folder;
mod load;
mod models;
mod stages;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use assay_core::{Contract, DatasetName, Layer};

pub(crate) use file::ExtractType;
pub use file::MessageFormat;
pub use folder::{Folder, FolderError};
pub use load::LoadError;

use crate::avro::RecordSchema;
use crate::postgres::Migration;
use crate::stage::Stage;

/// A pipeline whose every part was checked against every other.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: String,
    pub description: Option<String>,
    pub topics: BTreeMap<DatasetName, Arc<TopicSpec>>,
    pub tables: BTreeMap<DatasetName, Arc<TableSpec>>,
    pub ingest: Option<IngestSpec>,
    /// In the order in which data flows.
    pub stages: Vec<Arc<Stage>>,
    /// What makes its tables in a database.
    pub migrations: Vec<Migration>,
}

/// A topic of the log, as the pipeline declares it.
#[derive(Debug, Clone)]
pub struct TopicSpec {
    pub dataset: DatasetName,
    pub format: MessageFormat,
    /// The columns of its records; those of JSON are the message and its key.
    pub schema: RecordSchema,
    pub partitions: u32,
    pub retention_hours: Option<u32>,
    /// Headers of messages that are columns.
    pub headers: Vec<String>,
    /// The columns that name a record for ever.
    pub origin: Vec<String>,
}

/// A table of the lake, as the pipeline declares it.
#[derive(Debug, Clone)]
pub struct TableSpec {
    pub dataset: DatasetName,
    pub contract: Contract,
    pub schema: SchemaRef,
    pub partition_by: Vec<String>,
    /// In bytes.
    pub target_file_size: u64,
    pub origin: Vec<String>,
    /// Columns whose values are looked up, since stages deduplicate by them.
    pub keys: Vec<String>,
    /// The table of the database that it is, where it is none of the lake.
    pub postgres: Option<String>,
}

/// How lines of a file become messages of a topic.
#[derive(Debug, Clone)]
pub struct IngestSpec {
    pub topic: Arc<TopicSpec>,
    /// Fields that keep a JSON value as its text.
    pub json_text: Vec<String>,
    /// The field that gets the id which `ingest` gives to each event.
    pub trace_id: Option<String>,
    pub max_event_bytes: usize,
    pub events_per_message: usize,
    pub message_bytes: usize,
}

/// How the rows of a stage that is no row stage are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// A column of the output whose sum is the number of rows in.
    pub conserve: String,
    /// The column of the output by which whole partitions are replaced.
    pub replace: String,
    /// The column of the source: all rows from its earliest new value on are read.
    pub whole: String,
}

/// The stages between two layers, as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    KafkaToBronze,
    BronzeToSilver,
    SilverToGold,
    Stream,
    All,
}

impl Hop {
    pub const NAMES: [&'static str; 5] =
        ["kafka-to-bronze", "bronze-to-silver", "silver-to-gold", "stream", "all"];

    /// Whether a stage belongs to it: by the layer that it writes to, or as one that takes a topic
    /// into a database.
    pub fn covers(self, stage: &Stage) -> bool {
        let (layer, streams) = (stage.writes.dataset.layer(), stage.streams());
        match self {
            Hop::KafkaToBronze => layer == Layer::Bronze && !streams,
            Hop::BronzeToSilver => layer == Layer::Silver && !streams,
            Hop::SilverToGold => layer == Layer::Gold && !streams,
            Hop::Stream => streams,
            Hop::All => true,
        }
    }
}

impl FromStr for Hop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "kafka-to-bronze" => Ok(Hop::KafkaToBronze),
            "bronze-to-silver" => Ok(Hop::BronzeToSilver),
            "silver-to-gold" => Ok(Hop::SilverToGold),
            "stream" => Ok(Hop::Stream),
            "all" => Ok(Hop::All),
            _ => Err(format!("`{text}` is no stage; use one of {}", Hop::NAMES.join(", "))),
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hop::KafkaToBronze => "kafka-to-bronze",
            Hop::BronzeToSilver => "bronze-to-silver",
            Hop::SilverToGold => "silver-to-gold",
            Hop::Stream => "stream",
            Hop::All => "all",
        })
    }
}

impl Pipeline {
    /// The columns of all tables whose values the contracts show to few.
    pub fn sensitive(&self) -> Vec<String> {
        let tables = self.tables.values();
        let names: BTreeSet<String> = tables.flat_map(|table| table.contract.sensitive()).collect();
        names.into_iter().collect()
    }

    /// The stages of `hop`, in the order in which data flows.
    pub fn stages_of(&self, hop: Hop) -> Vec<Arc<Stage>> {
        let covered = |stage: &&Arc<Stage>| hop.covers(stage);
        self.stages.iter().filter(covered).map(Arc::clone).collect()
    }
}
