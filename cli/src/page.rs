//! Pages of HTML that need nothing beside themselves.

mod contract;
mod judged;

use assay_pipeline::{Judgement, Sample};

use crate::commands::ByContract;

pub(crate) use self::contract::contracts;
pub(crate) use self::judged::{Judged, judged};

const STYLE: &str = include_str!("page/style.css");

/// A whole page around its body.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// Text that is no markup, in HTML and XML alike. What XML can't hold shows as a sign.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' | '\r' => safe.push(c),
            c if c.is_control() || ['\u{fffe}', '\u{ffff}'].contains(&c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// The places of the columns that tell most about a broken rule: its own, then those of the key,
/// then the first ones.
pub(crate) fn columns_shown(
    by: &ByContract,
    found: &Judgement,
    rule: &str,
    sample: &Sample,
    beside: usize,
) -> Vec<usize> {
    let of_rule = found.quality.rules.iter().find(|result| result.rule == rule);
    let of_rule = of_rule.map(|result| result.columns.clone()).unwrap_or_default();
    // Keys that were counted have all that belongs to them.
    if !sample.columns.iter().all(|name| by.contract.column(name).is_some()) {
        return (0..sample.columns.len()).collect();
    }
    let key = |name: &String| {
        by.object.properties.iter().any(|it| it.name == *name && (it.primary_key || it.unique))
    };
    let others = sample.columns.iter().filter(|name| !of_rule.contains(name));
    let (keys, plain): (Vec<&String>, Vec<&String>) = others.partition(|name| key(name));
    let mut chosen: Vec<&String> = keys.into_iter().chain(plain).take(beside).collect();
    chosen.extend(&of_rule);
    let place = |name: &&String| sample.columns.iter().position(|known| known == *name);
    let mut places: Vec<usize> = chosen.iter().filter_map(place).collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_text_is_markup() {
        let hostile = "</td><script>alert('x')</script>&\"\u{1b}\u{0}";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{1b}', '\u{0}']), "{safe}");
        assert!(safe.contains("&lt;script&gt;"), "{safe}");
    }
}
