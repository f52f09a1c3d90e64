use assay_core::{Counts, Governed, RunId, RunStatus};
use assay_store::{EventKind, RunFilter};

use crate::sample::{at, end, event, increment, processed, report, run, store, telling};

#[tokio::test]
async fn a_run_starts_lives_and_ends_once() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    let start = [event(1, &run, EventKind::JobStart, 1)];
    assert!(store.start_run(&run, at(1), &start, &[]).await.unwrap());
    assert!(!store.start_run(&run, at(1), &start, &[]).await.unwrap());
    assert!(store.heartbeat(run.id, at(9)).await.unwrap());
    let record = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((record.status, record.heartbeat_at), (RunStatus::Running, at(9)));
    assert_eq!(record.run, run);

    let stop = [event(2, &run, EventKind::JobEnd, 2)];
    let complete = end(&run, RunStatus::Complete);
    assert!(store.end_run(&complete, &stop, &[increment(1.0)]).await.unwrap());
    let mut failed = end(&run, RunStatus::Failed);
    failed.message = Some("a disk is full".into());
    assert!(!store.end_run(&failed, &stop, &[increment(1.0)]).await.unwrap());
    assert!(!store.heartbeat(run.id, at(200)).await.unwrap());

    let record = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((record.status, record.ended_at), (RunStatus::Complete, Some(at(100))));
    assert_eq!((record.counts, record.batches), (complete.counts, 3));
    assert_eq!((record.message, record.heartbeat_at), (None, at(9)));
    assert_eq!(store.events_of(run.id).await.unwrap().len(), 2);
    assert_eq!(processed(&store).await, 1.0);
}

#[tokio::test]
async fn the_end_of_a_run_is_kept_even_when_its_start_was_not() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    assert!(store.end_run(&end(&run, RunStatus::Failed), &[], &[]).await.unwrap());
    assert!(!store.start_run(&run, at(1), &[], &[]).await.unwrap());
    assert_eq!(store.run(run.id).await.unwrap().unwrap().status, RunStatus::Failed);
    assert_eq!(store.run(RunId(crate::sample::id(99))).await.unwrap(), None);
}

#[tokio::test]
async fn a_running_run_has_the_counts_of_what_was_told() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    store.start_run(&run, at(1), &[], &[]).await.unwrap();
    store.tell(&telling(&run, 1)).await.unwrap();
    store.tell(&telling(&run, 2)).await.unwrap();
    store.halted(&report(&run, 9, 9), &[], &[]).await.unwrap();

    let record = store.run(run.id).await.unwrap().unwrap();
    let told = Counts { read: 20, written: 18, rejected: 2, ..Counts::default() };
    assert_eq!((record.batches, record.counts), (2, told));

    store.end_run(&end(&run, RunStatus::Aborted), &[], &[]).await.unwrap();
    assert_eq!(store.run(run.id).await.unwrap().unwrap().counts.read, 7);
}

#[tokio::test]
async fn runs_are_listed_by_what_is_asked_for() {
    let (_folder, store) = store().await;
    for (number, stage) in [(1, "parse"), (2, "enrich"), (3, "parse")] {
        store.start_run(&run(number, stage), at(0), &[], &[]).await.unwrap();
    }
    store.end_run(&end(&run(1, "parse"), RunStatus::Complete), &[], &[]).await.unwrap();

    let numbers = async |filter: RunFilter| {
        let runs = store.runs(&filter).await.unwrap();
        runs.iter().map(|record| record.run.id.0.as_u64_pair().1).collect::<Vec<_>>()
    };
    let all = RunFilter::default();
    assert_eq!(numbers(all.clone()).await, [3, 2, 1]);
    assert_eq!(numbers(RunFilter { limit: 1, ..all.clone() }).await, [3]);
    assert_eq!(numbers(RunFilter { stage: Some("parse".into()), ..all.clone() }).await, [3, 1]);
    let running = RunFilter { status: Some(RunStatus::Running), ..all.clone() };
    assert_eq!(numbers(running).await, [3, 2]);
    assert!(numbers(RunFilter { pipeline: Some("cdc".into()), ..all }).await.is_empty());
    let latest = store.latest_runs().await.unwrap();
    let latest: Vec<_> = latest.iter().map(|record| record.run.id.0.as_u64_pair().1).collect();
    assert_eq!(latest, [2, 3]);
}

#[tokio::test]
async fn a_run_that_falls_silent_is_abandoned_until_it_ends() {
    let (_folder, store) = store().await;
    let (silent, alive) = (run(1, "parse"), run(2, "parse"));
    store.start_run(&silent, at(0), &[], &[]).await.unwrap();
    store.start_run(&alive, at(0), &[], &[]).await.unwrap();
    store.heartbeat(alive.id, at(60)).await.unwrap();

    let abandoned = store.abandoned(at(30)).await.unwrap();
    assert_eq!(abandoned.len(), 1);
    assert_eq!(abandoned[0].run, silent);
    store.end_run(&end(&silent, RunStatus::Aborted), &[], &[]).await.unwrap();
    assert_eq!(store.abandoned(at(30)).await.unwrap(), []);
}

#[tokio::test]
async fn a_run_that_was_taken_for_dead_corrects_that_and_is_counted_once() {
    let (_folder, store) = store().await;
    let silent = run(1, "parse");
    store.start_run(&silent, at(0), &[], &[]).await.unwrap();
    let mut closed = end(&silent, RunStatus::Aborted);
    closed.ended_at = at(0);
    let count = || vec![increment(1.0)];
    assert!(store.end_run(&closed, &[], &count()).await.unwrap());
    let mut own = end(&silent, RunStatus::Complete);
    own.ended_at = at(90);
    assert!(store.end_run(&own, &[], &count()).await.unwrap());
    assert!(!store.end_run(&closed, &[], &count()).await.unwrap(), "it has spoken for itself");
    let known = store.run(silent.id).await.unwrap().unwrap();
    assert_eq!((known.status, known.ended_at), (RunStatus::Complete, Some(at(90))));
    assert_eq!(store.totals().await.unwrap()[0].value, 1.0);
}

#[tokio::test]
async fn health_counts_what_ended_lately_and_knows_the_last_success_ever() {
    let (_folder, store) = store().await;
    let mut number = 0;
    for (status, seconds) in [
        (RunStatus::Complete, 10),
        (RunStatus::Complete, 50),
        (RunStatus::Failed, 60),
        (RunStatus::Halted, 70),
    ] {
        number += 1;
        let mut end = end(&run(number, "parse"), status);
        end.ended_at = at(seconds);
        store.end_run(&end, &[], &[]).await.unwrap();
    }
    let mut unmeasured = end(&run(9, "enrich"), RunStatus::Complete);
    unmeasured.run.governed = Governed { metrics: false, ..Governed::ALL };
    store.end_run(&unmeasured, &[], &[]).await.unwrap();
    store.start_run(&run(10, "parse"), at(0), &[], &[]).await.unwrap();

    let health = store.health(at(50)).await.unwrap();
    assert_eq!(health.len(), 1);
    assert_eq!((health[0].finished, health[0].complete), (3, 1));
    let later = store.health(at(1000)).await.unwrap();
    assert_eq!((later[0].finished, later[0].complete), (0, 0));
    assert_eq!(later[0].last_complete_at, Some(at(50)));
}
