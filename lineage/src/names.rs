//! Datasets that have several names, and what a person means by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_core::DatasetName;
use assay_store::{Store, StoreError, label};

use crate::known_columns::nearest;

/// How many names an answer lists at most.
const SHOWN: usize = 10;

/// Which names are of one dataset. The dataset is called by the best of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// From every name that has others to the one that is used.
    best: HashMap<String, String>,
    /// All names of a dataset that has several.
    all: BTreeMap<String, BTreeSet<String>>,
}

/// Why a name is of no dataset.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    #[error(
        "no event named {name}: runs of ours need --enable-lineage-tracking, others send their \
         events to `assay sidecar`; {known}"
    )]
    Unknown { name: String, known: String },
    #[error("{name} may be one of several, write more of it: {known}")]
    Several { name: String, known: String },
    #[error("{dataset} has no column {column}, as far as events tell; {known}")]
    Column { dataset: String, column: String, known: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Names {
    pub async fn load(store: &Store) -> Result<Names, StoreError> {
        Ok(Names::new(&store.aliases().await?))
    }

    /// Names that are connected by pairs, however long the way, are of one dataset.
    pub fn new(pairs: &[(String, String)]) -> Names {
        let mut neighbours: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (one, other) in pairs {
            neighbours.entry(one).or_default().insert(other);
            neighbours.entry(other).or_default().insert(one);
        }
        // A pair's second name is the one that events use.
        let used: BTreeSet<&str> = pairs.iter().map(|(_, used)| used.as_str()).collect();
        let mut names = Names::default();
        let mut seen = BTreeSet::new();
        for start in neighbours.keys() {
            let (mut group, mut open) = (BTreeSet::new(), vec![*start]);
            while let Some(name) = open.pop() {
                if seen.insert(name) {
                    group.insert(name);
                    open.extend(&neighbours[name]);
                }
            }
            // Ours before others, then what events use, then in the order of the alphabet.
            let all: BTreeSet<String> = group.into_iter().map(str::to_owned).collect();
            let rank = |name: &&String| {
                let foreign = name.parse::<DatasetName>().is_err();
                (foreign, !used.contains(name.as_str()), (*name).clone())
            };
            if let Some(best) = all.iter().min_by_key(rank).cloned() {
                names.best.extend(all.iter().map(|name| (name.clone(), best.clone())));
                names.all.insert(best, all);
            }
        }
        names
    }

    /// The name that is used of the dataset with this one.
    pub fn best<'n>(&'n self, name: &'n str) -> &'n str {
        self.best.get(name).map_or(name, String::as_str)
    }

    /// All names of a dataset, by the one that is used.
    pub fn all<'n>(&'n self, best: &'n str) -> Vec<&'n str> {
        match self.all.get(best) {
            Some(all) => all.iter().map(String::as_str).collect(),
            None => vec![best],
        }
    }

    /// The dataset that is meant: by any of its names, or by the end of one when that is enough.
    pub async fn find(&self, store: &Store, name: &str) -> Result<String, NotFound> {
        // As the graph spells it.
        let name = name.split_once(' ').map_or_else(|| name.to_owned(), |(at, of)| label(at, of));
        let name = name.as_str();
        let best = self.best(name);
        if store.lineage_knows(&self.all(best)).await? {
            return Ok(best.to_owned());
        }
        let known = store.lineage_datasets_ending(name).await?;
        // Also by the end of a name that rows never came from or went to.
        let known = known.iter().chain(self.best.keys());
        let meant = |known: &&String| {
            let end = known.strip_suffix(name);
            end.is_some_and(|before| before.ends_with([' ', '.', '/']))
        };
        let found: BTreeSet<&str> = known.filter(meant).map(|one| self.best(one)).collect();
        let list = |all: &mut dyn Iterator<Item = &str>| {
            let all: Vec<&str> = all.collect();
            let more = all.len().saturating_sub(SHOWN);
            let shown = all[..all.len() - more].join(", ");
            match (all.len(), more) {
                (0, _) => "nothing yet".to_owned(),
                (_, 0) => shown,
                _ => format!("{shown} and {more} more"),
            }
        };
        let name = name.to_owned();
        match found.len() {
            1 => Ok(found.into_iter().collect()),
            0 => {
                let known = store.lineage_datasets("", u32::MAX).await?;
                let all: BTreeSet<&str> = known.iter().map(|one| self.best(one)).collect();
                let known = match nearest(all.iter().copied(), &name) {
                    Some(one) => format!("did you mean {one}?"),
                    None => format!("there is {}", list(&mut all.into_iter())),
                };
                Err(NotFound::Unknown { name, known })
            }
            _ => Err(NotFound::Several { name, known: list(&mut found.into_iter()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_connected_are_of_one_dataset_and_ours_is_the_best() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let names = Names::new(&[
            pair("file /lake/silver/orders", "silver.orders"),
            pair("file /lake/silver/orders", "hive://h shop.orders"),
            pair("glue table/shop/orders", "hive://h shop.orders"),
            pair("x a", "x b"),
        ]);
        assert_eq!(names.best("glue table/shop/orders"), "silver.orders");
        assert_eq!(names.all("silver.orders").len(), 4);
        assert_eq!(names.best("x a"), "x b");
        assert_eq!(names.all("alone"), ["alone"]);
    }
}
