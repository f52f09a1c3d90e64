use assay_core::ReaderId;
use assay_store::{Action, AuditEntry, AuditFilter};
use serde_json::json;

use crate::sample::{at, store};

#[tokio::test]
async fn who_reads_into_a_database_is_known_until_a_person_forgets_it() {
    let (_folder, store) = store().await;
    let [stream, other] = ["ecommerce/stream", "other/stream"].map(|name| ReaderId(name.into()));
    assert_eq!(store.database_readers().await.unwrap(), []);
    for reader in [&stream, &other, &stream] {
        store.read_into_database(reader, "events_raw", at(1)).await.unwrap();
    }
    let known = |reader: &ReaderId| (reader.clone(), "events_raw".to_owned());
    assert_eq!(store.database_readers().await.unwrap(), [known(&stream), known(&other)]);

    let entry = AuditEntry {
        at: at(2),
        who: "vera".into(),
        action: Action::Prune,
        subject: stream.0.clone(),
        reason: "the database is gone".into(),
        details: json!({}),
    };
    assert!(store.forget_database_reader(&stream, &entry).await.unwrap());
    assert!(!store.forget_database_reader(&stream, &entry).await.unwrap());
    assert_eq!(store.database_readers().await.unwrap(), [known(&other)]);
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap(), [entry]);
}
