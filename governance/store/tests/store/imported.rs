use assay_core::{CountedUnit, ImportedOutcome, ImportedResult, ImportedScan, Severity};
use chrono::{TimeZone, Utc};

use crate::sample::store;

fn scan(tool: &str, run: &str, dataset: &str, hour: u32) -> ImportedScan {
    ImportedScan {
        tool: tool.to_owned(),
        tool_version: Some("1.24.1".to_owned()),
        run: run.to_owned(),
        dataset: dataset.to_owned(),
        at: Utc.with_ymd_and_hms(2026, 11, 21, hour, 0, 0).unwrap(),
        results: vec![ImportedResult {
            rule: "id.unique".to_owned(),
            kind: "unique".to_owned(),
            columns: vec!["id".to_owned()],
            dimension: "uniqueness".to_owned(),
            severity: Severity::Error,
            outcome: ImportedOutcome::NotEvaluated { why: "it was skipped".to_owned() },
            failed: Some(2),
            unit: CountedUnit::Keys,
            evaluated: None,
            observed: None,
            expected: "not != 0".to_owned(),
        }],
    }
}

#[tokio::test]
async fn what_other_tools_found_is_kept_once_and_comes_newest_first() {
    let (_home, store) = store().await;
    let (old, new) = (scan("dbt", "a", "main.orders", 8), scan("soda", "b", "main.orders", 9));
    let other = scan("dbt", "a", "main.people", 8);
    for one in [&new, &old, &other] {
        assert!(store.put_imported(one).await.unwrap());
        assert!(!store.put_imported(one).await.unwrap(), "the same run again has no effect");
    }
    assert_eq!(store.imported("main.orders", 10).await.unwrap(), [new.clone(), old]);
    assert_eq!(store.imported("main.orders", 1).await.unwrap(), [new]);
    assert_eq!(store.imported("main.nothing", 10).await.unwrap(), []);
    assert_eq!(store.imported_datasets().await.unwrap(), ["main.orders", "main.people"]);
}
