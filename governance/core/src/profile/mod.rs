//! What the values of a dataset look like: sketches of bounded size that merge, so that those of
//! the batches of a run are the run's, and those of several runs what is usual.

mod distinct;
mod drift;
mod frequent;
mod numbers;
mod quantiles;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use distinct::Distinct;
pub use drift::{distance, stability};
pub use frequent::{Frequent, HELD, rarest};
pub use numbers::Numbers;
pub use quantiles::{Quantiles, scattered};

/// What the rows that were written look like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub rows: u64,
    pub columns: Vec<ColumnProfile>,
}

/// What the values of one column look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub rows: u64,
    pub nulls: u64,
    pub distinct: Distinct,
    pub values: Values,
}

/// What is kept of the values themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Values {
    /// Nothing: nobody may see them.
    Hidden,
    Numbers(Numbers),
    /// Texts and truths.
    Texts(Frequent),
}

/// What later batches of a dataset are held against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    pub profile: Profile,
    /// Rule → how many seconds old the newest row was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lags: BTreeMap<String, f64>,
}

/// Rows of which half must be alike before their texts are worth remembering.
const FEW_ROWS: u64 = 100;

impl Profile {
    /// Takes in what other rows of the dataset look like. A column whose type has changed since
    /// begins anew.
    pub fn merge(&mut self, newer: &Profile) {
        self.rows += newer.rows;
        for theirs in &newer.columns {
            match self.columns.iter_mut().find(|ours| ours.name == theirs.name) {
                Some(ours) if ours.alike(theirs) => ours.merge(theirs),
                Some(ours) => *ours = theirs.clone(),
                None => self.columns.push(theirs.clone()),
            }
        }
    }

    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl ColumnProfile {
    /// Whether the two are of one kind, so that they can be held against each other.
    pub fn alike(&self, other: &ColumnProfile) -> bool {
        self.kind == other.kind
            && std::mem::discriminant(&self.values) == std::mem::discriminant(&other.values)
    }

    pub fn merge(&mut self, other: &ColumnProfile) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.distinct.merge(&other.distinct);
        match (&mut self.values, &other.values) {
            (Values::Numbers(ours), Values::Numbers(theirs)) => ours.merge(theirs),
            (Values::Texts(ours), Values::Texts(theirs)) => ours.merge(theirs),
            _ => {}
        }
        self.forget_names();
    }

    pub fn null_share(&self) -> f64 {
        self.nulls as f64 / self.rows.max(1) as f64
    }

    /// Whether the texts name rows, rather than kinds of them.
    pub fn names_rows(&self) -> bool {
        let there = self.rows - self.nulls;
        there >= FEW_ROWS && self.distinct.count() * 2 > there
    }

    /// Texts that name rows say nothing about others, and are nobody's business.
    pub fn forget_names(&mut self) {
        if self.names_rows()
            && let Values::Texts(texts) = &mut self.values
        {
            texts.clear();
        }
    }
}
