use std::fmt::Write;

use super::Picture;

/// It in the language of Graphviz.
pub fn dot(picture: &Picture) -> String {
    let mut text = "digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for name in &picture.names {
        let bold = if *name == picture.first { " [style=bold]" } else { "" };
        let _ = writeln!(text, "  {}{bold};", quoted(name));
    }
    for line in &picture.lines {
        let (from, to, by) = (quoted(&line.from), quoted(&line.to), quoted(&line.text));
        let _ = writeln!(text, "  {from} -> {to} [label={by}];");
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    let plain = text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
    format!("\"{plain}\"")
}
