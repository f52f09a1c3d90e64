use std::sync::Arc;

use assay_core::{DraftId, SystemClock};
use assay_log::{EmbeddedLog, Log, NewRecord, TopicSpec};
use assay_store::{LetterFilter, Store};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::Index;
use crate::letter::example;
use crate::{
    Closed, DeadLetter, DeadLetterQueue, Dialect, Fate, Filter, LetterView, Letters, LogQueue,
    Reason, Source,
};

const PROCESSING: &str = "dlq_processing_errors";

struct Desk {
    folder: TempDir,
    log: Arc<dyn Log>,
    index: Index,
}

async fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.db");
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap());
    let queue = Arc::new(LogQueue::new(Arc::clone(&log)));
    let store = Arc::new(Store::open(&folder.path().join("store.db")).await.unwrap());
    Desk { folder, log, index: Index::new(queue, store) }
}

impl Desk {
    async fn put(&self, letters: impl IntoIterator<Item = DeadLetter>, draft: Option<DraftId>) {
        let mut bag = Letters::new(self.folder.path());
        letters.into_iter().for_each(|letter| bag.push(letter).unwrap());
        self.index.queue.put(&mut bag, draft).await.unwrap();
    }

    async fn commit(&self, draft: DraftId) {
        self.index.queue.mark_committed(draft, &[PROCESSING]).await.unwrap();
    }

    async fn list(&self, filter: &LetterFilter) -> Vec<String> {
        self.index.catch_up(&|_| {}).await.unwrap();
        self.index.list(filter, 1000, 0).await.unwrap().iter().map(name).collect()
    }

    async fn open(&self) -> Vec<String> {
        self.list(&LetterFilter::default()).await
    }
}

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

fn closed(letter: &DeadLetter, fate: Fate) -> Closed {
    let (id, topic) = (letter.id, letter.reason.topic().to_owned());
    Closed { id, topic, partition: 0, fate, sent_to: None }
}

fn minute(minute: i64) -> DateTime<Utc> {
    example("", "").failed_at + TimeDelta::minutes(minute)
}

#[tokio::test]
async fn the_index_follows_and_says_the_same_when_it_is_made_anew() {
    let desk = desk().await;
    desk.put([at("kept", 1), at("kept too", 2)], Some(draft(1))).await;
    desk.put([at("lost", 3)], Some(draft(2))).await;
    desk.put([at("ingest", 4)], None).await;
    assert_eq!(desk.open().await, ["ingest"]);
    desk.commit(draft(1)).await;
    desk.commit(draft(1)).await;
    assert_eq!(desk.open().await, ["ingest", "kept too", "kept"]);
    let void = LetterFilter { void: true, ..LetterFilter::default() };
    assert_eq!(desk.list(&void).await, ["ingest", "lost", "kept too", "kept"]);

    let caught = desk.index.catch_up(&|_| {}).await.unwrap();
    assert_eq!((caught.read, caught.gone), (0, 0), "each record once");
    let anew = desk.index.rebuild(&|_| {}).await.unwrap();
    assert_eq!(anew.read, 6);
    assert_eq!(desk.open().await, ["ingest", "kept too", "kept"]);
}

#[tokio::test]
async fn a_letter_that_died_again_is_one_and_a_closing_counts_with_its_draft() {
    let desk = desk().await;
    let (one, two) = (at("one", 1), at("two", 1));
    desk.put([one.clone(), two.clone()], None).await;
    let again = DeadLetter { attempt: 2, ..at("one", 5) };
    desk.put([again.clone()], Some(draft(1))).await;
    let settled = [closed(&two, Fate::Landed)];
    let job = Uuid::from_u128(5);
    desk.index.queue.settle(&settled, job, (draft(1), minute(5))).await.unwrap();
    // The draft is not committed: nothing of it counts.
    assert_eq!(desk.open().await.len(), 2);
    desk.commit(draft(1)).await;
    assert_eq!(desk.open().await, ["one#2"]);

    let shown = desk.index.show(two.id).await.unwrap().unwrap();
    let outcome = shown.letter.outcome.unwrap();
    assert_eq!(
        (outcome.fate, outcome.job, outcome.draft),
        (Fate::Landed, Some(job), Some(draft(1)))
    );
    // It fails anew, long after it landed: the row came again.
    desk.put([at("two", 9)], None).await;
    assert_eq!(desk.open().await, ["two", "one#2"]);
    desk.index.queue.discard(&[closed(&again, Fate::Discarded)], minute(10)).await.unwrap();
    assert_eq!(desk.open().await, ["two"]);
    desk.index.rebuild(&|_| {}).await.unwrap();
    assert_eq!(desk.open().await, ["two"]);
}

