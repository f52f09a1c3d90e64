use std::fmt::Write;

use super::jobs;
use crate::Map;

/// The map in the language of Graphviz.
pub fn dot(map: &Map) -> String {
    let mut text = "digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for node in &map.nodes {
        let bold = if node.dataset == map.dataset { " [style=bold]" } else { "" };
        let _ = writeln!(text, "  {}{bold};", quoted(&node.dataset));
    }
    for link in &map.links {
        let (from, to, by) = (quoted(&link.input), quoted(&link.output), quoted(&jobs(link)));
        let _ = writeln!(text, "  {from} -> {to} [label={by}];");
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    let plain = text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
    format!("\"{plain}\"")
}
