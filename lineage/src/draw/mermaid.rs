use std::fmt::Write;

use super::Picture;

/// It as a flowchart of Mermaid, which many wikis show.
pub fn mermaid(picture: &Picture) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (at, name) in picture.names.iter().enumerate() {
        let _ = writeln!(text, "  n{at}[\"{}\"]", quoted(name));
    }
    for line in &picture.lines {
        let (from, to) = (picture.number(&line.from), picture.number(&line.to));
        let _ = writeln!(text, "  n{from} -->|\"{}\"| n{to}", quoted(&line.text));
    }
    let _ = writeln!(text, "  style n{} stroke-width:3px", picture.number(&picture.first));
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
