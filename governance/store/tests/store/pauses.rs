use assay_store::{Action, AuditEntry, AuditFilter};
use serde_json::json;

use crate::sample::{at, run, store};

fn entry(action: Action, reason: &str) -> AuditEntry {
    AuditEntry {
        at: at(10),
        who: "vera".into(),
        action,
        subject: "github_events/parse".into(),
        reason: reason.into(),
        details: json!({}),
    }
}

#[tokio::test]
async fn a_stage_is_paused_until_it_is_resumed_and_both_are_accounted_for() {
    let (_folder, store) = store().await;
    let (stage, other) = (run(1, "parse").stage, run(1, "land").stage);
    assert_eq!(store.paused(&stage).await.unwrap(), None);
    let pause = entry(Action::Pause, "the source is being moved");
    assert!(store.pause(&stage, &pause).await.unwrap());
    assert!(!store.pause(&stage, &entry(Action::Pause, "again")).await.unwrap());

    let found = store.paused(&stage).await.unwrap().unwrap();
    assert_eq!((found.at, &*found.who, &*found.reason), (at(10), "vera", &*pause.reason));
    assert_eq!(store.paused(&other).await.unwrap(), None);
    assert_eq!(store.pauses().await.unwrap(), [found]);

    let resume = entry(Action::Resume, "");
    assert!(!store.resume(&other, &resume).await.unwrap());
    assert!(store.resume(&stage, &resume).await.unwrap());
    assert!(!store.resume(&stage, &resume).await.unwrap());
    assert_eq!(store.pauses().await.unwrap(), []);
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap(), [resume, pause]);
}
