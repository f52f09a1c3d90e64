//! A walk that goes far, over an atlas in memory: numbers instead of names until the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use assay_store::{Atlas, Direction, Stretch};

use super::{Link, MOST, Passage, Route, join};
use crate::Names;

/// What was found: the links in order, how far each dataset is, and whether there is more.
pub(super) type Found = (Vec<Link>, BTreeMap<String, i64>, bool);

/// The same as going step by step, with one look at the store.
pub(super) fn walk(atlas: &Atlas, names: &Names, dataset: &str, route: Route) -> Found {
    let ground = Ground::new(atlas, names, dataset);
    let mut distances = vec![None; ground.names.len()];
    distances[START] = Some(0);
    let mut taken = vec![false; atlas.ways.len()];
    let mut cut = false;
    for (wanted, direction) in
        [(route.upstream, Direction::Upstream), (route.downstream, Direction::Downstream)]
    {
        if wanted {
            cut |= ground.go(direction, route.depth, &mut distances, &mut taken);
        }
    }
    let named = ground.names.iter().zip(&distances);
    let distances = named.filter_map(|(name, far)| Some(((*name).to_owned(), (*far)?))).collect();
    (ground.links(&taken), distances, cut)
}

/// The dataset that is asked about, in [`Ground::names`].
const START: usize = 0;

/// The atlas with one number for each dataset, however many names it has.
struct Ground<'g> {
    atlas: &'g Atlas,
    /// The best names.
    names: Vec<&'g str>,
    /// From places in the atlas.
    numbers: Vec<usize>,
}

impl<'g> Ground<'g> {
    fn new(atlas: &'g Atlas, names: &'g Names, dataset: &'g str) -> Ground<'g> {
        let mut known = HashMap::from([(dataset, START)]);
        let mut best = vec![dataset];
        let number = |name: &'g String| {
            let name = names.best(name);
            *known.entry(name).or_insert_with(|| {
                best.push(name);
                best.len() - 1
            })
        };
        let numbers = atlas.datasets.iter().map(number).collect();
        Ground { atlas, names: best, numbers }
    }

    fn input(&self, way: &Stretch) -> usize {
        self.numbers[way.input as usize]
    }

    fn output(&self, way: &Stretch) -> usize {
        self.numbers[way.output as usize]
    }

    /// Every dataset is visited once, a step at a time; true when something was left out.
    fn go(
        &self,
        direction: Direction,
        depth: Option<u32>,
        distances: &mut [Option<i64>],
        taken: &mut [bool],
    ) -> bool {
        let upstream = direction == Direction::Upstream;
        let mut from = vec![vec![]; self.names.len()];
        for (place, way) in self.atlas.ways.iter().enumerate() {
            let (input, output) = (self.input(way), self.output(way));
            let (near, far) = if upstream { (output, input) } else { (input, output) };
            from[near].push((place, far));
        }
        let mut seen = vec![false; self.names.len()];
        seen[START] = true;
        let (mut open, mut visited, mut steps) = (vec![START], 1, 0);
        let sign = if upstream { -1 } else { 1 };
        while !open.is_empty() {
            if depth.is_some_and(|depth| steps >= depth) || visited > MOST {
                return open.iter().any(|one| !from[*one].is_empty());
            }
            steps += 1;
            let mut next = vec![];
            for (place, end) in open.iter().flat_map(|one| &from[*one]) {
                taken[*place] = true;
                if !seen[*end] {
                    seen[*end] = true;
                    visited += 1;
                    next.push(*end);
                    distances[*end].get_or_insert(sign * i64::from(steps));
                }
            }
            open = next;
        }
        false
    }

    /// The ways that were taken, as links in the order of their names.
    fn links(&self, taken: &[bool]) -> Vec<Link> {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by_key(|number| self.names[*number]);
        let mut rank = vec![0; self.names.len()];
        for (place, number) in order.iter().enumerate() {
            rank[*number] = place;
        }
        let ways = self.atlas.ways.iter().zip(taken).filter(|(_, taken)| **taken);
        let mut ways: Vec<(usize, usize, &Stretch)> =
            ways.map(|(way, _)| (rank[self.input(way)], rank[self.output(way)], way)).collect();
        ways.sort_unstable_by_key(|(input, output, _)| (*input, *output));
        let names: Vec<Arc<str>> = order.iter().map(|number| self.names[*number].into()).collect();
        let mut links: Vec<Link> = Vec::with_capacity(ways.len());
        let mut last = None;
        for (input, output, way) in ways {
            let passage = Passage {
                job: self.atlas.jobs[way.job as usize].clone(),
                since: way.since,
                run: way.run,
                last_at: way.last_at,
            };
            match links.last_mut().filter(|_| last == Some((input, output))) {
                Some(link) => join(&mut link.jobs, passage),
                None => {
                    let (input, output) = (names[input].clone(), names[output].clone());
                    links.push(Link { input, output, jobs: vec![passage] });
                }
            }
            last = Some((input, output));
        }
        links
    }
}
