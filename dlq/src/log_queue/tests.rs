use std::path::Path;

use bytes::Bytes;
use chrono::TimeDelta;
use tempfile::TempDir;
use uuid::Uuid;

use assay_core::SystemClock;
use assay_log::{EmbeddedLog, Ends};

use super::*;
use crate::letter::example;
use crate::{DeadLetter, LetterView, Reason};

struct Desk {
    directory: TempDir,
    log: Arc<dyn Log>,
    queue: LogQueue,
}

async fn desk() -> Desk {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log.db");
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap());
    let queue = LogQueue::new(Arc::clone(&log));
    Desk { directory, log, queue }
}

impl Desk {
    async fn put(&self, letters: impl IntoIterator<Item = DeadLetter>, draft: Option<DraftId>) {
        let mut bag = bag(self.directory.path(), letters);
        self.queue.put(&mut bag, draft).await.unwrap();
    }

    async fn list(&self, filter: Filter) -> Vec<String> {
        self.queue.list(&filter).await.unwrap().iter().map(name).collect()
    }
}

fn bag(directory: &Path, letters: impl IntoIterator<Item = DeadLetter>) -> Letters {
    let mut bag = Letters::new(directory);
    letters.into_iter().for_each(|letter| bag.push(letter).unwrap());
    bag
}

/// The origin of a letter, and the number of its attempt when it is not the first.
fn name(letter: &LetterView) -> String {
    let origin = letter.origin.as_ref().map_or("-", |origin| &origin.0);
    match letter.attempt {
        1 => origin.to_owned(),
        attempt => format!("{origin}#{attempt}"),
    }
}

fn draft(id: u128) -> DraftId {
    DraftId(Uuid::from_u128(id))
}

fn at(origin: &str, minute: i64) -> DeadLetter {
    let letter = example(origin, "{}");
    DeadLetter { failed_at: letter.failed_at + TimeDelta::minutes(minute), ..letter }
}

const PROCESSING: &str = "dlq_processing_errors";

#[tokio::test]
async fn letters_of_a_draft_are_void_until_it_is_committed() {
    let desk = desk().await;
    desk.put([at("kept", 1)], Some(draft(1))).await;
    desk.put([at("lost", 2)], Some(draft(2))).await;
    desk.put([at("ingest", 3)], None).await;
    assert_eq!(desk.list(Filter::default()).await, ["ingest"]);

    desk.queue.mark_committed(draft(1), &[PROCESSING]).await.unwrap();
    desk.queue.mark_committed(draft(1), &[PROCESSING]).await.unwrap();
    assert_eq!(desk.list(Filter::default()).await, ["ingest", "kept"]);

    let with_void = Filter { include_void: true, ..Filter::default() };
    let letters = desk.queue.list(&with_void).await.unwrap();
    let void: Vec<_> = letters.iter().map(|letter| (name(letter), letter.void)).collect();
    let expected = [("ingest", false), ("lost", true), ("kept", false)];
    assert_eq!(void, expected.map(|(name, void)| (name.to_owned(), void)));
}

#[tokio::test]
async fn copies_are_one_letter_and_attempts_are_two() {
    let desk = desk().await;
    for copy in [draft(1), draft(1), draft(2), draft(3)] {
        desk.put([at("row", 1)], Some(copy)).await;
    }
    let again = DeadLetter { attempt: 2, ..at("row", 5) };
    desk.put([again.clone()], Some(draft(4))).await;
    for committed in [1, 2, 4] {
        desk.queue.mark_committed(draft(committed), &[PROCESSING]).await.unwrap();
    }
    assert_eq!(desk.list(Filter::default()).await, ["row#2", "row"]);
    let summary = desk.queue.summary().await.unwrap();
    assert_eq!((summary.len(), summary[0].letters, summary[0].rows), (1, 2, 2));

    let shown = desk.queue.show(again.id).await.unwrap().unwrap();
    assert_eq!((shown.letter.attempt, shown.letter.void), (2, false));
    assert_eq!(shown.letter.payload, Some(Bytes::from("{}")));
    let history: Vec<_> = shown.history.iter().map(|one| (one.attempt, one.void)).collect();
    assert_eq!(history, [(2, false), (1, true), (1, false)]);
    let unknown = example("never seen", "").id;
    assert_eq!(desk.queue.show(unknown).await.unwrap(), None);
}

