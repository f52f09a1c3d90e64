//! What came into the graph and what went, between two times.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use assay_core::StageId;
use assay_store::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::Names;

/// A way, of datasets or of columns, that is there at one of the times only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    pub what: What,
    pub output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_column: Option<String>,
    pub input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_column: Option<String>,
    pub job: StageId,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Added,
    Removed,
}

impl What {
    /// As a line of a diff begins.
    pub fn sign(self) -> char {
        match self {
            What::Added => '+',
            What::Removed => '-',
        }
    }
}

impl Change {
    /// Where it stands in a list: by dataset, columns behind their datasets.
    fn place(&self) -> impl Ord + '_ {
        let Change { what, output, output_column, input, input_column, job, at } = self;
        (output, input_column.is_some(), output_column, input_column, input, what, at, job)
    }
}

/// The changes from one time to another, by dataset; columns behind their datasets.
pub async fn changes(
    store: &Store,
    names: &Names,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Change>, StoreError> {
    let what = |since: DateTime<Utc>, until: Option<DateTime<Utc>>| match until {
        Some(until) if since <= from => (What::Removed, until),
        _ => (What::Added, since),
    };
    let best = |name: &str| names.best(name).to_owned();
    let mut all = vec![];
    for way in store.ways_between(from, to).await? {
        let (what, at) = what(way.since, way.until);
        all.push(Change {
            what,
            output: best(&way.output),
            output_column: None,
            input: best(&way.input),
            input_column: None,
            job: way.job,
            at,
        });
    }
    for way in store.column_ways_between(from, to).await? {
        let (what, at) = what(way.since, way.until);
        all.push(Change {
            what,
            output: best(&way.output),
            output_column: Some(way.output_column),
            input: best(&way.input),
            input_column: Some(way.input_column),
            job: way.job,
            at,
        });
    }
    all.sort_by(|a, b| a.place().cmp(&b.place()));
    Ok(without_returns(all))
}

/// What went and came back in between is there at both times.
fn without_returns(mut all: Vec<Change>) -> Vec<Change> {
    fn key(one: &Change) -> impl Eq + Hash + '_ {
        let Change { output, output_column, input, input_column, job, .. } = one;
        (output, output_column, input, input_column, job)
    }
    let mut signs: HashMap<_, BTreeSet<What>> = HashMap::new();
    for one in &all {
        signs.entry(key(one)).or_default().insert(one.what);
    }
    let stays: Vec<bool> = all.iter().map(|one| signs[&key(one)].len() == 1).collect();
    drop(signs);
    let mut stays = stays.into_iter();
    all.retain(|_| stays.next().unwrap_or(true));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_and_came_back_did_not_change() {
        let change = |what, input: &str| Change {
            what,
            output: "sums".to_owned(),
            output_column: None,
            input: input.to_owned(),
            input_column: None,
            job: StageId { pipeline: "shop".to_owned(), stage: "sum".to_owned() },
            at: DateTime::UNIX_EPOCH,
        };
        let (a, b) = (change(What::Added, "a"), change(What::Removed, "b"));
        let [added, removed] = [What::Added, What::Removed].map(|what| change(what, "c"));
        let all = vec![a.clone(), added, removed, b.clone()];
        assert_eq!(without_returns(all), [a, b]);
    }
}
