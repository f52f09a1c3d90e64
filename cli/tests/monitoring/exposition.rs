use std::collections::BTreeMap;

/// A series: its name and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// Labels that the way through a gateway adds.
const ADDED: [&str; 3] = ["job", "env", "instance"];

/// Series and values of a text, without what the gateway adds itself.
pub(crate) fn read(text: &str) -> BTreeMap<Series, f64> {
    let mut found = BTreeMap::new();
    let ours = |line: &&str| {
        let foreign = ["push_", "go_", "process_", "pushgateway_", "promhttp_"];
        !line.is_empty() && !line.starts_with('#') && !foreign.iter().any(|f| line.starts_with(f))
    };
    for line in text.lines().filter(ours) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels = labels_of(labels);
        labels.retain(|label, _| !ADDED.contains(&label.as_str()));
        let value = value.parse().unwrap();
        let twice = found.insert((name.to_owned(), labels), value);
        assert!(twice.is_none(), "twice: {line}");
    }
    found
}

/// What stands between the braces.
fn labels_of(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let (mut value, mut escaped) = (String::new(), false);
        let mut end = rest.len();
        for (place, c) in rest.char_indices() {
            match (escaped, c) {
                (false, '"') => {
                    end = place;
                    break;
                }
                (false, '\\') => escaped = true,
                (true, 'n') => (value, escaped) = (value + "\n", false),
                (_, c) => {
                    value.push(c);
                    escaped = false;
                }
            }
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        text = &rest[(end + 1).min(rest.len())..];
    }
    labels
}
