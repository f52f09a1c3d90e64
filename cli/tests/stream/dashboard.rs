//! The dashboard of business figures, whose questions the database answers.

use std::path::Path;

use serde_json::Value;

use super::shop::Shop;

/// Asks what every panel asks; each has an answer.
pub(crate) fn shows_something(shop: &Shop) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana/assay-business.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let sql = chosen(target["rawSql"].as_str().unwrap());
            let title = &panel["title"];
            assert!(!shop.sql(&sql).trim_matches(['|', '\n']).is_empty(), "{title}: {sql}");
            asked += 1;
        }
    }
    assert!(asked >= 10, "only {asked} questions");
}

/// The question as Grafana asks it, for the last day.
fn chosen(sql: &str) -> String {
    let mut parts = sql.split("$__timeFilter(");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (column, rest) = part.split_once(')').unwrap();
        text.push_str(&format!("{column} BETWEEN now() - interval '1 day' AND now() {rest}"));
    }
    assert!(!text.contains('$'), "{text}");
    text
}
