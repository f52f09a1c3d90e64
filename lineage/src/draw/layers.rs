//! Where datasets stand in a picture: in layers from left to right, so that rows go to the right.

use std::collections::{BTreeMap, BTreeSet};

use super::Picture;

/// How often layers are put into the order of their neighbours; more changes little.
const ROUNDS: usize = 4;

/// What stands where.
pub(super) struct Layers {
    /// From left to right, each from above: nodes by their numbers, and behind those numbers the
    /// bends of links that pass a layer.
    pub(super) layers: Vec<Vec<usize>>,
    /// The bends of each link that has some, from left to right.
    pub(super) bends: BTreeMap<(usize, usize), Vec<usize>>,
}

pub(super) fn layers(picture: &Picture) -> Layers {
    let numbers: BTreeMap<&str, usize> =
        picture.names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let links: BTreeSet<(usize, usize)> = picture
        .lines
        .iter()
        .filter_map(|line| Some((*numbers.get(&*line.from)?, *numbers.get(&*line.to)?)))
        .filter(|(from, to)| from != to)
        .collect();
    let rank = ranks(picture.names.len(), &links);
    let mut layers = vec![vec![]; rank.iter().max().map_or(0, |last| last + 1)];
    let mut by_name: Vec<usize> = (0..picture.names.len()).collect();
    by_name.sort_by_key(|node| &picture.names[*node]);
    for node in by_name {
        layers[rank[node]].push(node);
    }
    let (mut steps, mut bends) = (BTreeSet::new(), BTreeMap::new());
    let mut next = picture.names.len();
    for (from, to) in links {
        let mut last = from;
        // A link that passes a layer has a place there, so that it runs through no dataset.
        for layer in layers.iter_mut().take(rank[to]).skip(rank[from] + 1) {
            layer.push(next);
            steps.insert((last, next));
            bends.entry((from, to)).or_insert_with(Vec::new).push(next);
            (last, next) = (next, next + 1);
        }
        steps.insert((last, to));
    }
    for round in 0..ROUNDS {
        arrange(&mut layers, &steps, round % 2 == 0);
    }
    Layers { layers, bends }
}

/// How far to the right each node is: behind all that it comes from. Links that close a loop do
/// not count.
fn ranks(nodes: usize, links: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let mut rank = vec![0; nodes];
    // In a graph without loops no way has more steps than there are nodes.
    for _ in 0..nodes {
        let mut moved = false;
        for (from, to) in links {
            if rank[*to] <= rank[*from] && rank[*from] + 1 < nodes {
                rank[*to] = rank[*from] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    // A loop has driven its nodes to the right: layers that nobody stands in go.
    let used: BTreeSet<usize> = rank.iter().copied().collect();
    let places: BTreeMap<usize, usize> =
        used.into_iter().enumerate().map(|(place, rank)| (rank, place)).collect();
    rank.iter().map(|rank| places[rank]).collect()
}

/// Puts each layer into the order of the middles of its neighbours in the layers before it.
fn arrange(layers: &mut [Vec<usize>], links: &BTreeSet<(usize, usize)>, forward: bool) {
    let mut place: BTreeMap<usize, f64> = BTreeMap::new();
    let order: Vec<usize> = match forward {
        true => (0..layers.len()).collect(),
        false => (0..layers.len()).rev().collect(),
    };
    for at in order {
        let middle = |node: usize| {
            let near = links.iter().filter_map(|(from, to)| match forward {
                true => (*to == node).then(|| place.get(from)).flatten(),
                false => (*from == node).then(|| place.get(to)).flatten(),
            });
            let (sum, count) = near.fold((0.0, 0.0), |(sum, count), y| (sum + y, count + 1.0));
            (count > 0.0).then(|| sum / count)
        };
        let keyed: Vec<(Option<f64>, usize)> =
            layers[at].iter().map(|node| (middle(*node), *node)).collect();
        let mut sorted: Vec<(f64, usize)> = keyed
            .iter()
            .enumerate()
            .map(|(now, (middle, node))| {
                #[allow(clippy::cast_precision_loss, reason = "nodes of a layer are few")]
                let now = now as f64;
                (middle.unwrap_or(now), *node)
            })
            .collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        layers[at] = sorted.into_iter().map(|(_, node)| node).collect();
        for (y, node) in layers[at].iter().enumerate() {
            #[allow(clippy::cast_precision_loss, reason = "nodes of a layer are few")]
            place.insert(*node, y as f64);
        }
    }
}
