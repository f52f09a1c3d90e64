//! How good the rows of each minute are, however they came in batches.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shop::{RUN, Shop, shop};

fn minutes(shop: &Shop) -> Vec<Value> {
    let told = shop.json(&["quality", "windows", "gold.kpi_1m", "--limit", "100"]);
    told["windows"].as_array().unwrap().clone()
}

#[test]
fn each_minute_has_a_score_of_the_rows_that_happened_in_it() {
    let Some(shop) = shop("scores") else { return };
    // In two runs, so that some minutes are in several batches.
    for seed in ["1", "2"] {
        let shares = ["--defects", "6%", "--late", "2%", "--duplicates", "0%"];
        shop.generates(&[&["--count", "1500", "--seed", seed], &shares[..]].concat());
        shop.done(&RUN);
    }
    let written = shop.sql(
        "SELECT to_char(date_trunc('minute', event_time), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
         count(*) FROM events_clean GROUP BY 1",
    );
    let written: BTreeMap<&str, u64> = written
        .lines()
        .map(|line| line.split_once('|').unwrap())
        .map(|(minute, rows)| (minute, rows.parse().unwrap()))
        .collect();
    let scored = minutes(&shop);
    let mut rejected = 0;
    for minute in &scored {
        let number = |name: &str| minute[name].as_u64().unwrap();
        let good = number("rows") - number("rejected");
        let start = minute["start"].as_str().unwrap();
        assert_eq!(written.get(start).copied().unwrap_or(0), good, "{minute}");
        let score = 100.0 * good as f64 / number("rows") as f64;
        assert!((minute["score"].as_f64().unwrap() - score).abs() < 1e-9, "{minute}");
        rejected += number("rejected");
    }
    let counted = |minute: &&str| scored.iter().any(|scored| scored["start"] == **minute);
    assert!(written.keys().all(counted), "{written:?}");
    let letters = shop.json(&["dlq", "list", "--reason", "rule-broken", "--limit", "0"]);
    let letters = letters.as_array().unwrap().len() as u64;
    // Some have no time at which they happened.
    assert!(rejected > 50 && rejected <= letters, "{rejected} of {letters}");
    let newest = shop.done(&["quality", "windows", "gold.kpi_1m", "--limit", "3"]);
    assert!(
        newest.starts_with("gold.kpi_1m, 3 windows") && newest.lines().count() == 6,
        "{newest}"
    );
    let error = shop.fails(&["quality", "windows", "silver.events_clean"]);
    assert!(error.contains("no window of silver.events_clean was judged"), "{error}");
    // What comes home later was judged when it came at first.
    shop.done(&["dlq", "replay", "--reason", "late", "--yes"]);
    assert_eq!(minutes(&shop), scored);
}
