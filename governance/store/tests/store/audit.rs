use assay_store::{Action, AuditEntry, AuditFilter};
use serde_json::json;

use crate::sample::{at, store};

fn entry(action: Action, subject: &str, seconds: i64) -> AuditEntry {
    AuditEntry {
        at: at(seconds),
        who: "vera".into(),
        action,
        subject: subject.into(),
        reason: "the source sent the day twice".into(),
        details: json!({"to": {"bronze.github_events": 3}}),
    }
}

#[tokio::test]
async fn what_was_done_is_there_whole_and_the_last_comes_first() {
    let (_folder, store) = store().await;
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap(), []);
    // A clock that goes back does not change the order.
    let entries = [
        entry(Action::Rewind, "github_events/parse", 10),
        entry(Action::Recompute, "github_events/parse", 5),
        entry(Action::Rewind, "github_events/enrich", 20),
    ];
    for entry in &entries {
        store.record(entry).await.unwrap();
    }
    let [first, second, third] = entries;
    let all = AuditFilter::default();
    let listed = store.audit(&all).await.unwrap();
    assert_eq!(listed, [third.clone(), second.clone(), first.clone()]);
    let one = AuditFilter { limit: 1, ..all.clone() };
    assert_eq!(store.audit(&one).await.unwrap(), std::slice::from_ref(&third));
    let rewinds = AuditFilter { action: Some(Action::Rewind), ..all.clone() };
    assert_eq!(store.audit(&rewinds).await.unwrap(), [third, first.clone()]);
    let of_parse = AuditFilter { subject: Some("github_events/parse".into()), ..all };
    assert_eq!(store.audit(&of_parse).await.unwrap(), [second, first]);
}

#[test]
fn an_action_is_read_as_it_is_written() {
    for action in Action::ALL {
        assert_eq!(action.name().parse(), Ok(action));
    }
    let error = "delete".parse::<Action>().unwrap_err();
    assert!(error.contains("accept-batch"), "{error}");
}