#[tokio::test]
async fn a_record_closes_many_letters_each_with_its_place() {
    let desk = desk().await;
    let letters: Vec<DeadLetter> = (0..700).map(|n| at(&format!("{n}"), 1)).collect();
    desk.put(letters.clone(), None).await;
    let before = desk.log.ends(PROCESSING).await.unwrap()[0].end;
    let place = |offset| Source { topic: "orders".to_owned(), partition: 1, offset };
    let sent: Vec<Closed> = (0..600)
        .zip(&letters)
        // Of some it is not known where they are.
        .map(|(n, letter)| Closed {
            sent_to: (n % 7 != 0).then(|| place(n)),
            ..closed(letter, Fate::Sent)
        })
        .collect();
    let job = Uuid::from_u128(5);
    desk.index.queue.sent(&sent, job, minute(2)).await.unwrap();
    assert_eq!(desk.log.ends(PROCESSING).await.unwrap()[0].end - before, 2);
    assert_eq!(desk.open().await.len(), 100);
    assert_eq!(desk.index.queue.list(&Filter::default()).await.unwrap().len(), 100);
    for (n, sent_to) in [(0, None), (8, Some(place(8))), (599, Some(place(599)))] {
        let shown = desk.index.show(letters[n].id).await.unwrap().unwrap();
        let outcome = shown.letter.outcome.unwrap();
        assert_eq!((outcome.job, outcome.sent_to), (Some(job), sent_to), "{n}");
    }
    desk.index.rebuild(&|_| {}).await.unwrap();
    assert_eq!(desk.open().await.len(), 100);
}

#[tokio::test]
async fn what_retention_deleted_is_gone_from_the_index_and_counted() {
    let desk = desk().await;
    desk.put((0..30).map(|n| at(&format!("{n}"), n)), None).await;
    assert_eq!(desk.open().await.len(), 30);
    let ends = desk.log.ends(PROCESSING).await.unwrap();
    let gone = desk.log.delete_before(PROCESSING, 0, ends[0].end).await.unwrap();
    assert!(gone > 0);
    let caught = desk.index.catch_up(&|_| {}).await.unwrap();
    assert_eq!(caught.gone, gone);
    assert_eq!(desk.open().await.len() as u64, 30 - gone);
}

#[tokio::test]
async fn a_topic_of_another_system_is_listed_in_the_same_words() {
    let desk = desk().await;
    let spec = TopicSpec { name: "orders.dlq".into(), partitions: 1, retention: None };
    desk.log.create(&spec).await.unwrap();
    let header = |name: &str, value: &[u8]| (name.to_owned(), Bytes::copy_from_slice(value));
    let connect = vec![
        header("__connect.errors.topic", b"orders"),
        header("__connect.errors.partition", b"0"),
        header("__connect.errors.offset", b"7"),
        header("__connect.errors.stage", b"VALUE_CONVERTER"),
        header("__connect.errors.exception.class.name", b"org.apache.kafka.DataException"),
        // Whatever it says, it is no record of ours.
        header("assay.committed", Uuid::from_u128(2).to_string().as_bytes()),
    ];
    let record = |value: &'static [u8], headers: Vec<(String, Bytes)>| NewRecord {
        value: Some(Bytes::from_static(value)),
        headers,
        ..NewRecord::default()
    };
    let records = vec![record(b"\xff\x00", connect), record(b"plain", vec![])];
    desk.log.append("orders.dlq", records).await.unwrap();
    desk.index.take_in("orders.dlq", &|_| {}).await.unwrap();
    let filter = LetterFilter { topics: vec!["orders.dlq".into()], ..LetterFilter::default() };
    let letters = desk.index.list(&filter, 10, 100).await.unwrap();
    let connect = letters.iter().find(|letter| letter.dialect == Dialect::KafkaConnect).unwrap();
    assert_eq!(connect.reason, Some(Reason::Undecodable));
    assert_eq!(connect.payload.as_deref(), Some(&b"\xff\x00"[..]));
    assert_eq!(letters.len(), 2);
    assert_eq!(desk.index.topics(minute(0)).await.unwrap().len(), 4);
    assert!(desk.index.take_in("nowhere", &|_| {}).await.is_err());
}

