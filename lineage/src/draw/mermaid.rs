use std::fmt::Write;

use super::{jobs, number};
use crate::Map;

/// The map as a flowchart of Mermaid, which many wikis show.
pub fn mermaid(map: &Map) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (at, node) in map.nodes.iter().enumerate() {
        let _ = writeln!(text, "  n{at}[\"{}\"]", quoted(&node.dataset));
    }
    for link in &map.links {
        let (from, to) = (number(map, &link.input), number(map, &link.output));
        let _ = writeln!(text, "  n{from} -->|\"{}\"| n{to}", quoted(&jobs(link)));
    }
    let _ = writeln!(text, "  style n{} stroke-width:3px", number(map, &map.dataset));
    text
}

/// Text that Mermaid takes for nothing but text.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() || " ./_-:@+,=()".contains(c) => quoted.push(c),
            c => {
                let _ = write!(quoted, "#{};", u32::from(c));
            }
        }
    }
    quoted
}
