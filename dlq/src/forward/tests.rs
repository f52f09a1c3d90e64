use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assay_core::{DraftId, SystemClock};
use assay_log::{EmbeddedLog, Log, NewRecord, Record, TopicSpec};
use assay_store::{Due, KeptSince, LetterFilter, ReplayOptions, ReplayState, Store};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use uuid::Uuid;

use crate::letter::example;
use crate::{
    Asked, DeadLetter, DeadLetterQueue, Forward, ForwardError, Forwarded, Forwarding, Index,
    LetterView, Letters, LogQueue, Source,
};

const TARGET: &str = "orders";

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
    let desk = Desk { folder, log, index: Index::new(queue, store) };
    desk.topic(TARGET, 4).await;
    desk
}

/// Lets so many looks pass, and changes what is sent.
struct Watch {
    left: AtomicU64,
    change: fn(&LetterView) -> Result<Option<Vec<u8>>, String>,
}

#[async_trait]
impl Forwarding for Watch {
    async fn goes_on(&self, _: &Forwarded) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) > 1
    }

    fn changed(&self, letter: &LetterView) -> Result<Option<Vec<u8>>, String> {
        (self.change)(letter)
    }
}

fn as_it_is() -> Watch {
    Watch { left: AtomicU64::new(u64::MAX), change: |_| Ok(None) }
}

impl Desk {
    async fn topic(&self, name: &str, partitions: u32) {
        let spec = TopicSpec { name: name.to_owned(), partitions, retention: None };
        self.log.create(&spec).await.unwrap();
    }

    async fn put(&self, letters: impl IntoIterator<Item = DeadLetter>) {
        let mut bag = Letters::new(self.folder.path());
        letters.into_iter().for_each(|letter| bag.push(letter).unwrap());
        self.index.queue().put(&mut bag, None).await.unwrap();
        self.index.catch_up(&|_| {}).await.unwrap();
    }

    /// Makes a job of all that is open, and not parked, in topics of ours or in that one.
    async fn job(&self, topic: Option<&str>, rate: Option<u32>) -> Uuid {
        let topics: Vec<String> = topic.map(str::to_owned).into_iter().collect();
        let letters = LetterFilter { topics, unparked: true, ..LetterFilter::default() };
        let to = self.index.forward_to(TARGET, &letters).await.unwrap();
        let stage = crate::stage_of_topic(TARGET);
        let options = ReplayOptions { to: Some(to), rate, ..ReplayOptions::default() };
        let who = "anna".to_owned();
        let reason = "mended".to_owned();
        let asked = Asked { stage, letters, limit: None, options, dry: false, who, reason };
        let id = Uuid::from_u128(u128::from(self.count().await) + 100);
        self.index.start(&asked, id, now(), None).await.unwrap().id
    }

    /// As a worker does: it takes the job on, and goes on from wherever that stands.
    async fn work(&self, job: Uuid, watch: &Watch) -> Result<Forwarded, ForwardError> {
        let found = self.index.store().replay(job).await.unwrap().unwrap();
        assert!(self.index.store().take_replay(job, Uuid::from_u128(1), now()).await.unwrap());
        let to = found.options.to.clone().unwrap();
        let forward = Forward { index: &self.index, job: &found, to: &to, clock: &SystemClock };
        let done = forward.send(watch).await;
        self.index.catch_up(&|_| {}).await.unwrap();
        done
    }

    async fn sent(&self) -> Vec<Record> {
        let mut all = Vec::new();
        for ends in self.log.ends(TARGET).await.unwrap() {
            let mut at = ends.start;
            while at < ends.end {
                let read = self.log.read(TARGET, ends.partition, at, Default::default());
                all.extend(read.await.unwrap());
                at = all.last().map_or(ends.end, |last: &Record| last.offset + 1);
            }
        }
        all
    }

    async fn count(&self) -> u64 {
        self.sent().await.len() as u64
    }

    async fn open(&self) -> usize {
        self.index.list(&LetterFilter::default(), 10_000, 0).await.unwrap().len()
    }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(30_000)
}

/// The `n`th row of a topic of five keys.
fn row(n: u64) -> DeadLetter {
    let source = Source { topic: "in".to_owned(), partition: 0, offset: n };
    let key = Some(Bytes::from(format!("key {}", n % 5)));
    DeadLetter { source: Some(source), key, ..example(&n.to_string(), &format!("{n}")) }
}

fn text(bytes: &Option<Bytes>) -> String {
    String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
}

