use std::collections::{BTreeMap, BTreeSet};

use assay_core::StageId;
use assay_store::Edge;

use crate::Tree;

/// Neighbours of each dataset, with the stages in between.
type Neighbours = BTreeMap<String, BTreeMap<String, BTreeSet<StageId>>>;

/// Which dataset is made from which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    sources: Neighbours,
    uses: Neighbours,
}

impl Graph {
    pub fn new(edges: &[Edge]) -> Graph {
        Graph::of(edges.iter().map(|edge| (&*edge.input, &*edge.output, &edge.stage)))
    }

    /// A graph of steps from a dataset to another by a stage.
    pub fn of<'s>(steps: impl Iterator<Item = (&'s str, &'s str, &'s StageId)>) -> Graph {
        let mut graph = Graph::default();
        for (input, output, stage) in steps {
            connect(&mut graph.sources, output, input, stage);
            connect(&mut graph.uses, input, output, stage);
        }
        graph
    }

    /// Every dataset that has an edge.
    pub fn datasets(&self) -> BTreeSet<&str> {
        self.sources.keys().chain(self.uses.keys()).map(String::as_str).collect()
    }

    /// All that `dataset` was made from, directly or not. A dataset without sources is a tree by
    /// itself, also one that the graph does not know.
    pub fn upstream(&self, dataset: &str) -> Tree {
        grow(&self.sources, dataset, vec![], &mut BTreeSet::new())
    }

    /// All that was made from `dataset`, directly or not.
    pub fn downstream(&self, dataset: &str) -> Tree {
        grow(&self.uses, dataset, vec![], &mut BTreeSet::new())
    }
}

fn connect(neighbours: &mut Neighbours, of: &str, neighbour: &str, stage: &StageId) {
    let stages = neighbours.entry(of.to_owned()).or_default();
    stages.entry(neighbour.to_owned()).or_default().insert(stage.clone());
}

fn grow<'a>(
    neighbours: &'a Neighbours,
    dataset: &'a str,
    stages: Vec<StageId>,
    seen: &mut BTreeSet<&'a str>,
) -> Tree {
    let repeated = !seen.insert(dataset);
    let mut tree = Tree { dataset: dataset.to_owned(), stages, repeated, branches: vec![] };
    let Some(next) = neighbours.get(dataset) else {
        // Nothing was left out where nothing follows.
        tree.repeated = false;
        return tree;
    };
    if !repeated {
        for (neighbour, stages) in next {
            let stages = stages.iter().cloned().collect();
            tree.branches.push(grow(neighbours, neighbour, stages, seen));
        }
    }
    tree
}

#[cfg(test)]
mod tests;
