//! Walks the graph that the store keeps, as it is or as it was, from one dataset on.

mod far;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use assay_core::{RunId, StageId};
use assay_store::{Direction, Store, StoreError, Way};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::{Graph, Names, Tree};

/// Datasets that one walk visits; a larger graph is cut there, and says so.
const MOST: usize = 20_000;
/// A walk that has come to so many datasets goes on over an atlas: the store is asked once then,
/// and not at each step for thousands of names.
const FAR: usize = 300;

/// Where to, how far, and as of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub upstream: bool,
    pub downstream: bool,
    /// Steps away from the dataset; any number when there is none.
    pub depth: Option<u32>,
    pub at: Option<DateTime<Utc>>,
}

/// The part of the graph around a dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Map {
    pub dataset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
    /// There is more, too far away or too much of it.
    pub cut: bool,
}

/// A dataset, so many steps downstream of the first one; upstream is below 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    pub dataset: String,
    pub distance: i64,
    /// Its other names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// Rows go from one dataset to another. Of a large graph there are many: they share their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    #[serde(serialize_with = "shared")]
    pub input: Arc<str>,
    #[serde(serialize_with = "shared")]
    pub output: Arc<str>,
    pub jobs: Vec<Passage>,
}

/// By what job they go, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passage {
    #[serde(serialize_with = "shared")]
    pub job: Arc<StageId>,
    pub since: DateTime<Utc>,
    /// The last run that went this way, and when.
    pub run: RunId,
    pub last_at: DateTime<Utc>,
}

fn shared<T: Serialize + ?Sized, S: Serializer>(value: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
    value.serialize(to)
}

type Links = BTreeMap<(String, String), Vec<Passage>>;

/// What is known around a dataset, which is called by the best of its names.
pub async fn walk(
    store: &Store,
    names: &Names,
    dataset: &str,
    route: Route,
) -> Result<Map, StoreError> {
    walk_by(store, names, dataset, route, FAR).await
}

/// The same; what is `far` is said.
async fn walk_by(
    store: &Store,
    names: &Names,
    dataset: &str,
    route: Route,
    far: usize,
) -> Result<Map, StoreError> {
    let found = match near(store, names, dataset, route, far).await? {
        Some(found) => found,
        None => match store.atlas(route.at).await? {
            Some(atlas) => far::walk(&atlas, names, dataset, route),
            // Too many to hold are asked for in steps.
            None => near(store, names, dataset, route, usize::MAX).await?.unwrap_or_default(),
        },
    };
    let (links, distances, cut) = found;
    let mut nodes: Vec<Node> = distances
        .into_iter()
        .map(|(dataset, distance)| Node { aliases: others(names, &dataset), dataset, distance })
        .collect();
    nodes.sort_by(|a, b| {
        (a.distance.abs(), a.distance, &a.dataset).cmp(&(b.distance.abs(), b.distance, &b.dataset))
    });
    Ok(Map { dataset: dataset.to_owned(), at: route.at, nodes, links, cut })
}

/// Goes step by step; nothing when that leads to more than `far` datasets.
async fn near(
    store: &Store,
    names: &Names,
    dataset: &str,
    route: Route,
    far: usize,
) -> Result<Option<far::Found>, StoreError> {
    let mut links = Links::new();
    let mut distances = BTreeMap::from([(dataset.to_owned(), 0)]);
    let mut cut = false;
    let ways = [(route.upstream, Direction::Upstream), (route.downstream, Direction::Downstream)];
    for (_, direction) in ways.into_iter().filter(|(wanted, _)| *wanted) {
        let which = (direction, route, far);
        match go(store, names, dataset, which, &mut links, &mut distances).await? {
            Some(more) => cut |= more,
            None => return Ok(None),
        }
    }
    let link = |((input, output), jobs): ((String, String), _)| Link {
        input: input.into(),
        output: output.into(),
        jobs,
    };
    Ok(Some((links.into_iter().map(link).collect(), distances, cut)))
}

/// Every dataset is visited once, a step at a time; true when something was left out, and nothing
/// when it is too far.
async fn go(
    store: &Store,
    names: &Names,
    dataset: &str,
    (direction, route, far): (Direction, Route, usize),
    links: &mut Links,
    distances: &mut BTreeMap<String, i64>,
) -> Result<Option<bool>, StoreError> {
    let mut seen = BTreeSet::from([dataset.to_owned()]);
    let mut open = vec![dataset.to_owned()];
    let sign = if direction == Direction::Upstream { -1 } else { 1 };
    let mut steps = 0;
    while !open.is_empty() {
        let all: Vec<&str> = open.iter().flat_map(|one| names.all(one)).collect();
        if route.depth.is_some_and(|depth| steps >= depth) || seen.len() > MOST {
            return store.leads_on(&all, direction, route.at).await.map(Some);
        }
        if seen.len() > far {
            return Ok(None);
        }
        steps += 1;
        let ways = store.ways(&all, direction, route.at).await?;
        let mut next = vec![];
        for way in ways {
            let (input, output) = (names.best(&way.input), names.best(&way.output));
            let end = if direction == Direction::Upstream { input } else { output };
            if seen.insert(end.to_owned()) {
                next.push(end.to_owned());
                distances.entry(end.to_owned()).or_insert(sign * i64::from(steps));
            }
            let passages = links.entry((input.to_owned(), output.to_owned())).or_default();
            let Way { job, since, run, last_at, .. } = way;
            join(passages, Passage { job: Arc::new(job), since, run, last_at });
        }
        open = next;
    }
    Ok(Some(false))
}

/// A job is there once, also when it named a dataset by two names.
fn join(passages: &mut Vec<Passage>, new: Passage) {
    match passages.binary_search_by(|known| known.job.cmp(&new.job)) {
        Err(place) => passages.insert(place, new),
        Ok(place) => {
            let known = &mut passages[place];
            known.since = known.since.min(new.since);
            if new.last_at > known.last_at {
                (known.run, known.last_at) = (new.run, new.last_at);
            }
        }
    }
}

fn others(names: &Names, dataset: &str) -> Vec<String> {
    let others = names.all(dataset).into_iter().filter(|name| *name != dataset);
    others.map(str::to_owned).collect()
}

impl Map {
    /// The datasets behind it, as a tree of text.
    pub fn upstream(&self) -> Tree {
        self.graph().upstream(&self.dataset)
    }

    /// The datasets that follow from it, as a tree of text.
    pub fn downstream(&self) -> Tree {
        self.graph().downstream(&self.dataset)
    }

    fn graph(&self) -> Graph {
        let steps = self.links.iter().flat_map(|link| {
            let jobs = link.jobs.iter().map(|passage| &*passage.job);
            jobs.map(|job| (&*link.input, &*link.output, job))
        });
        Graph::of(steps)
    }
}

#[cfg(test)]
mod tests;