#[tokio::test]
async fn letters_go_to_a_topic_as_they_were_in_the_order_of_their_keys() {
    let desk = desk().await;
    desk.put((0..300).rev().map(row)).await;
    let job = desk.job(None, None).await;
    let done = desk.work(job, &as_it_is()).await.unwrap();
    assert_eq!((done.sent, done.gone, done.refused, done.twice), (300, 0, 0, None));
    let mut last = std::collections::BTreeMap::new();
    for record in desk.sent().await {
        let at: u64 = text(&record.value).parse().unwrap();
        assert_eq!(text(&record.key), format!("key {}", at % 5));
        assert!(last.insert(record.key.clone(), at) < Some(at), "{at} is behind a later one");
        let header = |name| text(&record.header(name).cloned());
        assert_eq!(header("assay.letter"), row(at).id.to_string());
        assert_eq!(header("assay.job"), job.to_string());
    }
    assert_eq!(desk.open().await, 0);
    let outcome = desk.index.store().replay_outcome(job).await.unwrap();
    assert_eq!(outcome.get("sent"), Some(&300));
    assert_eq!(desk.work(job, &as_it_is()).await.unwrap().sent, 0, "there is nothing left");
}

#[tokio::test]
async fn a_letter_whose_row_was_taken_while_the_job_waited_is_not_sent() {
    let desk = desk().await;
    desk.put((0..3).map(row)).await;
    let job = desk.job(None, None).await;
    let (queue, draft) = (desk.index.queue(), DraftId(Uuid::from_u128(5)));
    let mut none = Letters::new(desk.folder.path());
    let taken = |payload: &[u8]| payload == b"1";
    let closed = queue.close(&row(1).stage, &taken, &mut none, (draft, now())).await.unwrap();
    let topics: Vec<&str> = closed.keys().map(String::as_str).collect();
    assert_eq!(closed.values().sum::<u64>(), 1);
    queue.mark_committed(draft, &topics).await.unwrap();

    assert_eq!(desk.work(job, &as_it_is()).await.unwrap().sent, 2);
    let sent: Vec<String> = desk.sent().await.iter().map(|record| text(&record.value)).collect();
    assert!(sent.len() == 2 && !sent.contains(&"1".to_owned()), "{sent:?}");
    assert_eq!(desk.open().await, 0);
}

#[tokio::test]
async fn whoever_goes_on_with_a_job_leaves_out_what_the_topic_has() {
    let desk = desk().await;
    desk.put((0..100).map(row)).await;
    let foreign = NewRecord { value: Some(Bytes::from_static(b"7")), ..NewRecord::default() };
    desk.log.append(TARGET, vec![foreign.clone()]).await.unwrap();
    let job = desk.job(None, Some(10)).await;
    let stops = Watch { left: AtomicU64::new(3), change: |_| Ok(None) };
    assert!(matches!(desk.work(job, &stops).await, Err(ForwardError::Interrupted(30))));
    // As if it had been killed between the append and the closing of the next ten.
    let set = desk.index.letters_of(job);
    for mut sent in set.next(30, 10, 1 << 20).await.unwrap() {
        let of = (job, sent.number, 1);
        let message = super::message::message(sent.letter.as_mut().unwrap(), vec![], of, 4);
        desk.log.append(TARGET, vec![message]).await.unwrap();
    }
    desk.log.append(TARGET, vec![foreign]).await.unwrap();
    assert_eq!(desk.open().await, 70);
    let other = Uuid::from_u128(9);
    assert!(desk.index.store().replay(other).await.unwrap().is_none());
    let done = desk.work(job, &as_it_is()).await.unwrap();
    assert_eq!((done.there, done.sent, done.twice), (10, 60, None));
    assert_eq!((desk.open().await, desk.count().await), (0, 102));
    let mut seen = std::collections::BTreeSet::new();
    for record in desk.sent().await.iter().filter(|record| record.key.is_some()) {
        assert!(seen.insert(text(&record.value)), "{} is there twice", text(&record.value));
    }
}

