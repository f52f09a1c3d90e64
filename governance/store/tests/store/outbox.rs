//! What has to be sent to others, from the event that is kept to the delivery that is done.

use assay_core::{Clock, Run, SystemClock};
use assay_store::{
    Action, AuditEntry, Chosen, Delivery, DeliveryState, Event, EventKind, Received, Store, Telling,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::sample::*;

const TARGET: &str = "marquez";

async fn sending(store: Store, since: DateTime<Utc>) -> Store {
    store.sending_to(&[TARGET.to_owned()], since).await.unwrap()
}

fn event_of(run: &Run, number: u64, job: &str, kind: EventKind) -> Event {
    Event {
        id: Uuid::from_u64_pair(7, number),
        run: run.id,
        kind,
        at: at(number.try_into().unwrap()),
        body: json!({"job": {"namespace": "assay", "name": job}, "number": number}),
        inputs: vec![],
        outputs: vec![],
    }
}

async fn start(store: &Store, number: u64, job: &str) {
    let run = run(number, "parse");
    let event = event_of(&run, number, job, EventKind::JobStart);
    assert!(store.start_run(&run, event.at, std::slice::from_ref(&event), &[]).await.unwrap());
}

async fn due(store: &Store, now: DateTime<Utc>) -> Vec<u64> {
    let due = store.deliverable(TARGET, now, 100).await.unwrap();
    due.iter().map(|delivery| delivery.body["number"].as_u64().unwrap()).collect()
}

async fn all(store: &Store) -> Vec<Delivery> {
    store.outbox(&Chosen::default(), 1000).await.unwrap()
}

#[tokio::test]
async fn an_event_is_put_into_the_outbox_with_what_keeps_it_and_once() {
    let (_folder, store) = store().await;
    let store = sending(store, at(0)).await;
    start(&store, 1, "p.a").await;
    // The same start again is not kept again.
    let run = run(1, "parse");
    let again = event_of(&run, 1, "p.a", EventKind::JobStart);
    store.start_run(&run, at(1), std::slice::from_ref(&again), &[]).await.unwrap();
    assert_eq!(due(&store, at(9)).await, [1]);
    let kept = &all(&store).await[0];
    assert_eq!((kept.subject.as_str(), kept.state), ("assay/p.a", DeliveryState::Waiting));
    store.delivered(kept, at(10)).await.unwrap();
    assert!(all(&store).await.is_empty());
    // What was delivered does not come back.
    store.start_run(&run, at(1), &[again], &[]).await.unwrap();
    assert!(all(&store).await.is_empty());
    assert_eq!(store.targets().await.unwrap()[0].delivered, 1);
}

#[tokio::test]
async fn what_comes_in_is_sent_at_once_whenever_it_was_said_and_no_number_comes_back() {
    let (_folder, store) = store().await;
    let store = sending(store, at(1000)).await;
    for number in [1, 5000] {
        let run = run(number, "parse");
        let event = event_of(&run, number, "p.a", EventKind::JobStart);
        store.receive(&[Received { run, event, text: None }]).await.unwrap();
    }
    assert_eq!(due(&store, at(1001)).await, [1, 5000]);
    let sent = all(&store).await;
    for delivery in &sent {
        store.delivered(delivery, at(1002)).await.unwrap();
    }
    start(&store, 2000, "p.a").await;
    let last = sent.iter().map(|delivery| delivery.sequence).max().unwrap();
    assert!(all(&store).await[0].sequence > last);
}

#[tokio::test]
async fn without_a_target_nothing_waits_and_requests_are_not_sent_on() {
    let (_folder, store) = store().await;
    start(&store, 1, "p.a").await;
    assert!(all(&store).await.is_empty());
    let store = sending(store, at(0)).await;
    let run = run(2, "parse");
    let request = event_of(&run, 2, "p.a", EventKind::ApiRequest);
    store.start_run(&run, at(2), &[request], &[]).await.unwrap();
    assert!(all(&store).await.is_empty());
}

#[tokio::test]
async fn a_store_sends_nothing_of_commits_that_are_older_than_its_knowing_the_target() {
    let (_folder, store) = store().await;
    let store = sending(store, at(100)).await;
    let tell = async |sequence: u64, judged: i64| {
        let report = report(&run(1, "parse"), sequence, judged);
        let event = event_of(&report.run, 1000 + sequence, "p.a", EventKind::Transformation);
        let telling = Telling {
            target: report.output.clone(),
            sequence,
            snapshot: 1,
            events: vec![event],
            totals: vec![],
            report,
        };
        assert!(store.tell(&telling).await.unwrap());
    };
    // Both are told now, by a store that is new to the table.
    tell(1, 50).await;
    tell(2, 150).await;
    assert_eq!(due(&store, at(5_000)).await, [1002]);
    assert_eq!(store.event_counts().await.unwrap()[&EventKind::Transformation], 2);
}

#[tokio::test]
async fn what_stands_behind_one_that_has_to_wait_waits_and_other_jobs_go_on() {
    let (_folder, store) = store().await;
    let store = sending(store, at(0)).await;
    for (number, job) in [(1, "p.a"), (2, "p.b"), (3, "p.a"), (4, "p.b")] {
        start(&store, number, job).await;
    }
    assert_eq!(due(&store, at(9)).await, [1, 2, 3, 4]);
    let first = all(&store).await.remove(0);
    store.postpone(&first, at(60), "it answered 500").await.unwrap();
    assert_eq!(due(&store, at(59)).await, [2, 4]);
    assert_eq!(due(&store, at(60)).await, [1, 2, 3, 4]);
    // What is parked stands in nobody's way.
    store.park(&first, at(61), "it answered 422").await.unwrap();
    assert_eq!(due(&store, at(62)).await, [2, 3, 4]);
    let health = store.targets().await.unwrap().remove(0);
    assert_eq!((health.waiting, health.parked, health.failures), (3, 1, 2));
    assert_eq!(health.oldest, Some(at(2)));
}

#[tokio::test]
async fn one_process_at_a_time_sends_and_another_takes_over_when_it_is_gone() {
    let (_folder, store) = store().await;
    let store = sending(store, at(0)).await;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let lease =
        async |who, now| store.lease(TARGET, who, now, now + TimeDelta::seconds(30)).await.unwrap();
    assert!(lease(one, at(0)).await);
    assert!(!lease(two, at(10)).await);
    assert!(lease(one, at(20)).await, "who has it keeps it");
    assert!(!lease(two, at(49)).await);
    assert!(lease(two, at(50)).await, "who was silent has lost it");
    assert!(!lease(one, at(51)).await);
    store.release(TARGET, two).await.unwrap();
    assert!(lease(one, at(52)).await);
}

#[tokio::test]
async fn people_retry_and_give_up_what_they_choose_and_giving_up_is_accounted_for() {
    let (_folder, store) = store().await;
    let store = sending(store, at(0)).await;
    for number in 1..=3 {
        start(&store, number, "p.a").await;
    }
    for delivery in all(&store).await.iter().take(2) {
        store.park(delivery, at(5), "it answered 422").await.unwrap();
    }
    let parked = Chosen { state: Some(DeliveryState::Parked), ..Chosen::default() };
    let second = Chosen { sequence: Some(2), ..parked.clone() };
    assert_eq!(store.retry(&second, at(6)).await.unwrap(), 1);
    assert_eq!(due(&store, at(6)).await, [2, 3]);
    let entry = AuditEntry {
        at: at(7),
        who: "me".into(),
        action: Action::Discard,
        subject: "deliveries".into(),
        reason: "not theirs".into(),
        details: json!({}),
    };
    assert_eq!(store.discard(&parked, &entry).await.unwrap(), 1);
    assert_eq!(store.discard(&parked, &entry).await.unwrap(), 0);
    assert_eq!(all(&store).await.len(), 2);
    let audit = store.audit(&assay_store::AuditFilter::default()).await.unwrap();
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0].reason, "not theirs");
}

#[tokio::test]
async fn a_write_that_is_given_up_halfway_holds_nobody_up() {
    let (_folder, store) = store().await;
    let store = sending(store, at(0)).await;
    for patience in (0..1500).step_by(5) {
        let given_up = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            done = store.let_go(TARGET) => done.unwrap(),
            () = given_up => {}
        }
    }
    store.let_go(TARGET).await.unwrap();
}

#[tokio::test]
async fn what_others_send_waits_from_when_it_came_whenever_it_was_said() {
    let (_home, store) = store().await;
    let store = store.sending_to(&["marquez".to_owned()], at(0)).await.unwrap();
    let run = run(1, "parse");
    let event = event(1, &run, EventKind::JobStart, -5000);
    store.receive(&[Received { run, event, text: None }]).await.unwrap();
    let waiting = store.outbox(&Chosen::default(), 10).await.unwrap();
    let ago = SystemClock.now() - waiting[0].enqueued_at;
    assert!(ago.num_seconds().abs() < 60, "{ago}");
}
