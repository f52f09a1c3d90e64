use std::io::Write;

use assay_core::Clock;
use assay_door::{KeyHash, Quota};
use assay_lineage::newest;
use assay_sidecar::{Listen, SidecarError};
use assay_store::{EventKind, KeyRecord, Role};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::desk::{Desk, event};

const LINEAGE: &str = "/api/v1/lineage";
const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn events_come_alone_in_lists_packed_and_in_chunks_and_each_is_kept_once() {
    let desk = Desk::new();
    let open = desk.open().await;
    let (start, end) =
        (event("START", "10:00:00", "r", "a", "b"), event("COMPLETE", "10:01:00", "r", "a", "b"));
    let one = open.post(LINEAGE, &start).await;
    assert_eq!((one.status, one.text.as_str()), (201, r#"{"accepted":1}"#));
    let both = open.post(LINEAGE, &json!([start, end])).await;
    assert_eq!((both.status, both.text.as_str()), (201, r#"{"accepted":2}"#));

    let mut packer = GzEncoder::new(vec![], Compression::default());
    packer.write_all(end.to_string().as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let gzip = [JSON, ("Content-Encoding", "gzip")];
    assert_eq!(open.send("POST /api/v1/lineage", &gzip, &packed).await.status, 201);
    assert_eq!(open.send("POST /api/v1/lineage", &gzip, &packed[..50]).await.status, 400);

    let text = start.to_string();
    let (head, tail) = text.split_at(100);
    let chunks = format!("64\r\n{head}\r\n{:x}\r\n{tail}\r\n0\r\n\r\n", tail.len());
    let chunked = [JSON, ("Transfer-Encoding", "chunked")];
    let sent = open.send("POST /api/v1/lineage", &chunked, chunks.as_bytes()).await;
    assert_eq!(sent.status, 201, "{sent:?}");

    let stats = open.get("/api/v1/lineage/stats").await.json();
    assert_eq!(stats["event_breakdown"]["job_start"], 1);
    assert_eq!(
        (&stats["event_breakdown"]["job_end"], &stats["total_lineage_events"]),
        (&json!(1), &json!(2))
    );
    let metrics = open.get("/metrics").await.text;
    assert!(metrics.contains("\ntotal_lineage_events 2\n"), "{metrics}");
    assert!(metrics.contains("\nassay_sidecar_events_total 5\n"), "{metrics}");
    open.close().await;
    let store = desk.store().await;
    // What was asked is told of as well: two addresses, and one of them answered in two ways.
    let asked = store.events(Some(EventKind::ApiRequest), 10).await.unwrap();
    assert_eq!((asked.len(), store.events(None, 10).await.unwrap().len()), (3, 5));
    let (page, _) = newest(&store, Some(EventKind::ApiRequest), None, 10).await.unwrap();
    let posted = page.iter().find(|one| one.rows_in == Some(5)).unwrap();
    assert_eq!((posted.rows_out, posted.status.as_str()), (Some(5), "complete"));
    assert!(page.iter().any(|one| one.error.as_deref() == Some("answered with 400")), "{page:?}");
    assert!(store.lineage_datasets("", 10).await.unwrap().len() == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_come_at_once_and_one_of_a_far_day_does_not_stay_the_newest() {
    let desk = Desk::new();
    let open = desk.open().await;
    let of = |number: u32| event("COMPLETE", "10:00:00", &format!("run {number}"), "a", "b");
    let mut all: Vec<_> = (0..150).map(of).collect();
    all[7]["eventTime"] = json!("9999-12-31T23:59:59Z");
    let sent = open.post(LINEAGE, &json!(all)).await;
    assert_eq!((sent.status, sent.text.as_str()), (201, r#"{"accepted":150}"#));
    let runs = open.get("/api/v1/lineage/runs?limit=200").await.json();
    let runs = runs["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 150);
    let far = |run: &&serde_json::Value| run["started_at"].as_str().unwrap().starts_with('9');
    assert_eq!(runs.iter().filter(far).count(), 0, "{runs:?}");
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_refused_with_path_and_rule_and_nothing_is_kept() {
    let desk = Desk::new();
    let open = desk.open().await;
    let good = event("START", "10:00:00", "r", "a", "b");
    let mut bad = good.clone();
    bad["inputs"][0]["name"] = json!(7);
    let refused = open.post(LINEAGE, &json!([good, bad])).await;
    let told = refused.json();
    assert_eq!((refused.status, &told["error"]), (400, &json!("schema")));
    assert_eq!(told["path"], "$.inputs[0].name");
    assert_eq!(told["events"][0]["index"], 1);
    assert_eq!(open.get("/api/v1/lineage/stats").await.json()["total_lineage_events"], 0);

    let partly = open.post("/api/v1/lineage/batch", &json!([good, bad])).await;
    let told = partly.json();
    assert_eq!((partly.status, &told["status"]), (200, &json!("partial_success")));
    assert_eq!(
        (&told["summary"]["successful"], &told["failed_events"][0]["index"]),
        (&json!(1), &json!(1))
    );

    for (headers, body, status, error) in [
        (&[JSON][..], &b"{\"a\": "[..], 400, "invalid_json"),
        (&[("Content-Type", "text/plain")], b"{}", 415, "content_type"),
        (&[JSON, ("Content-Encoding", "br")], b"{}", 415, "content_encoding"),
        (&[JSON, ("Content-Encoding", "gzip")], b"{}", 400, "damaged_gzip"),
    ] {
        let refused = open.send("POST /api/v1/lineage", headers, body).await;
        assert_eq!((refused.status, &refused.json()["error"]), (status, &json!(error)));
    }
    assert_eq!(open.get(LINEAGE).await.status, 405);
    assert_eq!(open.get("/nowhere").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_floods_waits_and_a_body_that_is_too_large_is_not_read() {
    let mut desk = Desk::new();
    desk.settings.body_mb = 1;
    desk.settings.quota = Quota { events_per_second: 0.5, burst: 2.0 };
    let open = desk.open().await;
    let large = vec![b' '; (1 << 20) + 1];
    assert_eq!(open.send("POST /api/v1/lineage", &[JSON], &large).await.status, 413);
    // What it unpacks to counts as well.
    let mut packer = GzEncoder::new(vec![], Compression::default());
    packer.write_all(&large).unwrap();
    let packed = packer.finish().unwrap();
    let gzip = [JSON, ("Content-Encoding", "gzip")];
    assert_eq!(open.send("POST /api/v1/lineage", &gzip, &packed).await.status, 413);

    for (minute, status) in [(1, 201), (2, 201), (3, 429)] {
        let sent = event("START", &format!("10:0{minute}:00"), "r", "a", "b");
        let answer = open.post(LINEAGE, &sent).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.head.contains("retry-after: "), status == 429, "{}", answer.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_what_its_role_may_until_it_is_revoked() {
    let mut desk = Desk::new();
    desk.settings.listen = Listen("0.0.0.0:0".parse().unwrap());
    let refused = desk.try_open().await.err().unwrap();
    assert!(matches!(refused, SidecarError::Settings(_)), "{refused}");
    assert!(refused.to_string().contains("assay keys create"), "{refused}");

    let store = desk.store().await;
    let now = assay_core::SystemClock.now();
    for role in Role::ALL {
        let key = KeyRecord {
            name: role.name().to_owned(),
            role,
            sha256: KeyHash::of(role.name()).to_string(),
            made_at: now,
            made_by: "me".to_owned(),
            revoked_at: None,
            revoked_by: None,
        };
        assert!(store.add_key(&key).await.unwrap());
    }
    let mut open = desk.open().await;
    open.address.set_ip("127.0.0.1".parse().unwrap());
    let sent = event("START", "10:00:00", "r", "a", "b");
    for (key, posts, looks) in [
        (None, 401, 401),
        (Some("unknown"), 401, 401),
        (Some("viewer"), 403, 200),
        (Some("writer"), 201, 403),
        (Some("operator"), 201, 200),
    ] {
        open.key = key.map(str::to_owned);
        assert_eq!(open.post(LINEAGE, &sent).await.status, posts, "{key:?}");
        assert_eq!(open.get("/api/v1/lineage/stats").await.status, looks, "{key:?}");
        assert_eq!(open.get("/readyz").await.status, 200);
    }
    assert!(store.revoke_key("operator", now, "me").await.unwrap());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(open.post(LINEAGE, &sent).await.status, 401);
}
