use assay_store::{
    Action, AuditEntry, AuditFilter, GivenUp, LetterFilter, Replay, ReplayOptions, ReplayState,
    Store,
};
use serde_json::json;
use uuid::Uuid;

use crate::sample::{at, run, store};

fn entry(reason: &str, second: i64) -> AuditEntry {
    AuditEntry {
        at: at(second),
        who: "vera".into(),
        action: Action::Replay,
        subject: "a job".into(),
        reason: reason.into(),
        details: json!({}),
    }
}

fn job(number: u128, handed: bool, dry: bool) -> Replay {
    Replay {
        id: Uuid::from_u128(number),
        stage: run(1, "parse").stage,
        state: ReplayState::Waiting,
        dry,
        who: "vera".into(),
        reason: "mended".into(),
        wanted: LetterFilter::default(),
        options: ReplayOptions::default(),
        created_at: at(i64::try_from(number).unwrap()),
        beat_at: None,
        ended_at: None,
        letters: 0,
        skipped: 0,
        message: None,
        handed,
        wish: None,
        result: None,
    }
}

async fn free(store: &Store, silent: i64) -> Vec<u128> {
    let jobs = store.free_replays(at(silent)).await.unwrap();
    jobs.iter().map(|job| job.id.as_u128()).collect()
}

async fn state(store: &Store, job: &Replay) -> ReplayState {
    store.replay(job.id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_job_is_one_workers_until_that_one_is_silent() {
    let (_folder, store) = store().await;
    let (first, second) = (Uuid::from_u128(100), Uuid::from_u128(200));
    let (ours, left) = (job(1, false, false), job(2, true, false));
    for job in [&ours, &left] {
        store.start_replay(job, None, None).await.unwrap();
    }
    // What a command carries out itself is not for workers.
    assert_eq!(free(&store, 0).await, [2]);
    assert!(!store.claim_replay(ours.id, first, (at(10), at(0))).await.unwrap());
    assert!(store.claim_replay(left.id, first, (at(10), at(0))).await.unwrap());
    assert!(!store.claim_replay(left.id, second, (at(11), at(5))).await.unwrap());
    assert!(store.beat_replay(left.id, first, at(20)).await.unwrap());
    assert_eq!(free(&store, 20).await, [0_u128; 0]);
    // Heard of at 20, it is silent for whoever asks for signs since 21.
    assert_eq!(free(&store, 21).await, [2]);
    assert!(store.claim_replay(left.id, second, (at(80), at(21))).await.unwrap());
    assert!(!store.beat_replay(left.id, first, at(81)).await.unwrap());
    let complete = (ReplayState::Complete, at(82));
    assert!(!store.leave_replay(left.id, first, complete, None).await.unwrap());

    // One that was told to end leaves its job to the next.
    assert!(!store.leave_to_others(left.id, first).await.unwrap());
    assert!(store.leave_to_others(left.id, second).await.unwrap());
    assert_eq!(free(&store, 0).await, [2]);
    assert!(store.claim_replay(left.id, first, (at(90), at(30))).await.unwrap());
    let resumed = entry("again", 95);
    assert!(!store.hand_over_replay(left.id, at(60), &resumed).await.unwrap(), "it is alive");
    let failed = (ReplayState::Failed, at(96));
    assert!(store.leave_replay(left.id, first, failed, Some("no disk")).await.unwrap());
    assert_eq!(free(&store, 0).await, [0_u128; 0], "what failed waits for a person");
    assert!(store.hand_over_replay(left.id, at(60), &resumed).await.unwrap());
    assert_eq!(free(&store, 0).await, [2]);
    // So is one that a command made and left.
    assert!(store.hand_over_replay(ours.id, at(60), &entry("take it", 97)).await.unwrap());
    assert_eq!(free(&store, 0).await, [1, 2]);
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap().len(), 2);
    let listed = store.replays_before(None, (None, false), 10).await.unwrap();
    assert_eq!(listed.iter().map(|job| job.id.as_u128()).collect::<Vec<_>>(), [2, 1]);
    let before = Some((listed[0].created_at, listed[0].id));
    assert_eq!(store.replays_before(before, (None, false), 10).await.unwrap(), listed[1..]);
}

#[tokio::test]
async fn a_job_that_somebody_has_is_given_up_by_a_worker_and_any_other_at_once() {
    let (_folder, store) = store().await;
    let worker = Uuid::from_u128(100);
    let (idle, begun, dry) = (job(1, true, false), job(2, true, false), job(3, true, true));
    for job in [&idle, &begun, &dry] {
        store.start_replay(job, None, None).await.unwrap();
    }
    assert_eq!(store.wish_given_up(idle.id, &entry("no", 5)).await.unwrap(), GivenUp::AtOnce);
    assert_eq!(state(&store, &idle).await, ReplayState::Cancelled);
    assert_eq!(store.wish_given_up(idle.id, &entry("no", 6)).await.unwrap(), GivenUp::No);
    for job in [&begun, &dry] {
        assert!(store.claim_replay(job.id, worker, (at(10), at(0))).await.unwrap());
    }
    // Nothing of a dry run takes effect, whoever still has it.
    assert_eq!(store.wish_given_up(dry.id, &entry("no", 11)).await.unwrap(), GivenUp::AtOnce);
    assert_eq!(store.wish_given_up(begun.id, &entry("no", 12)).await.unwrap(), GivenUp::ByWorker);
    assert_eq!(store.wish_given_up(begun.id, &entry("no", 13)).await.unwrap(), GivenUp::No);
    assert!(!store.beat_replay(begun.id, worker, at(14)).await.unwrap(), "it hears of it");
    let stopped = (ReplayState::Stopped, at(15));
    assert!(store.leave_replay(begun.id, worker, stopped, None).await.unwrap());
    let found = store.free_replays(at(0)).await.unwrap();
    assert_eq!(found[0].wish.as_ref().map(|wish| wish.reason.as_str()), Some("no"));
    assert!(!store.claim_replay(begun.id, worker, (at(16), at(0))).await.unwrap());
    assert!(!store.hand_over_replay(begun.id, at(0), &entry("on", 16)).await.unwrap());
    assert!(store.cancel_replay(begun.id, &entry("no", 17)).await.unwrap());
    assert_eq!(free(&store, 100).await, [0_u128; 0]);
    let done = store.audit(&AuditFilter::default()).await.unwrap();
    assert_eq!(done.iter().map(|entry| entry.at).collect::<Vec<_>>(), [17, 12, 11, 5].map(at));
}
