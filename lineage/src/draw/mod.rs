//! Pictures of a map, for other programs and for people.

mod dot;
mod layers;
mod mermaid;
mod svg;

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

use crate::{Link, Map};

/// The jobs of a link, as one text.
fn jobs(link: &Link) -> String {
    let jobs: Vec<String> = link.jobs.iter().map(|passage| passage.job.to_string()).collect();
    jobs.join(", ")
}

/// The place of a dataset among the nodes.
fn number(map: &Map, dataset: &str) -> usize {
    map.nodes.iter().position(|node| node.dataset == dataset).unwrap_or_default()
}

#[cfg(test)]
mod tests;
