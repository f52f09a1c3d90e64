//! From which columns a column is made, and how.

use std::collections::BTreeSet;

use assay_core::DatasetName;
use serde::Serialize;

/// For every column of a dataset the columns that it is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ColumnLineage {
    /// In their order. None is left out; of one that is not `known` the inputs are not all here.
    pub columns: Vec<OutputColumn>,
    /// What decides which rows there are, how often and in which order: for every column alike.
    pub rows: Vec<InputColumn>,
    /// What could not be found out, and why.
    pub unknown: Vec<String>,
}

/// A column with what it is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputColumn {
    pub column: String,
    pub known: bool,
    pub inputs: Vec<InputColumn>,
    /// The expression that makes it; absent for what goes through as it is.
    pub expression: Option<String>,
}

/// A column of an input, with how it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputColumn {
    pub dataset: DatasetName,
    pub column: String,
    /// Its values go into the output, or what is made of them.
    pub direct: Option<Direct>,
    /// Its values decide something about the output.
    pub indirect: BTreeSet<Indirect>,
    /// Of its values only a hash goes into the output.
    pub masked: bool,
}

/// How a value goes into the output. The later ones are the stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direct {
    Identity,
    Transformation,
    Aggregation,
}

/// What a value decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Indirect {
    Join,
    GroupBy,
    Filter,
    Sort,
    Window,
    Conditional,
}

impl Direct {
    pub const ALL: [Direct; 3] = [Direct::Identity, Direct::Transformation, Direct::Aggregation];

    /// As OpenLineage writes it.
    pub fn name(self) -> &'static str {
        match self {
            Direct::Identity => "IDENTITY",
            Direct::Transformation => "TRANSFORMATION",
            Direct::Aggregation => "AGGREGATION",
        }
    }
}

impl Indirect {
    pub const ALL: [Indirect; 6] = [
        Indirect::Join,
        Indirect::GroupBy,
        Indirect::Filter,
        Indirect::Sort,
        Indirect::Window,
        Indirect::Conditional,
    ];

    /// As OpenLineage writes it.
    pub fn name(self) -> &'static str {
        match self {
            Indirect::Join => "JOIN",
            Indirect::GroupBy => "GROUP_BY",
            Indirect::Filter => "FILTER",
            Indirect::Sort => "SORT",
            Indirect::Window => "WINDOW",
            Indirect::Conditional => "CONDITIONAL",
        }
    }
}

impl InputColumn {
    fn is(&self, other: &InputColumn) -> bool {
        self.dataset == other.dataset && self.column == other.column
    }
}

impl ColumnLineage {
    pub fn column(&self, name: &str) -> Option<&OutputColumn> {
        self.columns.iter().find(|column| column.column == name)
    }

    /// Without the inputs that `other`, the lineage of an equal query, knows nothing of. Where it
    /// does not know everything, nothing is taken away.
    pub fn without_what_is_dead_in(mut self, other: &ColumnLineage) -> ColumnLineage {
        if !other.unknown.is_empty() || other.columns.len() != self.columns.len() {
            return self;
        }
        let everywhere: Vec<&InputColumn> =
            other.columns.iter().flat_map(|column| &column.inputs).chain(&other.rows).collect();
        self.rows.retain(|input| everywhere.iter().any(|alive| alive.is(input)));
        for (column, alive) in self.columns.iter_mut().zip(&other.columns) {
            let alive = || alive.inputs.iter().chain(&other.rows);
            column.inputs.retain(|input| alive().any(|alive| alive.is(input)));
        }
        self
    }

    /// `keys` of this dataset decide whether a row is taken, as when it is deduplicated by them.
    pub fn taken_by(&mut self, keys: &[String]) {
        let deciding: Vec<InputColumn> = keys
            .iter()
            .filter_map(|key| self.column(key))
            .flat_map(|column| &column.inputs)
            .map(|input| InputColumn {
                direct: None,
                masked: false,
                indirect: BTreeSet::from([Indirect::Filter]),
                ..input.clone()
            })
            .collect();
        for input in deciding {
            match self.rows.iter_mut().find(|known| known.is(&input)) {
                Some(known) => known.indirect.extend(input.indirect),
                None => self.rows.push(input),
            }
        }
        let place = |input: &InputColumn| (input.dataset.clone(), input.column.clone());
        self.rows.sort_by_key(place);
    }
}