#[tokio::test]
async fn many_letters_are_few_causes() {
    let desk = desk().await;
    let letters = (0..300).map(|n| {
        let detail = match n % 3 {
            0 => format!("no JSON: EOF (byte {n})"),
            1 => format!("row {n} is strange"),
            _ => "amount is below 0".to_owned(),
        };
        DeadLetter { detail, ..at(&format!("{n}"), n) }
    });
    desk.put(letters, None).await;
    desk.index.catch_up(&|_| {}).await.unwrap();
    let groups = desk.index.groups(&LetterFilter::default(), 20).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.letters).collect::<Vec<_>>(), [100, 100, 100]);
    let fingerprint = Some(groups[0].fingerprint.clone());
    let one = LetterFilter { fingerprint, ..LetterFilter::default() };
    assert_eq!(desk.list(&one).await.len(), 100);
}

/// What may happen to the three topics.
#[derive(Debug, Clone)]
enum Deed {
    Put { row: u8, attempt: u32, draft: Option<u8> },
    Commit(u8),
    Close { row: u8, draft: Option<u8> },
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, bool)>> {
    let draft = || prop::option::of(0..3u8);
    let deed = prop_oneof![
        3 => (0..4u8, 1..3u32, draft())
            .prop_map(|(row, attempt, draft)| Deed::Put { row, attempt, draft }),
        1 => (0..3u8).prop_map(Deed::Commit),
        2 => (0..4u8, draft()).prop_map(|(row, draft)| Deed::Close { row, draft }),
    ];
    prop::collection::vec((deed, any::<bool>()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// However it was fed, it says what a look at the topics says of each id.
    #[test]
    fn the_index_says_what_the_topics_say(deeds in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = desk().await;
            for (time, (deed, catch_up)) in deeds.iter().enumerate() {
                let time = i64::try_from(time).unwrap();
                let by = |id: &Option<u8>| id.map(|id| draft(u128::from(id) + 1));
                match deed {
                    Deed::Put { row, attempt, draft } => {
                        let letter = DeadLetter { attempt: *attempt, ..at(&row.to_string(), time) };
                        desk.put([letter], by(draft)).await;
                    }
                    Deed::Commit(id) => desk.commit(draft(u128::from(*id) + 1)).await,
                    Deed::Close { row, draft } => {
                        let these = [closed(&at(&row.to_string(), 0), Fate::Landed)];
                        let job = Uuid::from_u128(1);
                        match by(draft) {
                            Some(draft) => {
                                let by = (draft, minute(time));
                                desk.index.queue.settle(&these, job, by).await.unwrap();
                            }
                            None => desk.index.queue.sent(&these, job, minute(time)).await.unwrap(),
                        }
                    }
                }
                if *catch_up {
                    desk.index.catch_up(&|_| {}).await.unwrap();
                }
            }
            let fed = desk.open().await;
            // The last letter of each id that counts, unless it was closed.
            let all = Filter { include_closed: true, limit: 1000, ..Filter::default() };
            let mut seen = std::collections::HashSet::new();
            let mut letters = desk.index.queue.list(&all).await.unwrap();
            letters.sort_by_key(|letter| std::cmp::Reverse(letter.failed_at));
            letters.retain(|letter| seen.insert(letter.id) && !letter.closed);
            let told: Vec<String> = letters.iter().map(name).collect();
            assert_eq!(fed, told, "{deeds:?}");
            desk.index.rebuild(&|_| {}).await.unwrap();
            assert_eq!(desk.open().await, told, "made anew: {deeds:?}");
        });
    }
}

#[tokio::test]
async fn letters_of_topics_that_are_not_there_any_more_are_forgotten() {
    let desk = desk().await;
    desk.put([at("a", 1), at("b", 2)], None).await;
    assert_eq!(desk.open().await.len(), 2);
    let file = desk.folder.path().join("another.db");
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap());
    let queue = Arc::new(LogQueue::new(Arc::clone(&log)));
    let index = Index::new(queue, Arc::clone(&desk.index.store));
    let moved = Desk { log, index, ..desk };
    assert_eq!(moved.open().await, [""; 0]);
    assert_eq!(moved.index.catch_up(&|_| {}).await.unwrap().gone, 0);
}
