//! What happens to letters and jobs while a job waits or is carried out.

use std::sync::atomic::{AtomicBool, Ordering};

use assay_core::{Clock, Counts};
use assay_dlq::{Closed, Fate};
use assay_pipeline::{Replaying, RunError};
use assay_store::{ReplayOptions, ReplayState};
use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::sync::Notify;

use super::{MENDED, SALES, outcome, with_four_letters};

#[tokio::test]
async fn a_letter_that_is_given_up_while_its_job_waits_does_not_land() {
    let mut shop = with_four_letters().await;
    shop.change(&[MENDED]);
    let job = shop.job("sell", ReplayOptions::default(), false).await;
    let letter = shop.open_letters().await.remove(0);
    shop.clock.advance(TimeDelta::minutes(1));
    let (topic, partition) = (letter.at.topic.clone(), letter.at.partition);
    let fate = Fate::Discarded;
    let closed = Closed { id: letter.id, topic, partition, fate, sent_to: None };
    // No index has heard of it.
    shop.queue.discard(&[closed], shop.clock.now()).await.unwrap();
    let carried = shop.carry_out(&job).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("discarded", 1), ("landed", 3)]));
    assert_eq!(shop.query(SALES).await.len(), 11);
    assert_eq!(shop.state(job.id).await, ReplayState::Complete);
}

/// Hears in the middle of a batch that nobody wants it any more.
#[derive(Default)]
struct Unwanted {
    asked: AtomicBool,
}

#[async_trait]
impl Replaying for Unwanted {
    async fn goes_on(&self, _: &Counts) -> bool {
        false
    }

    fn lost(&self) -> bool {
        self.asked.swap(true, Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_job_that_is_to_be_given_up_drops_the_batch_that_it_is_in() {
    let mut shop = with_four_letters().await;
    shop.change(&[MENDED]);
    let before = shop.snapshots().await;
    let slow = ReplayOptions { rate: Some(2), ..ReplayOptions::default() };
    for dry in [true, false] {
        let job = shop.job("sell", slow.clone(), dry).await;
        let (set, stage) = (shop.index().letters_of(job.id), shop.stage("sell"));
        let (pipeline, unwanted) = (&shop.pipeline, Unwanted::default());
        let replayed = shop.runner().replay(pipeline, &stage, (&job, &set), &unwanted).await;
        assert!(matches!(replayed, Err(RunError::Interrupted)), "{replayed:?}");
        assert_eq!(shop.snapshots().await, before);
    }
}

/// Lets another move the place in the job behind the first batch.
#[derive(Default)]
struct Pause {
    was: AtomicBool,
    reached: Notify,
    over: Notify,
}

#[async_trait]
impl Replaying for Pause {
    async fn goes_on(&self, _: &Counts) -> bool {
        if !self.was.swap(true, Ordering::Relaxed) {
            self.reached.notify_one();
            self.over.notified().await;
        }
        true
    }
}

#[tokio::test]
async fn a_worker_that_is_fenced_off_its_own_job_goes_on_from_where_that_stands() {
    let mut shop = with_four_letters().await;
    shop.change(&[MENDED]);
    let job = shop.job("sell", ReplayOptions { batch: 1, ..ReplayOptions::default() }, false).await;
    let (set, stage, pipeline) =
        (shop.index().letters_of(job.id), shop.stage("sell"), &shop.pipeline);
    let (first, second) = (shop.runner(), shop.runner());
    let pause = Pause::default();
    let ours = async { first.replay(pipeline, &stage, (&job, &set), &pause).await };
    let others = async {
        pause.reached.notified().await;
        second.give_up_replay(pipeline, &stage, (&job, &set), "a test").await.unwrap();
        pause.over.notify_one();
    };
    let (ours, ()) = tokio::join!(ours, others);
    // It is its own still, so nothing went wrong; there is nothing left to do.
    assert_eq!(ours.unwrap().summary.batches.len(), 1);
    assert_eq!(shop.query(SALES).await.len(), 9);
    assert_eq!(shop.open_letters().await.len(), 3);
}
