//! Pictures of lineage, for other programs and for people.

mod dot;
mod layers;
mod mermaid;
mod svg;

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

use std::sync::Arc;

use crate::Map;

/// What is drawn: names, and lines between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// The name that stands out.
    pub first: String,
    pub names: Vec<String>,
    pub lines: Vec<Line>,
}

/// A line from one name to another, and what stands at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub from: Arc<str>,
    pub to: Arc<str>,
    pub text: String,
}

impl Picture {
    /// The place of a name.
    fn number(&self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_default()
    }
}

impl From<&Map> for Picture {
    fn from(map: &Map) -> Picture {
        let lines = map.links.iter().map(|link| {
            let jobs: Vec<String> =
                link.jobs.iter().map(|passage| passage.job.to_string()).collect();
            Line { from: link.input.clone(), to: link.output.clone(), text: jobs.join(", ") }
        });
        Picture {
            first: map.dataset.clone(),
            lines: lines.collect(),
            names: map.nodes.iter().map(|node| node.dataset.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
