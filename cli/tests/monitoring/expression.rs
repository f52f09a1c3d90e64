//! Which metrics a query of Prometheus asks for.

use std::collections::BTreeSet;

/// Words of the language, and of the lists behind `by` and `on`, are no metrics.
const WORDS: [&str; 12] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "inf",
];

/// Names of series, as far as the shape of the text tells: words that are no function, no label
/// and no word of the language.
pub(crate) fn names(expression: &str) -> BTreeSet<String> {
    let text = without_braces(expression);
    let mut names = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        let from = &rest[start..];
        let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        let (word, behind) = from.split_at(end.unwrap_or(from.len()));
        let behind = behind.trim_start();
        rest = behind;
        if ["by", "without", "on", "ignoring"].contains(&word) && behind.starts_with('(') {
            // The list of labels goes with it.
            rest = behind.split_once(')').map_or("", |(_, rest)| rest);
        } else if !word.starts_with(|c: char| c.is_ascii_digit())
            && !behind.starts_with('(')
            && !is_aggregate(behind)
            && !WORDS.contains(&word)
        {
            names.insert(word.to_owned());
        }
    }
    names
}

/// Whether what stands before this is worked out by groups, as in `sum by (a) (…)`.
fn is_aggregate(behind: &str) -> bool {
    let by = |word: &str| behind.strip_prefix(word).is_some_and(|rest| rest.starts_with(" ("));
    by("by") || by("without")
}

/// The text without what stands in braces and brackets.
fn without_braces(expression: &str) -> String {
    let (mut kept, mut depth, mut quoted) = (String::new(), 0, false);
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            c if depth == 0 && !quoted => kept.push(c),
            _ => {}
        }
    }
    kept
}

#[test]
fn the_names_in_a_query_are_found() {
    let of = |expression| names(expression).into_iter().collect::<Vec<_>>();
    let query = r#"sum by (a, b) (rate(x_total{l=~"y|{z}"}[5m] offset 1h)) / on (a) q:r:s > 1e6"#;
    assert_eq!(of(query), ["q:r:s", "x_total"]);
    assert_eq!(of("vector(1)"), Vec::<String>::new());
    assert_eq!(of("a unless b offset 15m and on () up == 0"), ["a", "b", "up"]);
}