#[tokio::test]
async fn what_the_topic_lost_may_be_sent_again_which_is_said() {
    let desk = desk().await;
    desk.put((0..20).map(row)).await;
    let job = desk.job(None, Some(10)).await;
    let stops = Watch { left: AtomicU64::new(1), change: |_| Ok(None) };
    desk.work(job, &stops).await.unwrap_err();
    let ends = desk.log.ends(TARGET).await.unwrap();
    let gained = ends.iter().find(|ends| ends.end > 0).unwrap();
    desk.log.delete_before(TARGET, gained.partition, gained.end).await.unwrap();
    let done = desk.work(job, &as_it_is()).await.unwrap();
    assert!(done.twice.unwrap().contains("does not have all any more"));
    assert_eq!(done.sent, 10, "what was closed is not sent again all the same");
}

#[tokio::test]
async fn what_can_not_be_changed_stays_and_what_is_gone_is_counted() {
    let desk = desk().await;
    desk.put((0..30).map(row)).await;
    let job = desk.job(None, None).await;
    let topic = "dlq_processing_errors";
    let ends = desk.log.ends(topic).await.unwrap();
    let gone = desk.log.delete_before(topic, 0, ends[0].end).await.unwrap();
    let watch = Watch {
        left: AtomicU64::new(u64::MAX),
        change: |letter| match letter.payload.as_deref() {
            Some(b"7" | b"8") => Err("no JSON".to_owned()),
            _ => Ok(Some(b"changed".to_vec())),
        },
    };
    let done = desk.work(job, &watch).await.unwrap();
    assert_eq!(done.gone, gone);
    assert_eq!(done.sent + done.refused + done.gone, 30);
    assert_eq!(desk.open().await as u64, done.refused);
    assert_eq!(done.samples.len() as u64, done.refused);
    assert!(desk.sent().await.iter().all(|record| text(&record.value) == "changed"));
}

#[tokio::test]
async fn what_the_topic_does_not_take_stays_and_keeps_no_other_back() {
    let desk = desk().await;
    desk.put((0..30).map(row)).await;
    let job = desk.job(None, Some(10)).await;
    let watch = Watch {
        left: AtomicU64::new(u64::MAX),
        change: |letter| match letter.payload.as_deref() {
            Some(b"17") => Ok(Some(vec![b'x'; assay_log::MAX_RECORD_BYTES])),
            _ => Ok(None),
        },
    };
    let done = desk.work(job, &watch).await.unwrap();
    assert_eq!((done.sent, done.refused, done.there, done.twice), (29, 1, 0, None));
    assert!(done.samples[0].1.contains("more than the topic takes"), "{:?}", done.samples);
    assert_eq!((desk.open().await, desk.count().await), (1, 29));
}

#[tokio::test]
async fn a_letter_of_twenty_megabytes_is_kept_shown_and_sent() {
    let desk = desk().await;
    let large = Bytes::from(vec![b'7'; 20 << 20]);
    let letters = (0..20).map(row).chain([DeadLetter { payload: large.clone(), ..row(20) }]);
    desk.put(letters).await;
    let listed = desk.index.list(&LetterFilter::default(), 30, 100).await.unwrap();
    let letter = listed.iter().find(|letter| letter.payload_bytes > 100).unwrap();
    assert_eq!(letter.payload_bytes, 20 << 20);
    assert_eq!(letter.payload.as_ref().unwrap().len(), 100);
    let shown = desk.index.show(letter.id).await.unwrap().unwrap();
    assert_eq!(shown.letter.payload.as_ref(), Some(&large));
    let job = desk.job(None, None).await;
    let done = desk.work(job, &as_it_is()).await.unwrap();
    assert_eq!((done.sent, desk.open().await), (21, 0));
    assert!(desk.sent().await.iter().any(|record| record.value.as_ref() == Some(&large)));
}

