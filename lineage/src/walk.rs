//! Walks the graph that the store keeps, as it is or as it was, from one dataset on.

use std::collections::{BTreeMap, BTreeSet};

use assay_core::{RunId, StageId};
use assay_store::{Direction, Store, StoreError, Way};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Graph, Names, Tree};

/// Datasets that one walk visits; a larger graph is cut there, and says so.
const MOST: usize = 20_000;

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

/// Rows go from one dataset to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    pub input: String,
    pub output: String,
    pub jobs: Vec<Passage>,
}

/// By what job they go, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passage {
    pub job: StageId,
    pub since: DateTime<Utc>,
    /// The last run that went this way, and when.
    pub run: RunId,
    pub last_at: DateTime<Utc>,
}

type Links = BTreeMap<(String, String), Vec<Passage>>;

/// What is known around a dataset, which is called by the best of its names.
pub async fn walk(
    store: &Store,
    names: &Names,
    dataset: &str,
    route: Route,
) -> Result<Map, StoreError> {
    let mut links = Links::new();
    let mut distances = BTreeMap::from([(dataset.to_owned(), 0)]);
    let mut cut = false;
    let ways = [(route.upstream, Direction::Upstream), (route.downstream, Direction::Downstream)];
    for (_, direction) in ways.into_iter().filter(|(wanted, _)| *wanted) {
        cut |= go(store, names, dataset, (direction, route), &mut links, &mut distances).await?;
    }
    let mut nodes: Vec<Node> = distances
        .into_iter()
        .map(|(dataset, distance)| Node { aliases: others(names, &dataset), dataset, distance })
        .collect();
    nodes.sort_by(|a, b| {
        (a.distance.abs(), a.distance, &a.dataset).cmp(&(b.distance.abs(), b.distance, &b.dataset))
    });
    let link = |((input, output), jobs)| Link { input, output, jobs };
    let links = links.into_iter().map(link).collect();
    Ok(Map { dataset: dataset.to_owned(), at: route.at, nodes, links, cut })
}

/// Every dataset is visited once, a step at a time; true when something was left out.
async fn go(
    store: &Store,
    names: &Names,
    dataset: &str,
    (direction, route): (Direction, Route),
    links: &mut Links,
    distances: &mut BTreeMap<String, i64>,
) -> Result<bool, StoreError> {
    let mut seen = BTreeSet::from([dataset.to_owned()]);
    let mut open = vec![dataset.to_owned()];
    let sign = if direction == Direction::Upstream { -1 } else { 1 };
    let mut steps = 0;
    while !open.is_empty() {
        if route.depth.is_some_and(|depth| steps >= depth) || seen.len() > MOST {
            let all: Vec<&str> = open.iter().flat_map(|one| names.all(one)).collect();
            return store.leads_on(&all, direction, route.at).await;
        }
        steps += 1;
        let all: Vec<&str> = open.iter().flat_map(|one| names.all(one)).collect();
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
            join(passages, way);
        }
        open = next;
    }
    Ok(false)
}

/// A job is there once, also when it named a dataset by two names.
fn join(passages: &mut Vec<Passage>, way: Way) {
    let Way { job, since, run, last_at, .. } = way;
    match passages.binary_search_by(|known| known.job.cmp(&job)) {
        Err(place) => passages.insert(place, Passage { job, since, run, last_at }),
        Ok(place) => {
            let known = &mut passages[place];
            known.since = known.since.min(since);
            if last_at > known.last_at {
                (known.run, known.last_at) = (run, last_at);
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
            let jobs = link.jobs.iter().map(|passage| &passage.job);
            jobs.map(|job| (link.input.as_str(), link.output.as_str(), job))
        });
        Graph::of(steps)
    }
}
