use std::fmt::{self, Write};

use assay_core::StageId;
use serde::Serialize;

/// A dataset, and those it leads to in one direction of the lineage.
///
/// Prints as a tree of text. A dataset that comes up again is not followed a second time, so the
/// tree of a graph with loops ends, and none is larger than its graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    pub dataset: String,
    /// The stages between this dataset and the one above it in the tree.
    pub stages: Vec<StageId>,
    /// What it leads to is shown elsewhere in the tree.
    pub repeated: bool,
    pub branches: Vec<Tree>,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.dataset))?;
        self.draw(f, "")
    }
}

impl Tree {
    fn draw(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        for (index, branch) in self.branches.iter().enumerate() {
            let last = index + 1 == self.branches.len();
            let (corner, below) =
                if last { ("└── ", "    ") } else { ("├── ", "│   ") };
            let mut stages = String::new();
            for stage in &branch.stages {
                let comma = if stages.is_empty() { "" } else { ", " };
                write!(stages, "{comma}{stage}")?;
            }
            let again = if branch.repeated { " (again)" } else { "" };
            let (stages, dataset) = (one_line(&stages), one_line(&branch.dataset));
            write!(f, "\n{indent}{corner}[{stages}] {dataset}{again}")?;
            branch.draw(f, &format!("{indent}{below}"))?;
        }
        Ok(())
    }
}

/// A name that would break the tree, as others may send.
fn one_line(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}