#[tokio::test]
async fn a_letter_of_another_system_keeps_its_headers_and_is_parked_when_it_comes_back_again() {
    let desk = desk().await;
    desk.topic("orders-dlt", 1).await;
    let filter = LetterFilter { topics: vec!["orders-dlt".into()], ..LetterFilter::default() };
    for topic in ["orders-dlt", "dlq_failed_messages"] {
        let refused = desk.index.forward_to(topic, &filter).await;
        assert!(matches!(refused, Err(ForwardError::Loop(_))), "{topic}");
    }
    let header = |name: &str, value: &[u8]| (name.to_owned(), Bytes::copy_from_slice(value));
    let mut headers = vec![
        header("traceparent", b"00-1-2-01"),
        header("kafka_dlt-original-topic", b"orders"),
        header("kafka_dlt-exception-fqcn", b"com.shop.NoSuchAccount"),
    ];
    for round in 1..=3 {
        let value = Some(Bytes::from_static(b"\xff\x00"));
        let dead = NewRecord { value, headers: headers.clone(), ..NewRecord::default() };
        desk.log.append("orders-dlt", vec![dead]).await.unwrap();
        desk.index.take_in("orders-dlt", &|_| {}).await.unwrap();
        let job = desk.job(Some("orders-dlt"), None).await;
        let done = desk.work(job, &as_it_is()).await.unwrap();
        assert_eq!(done.sent, 1);
        let sent = desk.sent().await;
        assert_eq!(sent.len(), round);
        let last = sent.last().unwrap();
        assert_eq!(last.value.as_deref(), Some(&b"\xff\x00"[..]));
        assert_eq!(text(&last.header("assay.sends").cloned()), round.to_string());
        let names: Vec<&str> = last.headers.iter().map(|(name, _)| name.as_str()).collect();
        let ours = ["assay.letter", "assay.job", "assay.number", "assay.sends"];
        assert_eq!(names, [&["traceparent"][..], &ours[..]].concat());
        // Whoever reads it sets it aside anew, with all headers that it has.
        headers = last.headers.clone();
        headers.push(header("kafka_dlt-exception-fqcn", b"com.shop.NoSuchAccount"));
    }
    let dead = NewRecord { headers, ..NewRecord::default() };
    desk.log.append("orders-dlt", vec![dead]).await.unwrap();
    desk.index.take_in("orders-dlt", &|_| {}).await.unwrap();
    let job = desk.job(Some("orders-dlt"), None).await;
    let job = desk.index.store().replay(job).await.unwrap().unwrap();
    assert_eq!(job.letters, 0, "it went round often enough");
    let parked = desk.index.list(&filter, 10, 0).await.unwrap();
    assert_eq!(parked[0].reason, Some(crate::Reason::AttemptsExhausted));
    // By its id it may be sent once more, and not to where it lies.
    let filter = LetterFilter { ids: vec![parked[0].id.to_string()], ..LetterFilter::default() };
    let refused = desk.index.forward_to("orders-dlt", &filter).await;
    assert!(matches!(refused, Err(ForwardError::Loop(_))), "{refused:?}");
    assert!(desk.index.forward_to(TARGET, &filter).await.is_ok());
}

#[tokio::test]
async fn jobs_that_are_over_are_pruned_with_their_letters_and_others_stay() {
    let desk = desk().await;
    desk.put((0..3000).map(row)).await;
    let done = desk.job(None, None).await;
    desk.work(done, &as_it_is()).await.unwrap();
    let store = desk.index.store();
    let ended = (ReplayState::Complete, now() + TimeDelta::hours(1));
    assert!(store.leave_replay(done, Uuid::from_u128(1), ended, None).await.unwrap());
    desk.put((3000..3010).map(row)).await;
    let stopped = desk.job(None, Some(5)).await;
    let stops = Watch { left: AtomicU64::new(1), change: |_| Ok(None) };
    desk.work(stopped, &stops).await.unwrap_err();

    let end = now() + TimeDelta::days(1);
    let of_jobs = |pruned: Vec<Due>| -> Vec<(&str, u64, u64)> {
        let jobs = pruned.into_iter().filter(|due| due.rows + due.kept > 0);
        jobs.map(|due| (due.kind.name(), due.rows, due.kept)).collect()
    };
    let since = |jobs| KeptSince { reports: end, runs: end, lineage: end, jobs, audit: end };
    assert_eq!(store.replays_over(now()).await.unwrap().len(), 0);
    assert_eq!(of_jobs(store.prune(&since(now())).await.unwrap()), []);
    assert_eq!(store.replays_over(end).await.unwrap(), [done].into());
    let due = of_jobs(store.due(&since(end)).await.unwrap());
    assert_eq!(due, [("letters of jobs", 3000, 10), ("jobs of letters", 1, 1)]);
    assert_eq!(of_jobs(store.prune(&since(end)).await.unwrap()), due);
    assert_eq!(of_jobs(store.due(&since(end)).await.unwrap()).len(), 2, "what is kept");

    // What was sent stays sent, and the other job goes on.
    assert!(store.replay(done).await.unwrap().is_none());
    assert!(desk.index.letters_of(done).next(0, 10, 1 << 20).await.unwrap().is_empty());
    assert_eq!(desk.open().await, 5);
    desk.work(stopped, &as_it_is()).await.unwrap();
    assert_eq!((desk.open().await, desk.count().await), (0, 3010));
}