#[tokio::test]
async fn the_newest_are_listed_and_filters_hold() {
    let desk = desk().await;
    let late = DeadLetter { reason: Reason::Late, rules: vec![], ..at("late", 50) };
    let load = DeadLetter { reason: Reason::LoadFailed, ..at("load", 60) };
    desk.put((0..40).map(|n| at(&n.to_string(), n)), None).await;
    desk.put([late, load], None).await;

    let two = Filter { limit: 2, ..Filter::default() };
    assert_eq!(desk.list(two.clone()).await, ["load", "late"]);
    let rule = Some("amount_positive".to_owned());
    let of_topic = Filter { topic: Some(PROCESSING.to_owned()), rule, ..two.clone() };
    assert_eq!(desk.list(of_topic).await, ["39", "38"]);
    let of_reason = Filter { reason: Some(Reason::Late), ..two.clone() };
    assert_eq!(desk.list(of_reason).await, ["late"]);
    let of_other_run = Filter { run: Some(assay_core::RunId(Uuid::nil())), ..two };
    assert_eq!(desk.list(of_other_run).await, [""; 0]);
    assert_eq!(desk.list(Filter { limit: 1000, ..Filter::default() }).await.len(), 42);
}

#[tokio::test]
async fn many_letters_all_arrive_and_a_list_has_only_the_beginning_of_their_payloads() {
    let desk = desk().await;
    let large = |n: i64| DeadLetter { payload: Bytes::from(vec![b'x'; 9 << 20]), ..at("large", n) };
    let many = (0..1200).map(|n| at(&format!("small {n}"), n)).chain([large(1), large(2)]);
    desk.put(many, None).await;
    let summary = desk.queue.summary().await.unwrap();
    // The two large ones are equal rows of one origin.
    assert_eq!((summary[0].letters, summary[0].rows), (1201, 1202));
    let listed = desk.queue.list(&Filter { limit: 2000, ..Filter::default() }).await.unwrap();
    let large = listed.iter().find(|letter| name(letter) == "large").unwrap();
    assert_eq!(large.payload_bytes, 9 << 20);
    assert!(large.payload.as_ref().unwrap().len() <= 256);
}

#[tokio::test]
async fn who_only_looks_makes_no_topics_and_the_first_letter_makes_all() {
    let desk = desk().await;
    assert_eq!(desk.queue.summary().await.unwrap(), []);
    assert_eq!(desk.queue.list(&Filter::default()).await.unwrap(), []);
    desk.put([], None).await;
    assert_eq!(desk.log.topics().await.unwrap(), []);
    desk.put([at("one", 1)], None).await;
    let topics = desk.log.topics().await.unwrap();
    assert_eq!(topics.iter().map(|topic| topic.partitions).collect::<Vec<_>>(), [3, 3, 3]);
}

#[tokio::test]
async fn topics_that_exist_are_taken_as_they_are() {
    let desk = desk().await;
    let file = desk.directory.path().join("other.db");
    let other = EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap();
    let spec = TopicSpec { name: PROCESSING.to_owned(), partitions: 1, retention: None };
    other.create(&spec).await.unwrap();
    let log: Arc<dyn Log> = Arc::new(other);
    let queue = LogQueue::new(Arc::clone(&log));
    let mut bag = bag(desk.directory.path(), (0..20).map(|n| at(&n.to_string(), n)));
    queue.put(&mut bag, None).await.unwrap();
    let ends = log.ends(PROCESSING).await.unwrap();
    assert_eq!(ends, [Ends { partition: 0, start: 0, end: 20 }]);
}

#[tokio::test]
async fn a_record_that_somebody_else_put_there_can_be_listed_and_shown() {
    let desk = desk().await;
    let foreign = NewRecord { value: Some(Bytes::from("hello")), ..NewRecord::default() };
    let topic = "dlq_failed_messages";
    let spec = TopicSpec { name: topic.to_owned(), partitions: 3, retention: None };
    desk.log.create(&spec).await.unwrap();
    desk.log.append(topic, vec![foreign]).await.unwrap();
    let listed = desk.queue.list(&Filter::default()).await.unwrap();
    let shown = desk.queue.show(listed[0].id).await.unwrap().unwrap();
    assert_eq!(shown.letter.payload, Some(Bytes::from("hello")));
    assert_eq!(shown.letter.reason, None);
    assert_eq!(desk.queue.summary().await.unwrap()[0].reason, None);
}

#[tokio::test]
async fn a_queue_can_be_asked_from_any_task() {
    let Desk { queue, directory, .. } = desk().await;
    let asked = tokio::spawn(async move {
        let mut bag = bag(directory.path(), [at("row", 1)]);
        queue.put(&mut bag, None).await.unwrap();
        let listed = queue.list(&Filter::default()).await.unwrap();
        let shown = queue.show(listed[0].id).await.unwrap().unwrap();
        (shown.history.len(), queue.summary().await.unwrap().len())
    });
    assert_eq!(asked.await.unwrap(), (1, 1));
}
