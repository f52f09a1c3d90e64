//! How fast letters are put, taken into the index and read for a replay, and how long questions
//! take of many of them: `./dev bench dlq [LETTERS] [--kafka HOST:PORT]`.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on panics")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use assay_core::{DraftId, RunId, StageId, SystemClock};
use assay_dlq::{
    Asked, DeadLetter, DeadLetterQueue, Forward, Forwarded, Forwarding, Index, LetterId,
    LetterView, Letters, LogQueue, Origin, PayloadKind, Reason,
};
use assay_log::{EmbeddedLog, KafkaLog, KafkaSettings, Log, TopicSpec};
use assay_store::{LetterFilter, ReplayOptions, Store};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Letters of one draft.
const BATCH: u64 = 50_000;

#[tokio::main]
async fn main() {
    let many = std::env::args().filter_map(|text| text.parse().ok()).next();
    let many: u64 = many.unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await;
    let queue = Arc::new(LogQueue::new(Arc::clone(&log)));
    let store = Arc::new(Store::open(&folder.path().join("store.db")).await.unwrap());
    let index = Index::new(Arc::clone(&queue), Arc::clone(&store));

    let begun = Begun::now();
    for first in (0..many).step_by(usize::try_from(BATCH).unwrap()) {
        let mut bag = Letters::new(folder.path());
        for number in first..many.min(first + BATCH) {
            bag.push(letter(number)).unwrap();
        }
        let draft = DraftId(Uuid::from_u128(u128::from(first) + 1));
        queue.put(&mut bag, Some(draft)).await.unwrap();
        queue.mark_committed(draft, &["dlq_processing_errors"]).await.unwrap();
    }
    rate("put", many, begun);
    let begun = Begun::now();
    let caught = index.catch_up(&|_| {}).await.unwrap();
    rate("taken into the index", caught.read, begun);

    let all = LetterFilter::default();
    let rule = LetterFilter { rule: Some("size.range".to_owned()), ..all.clone() };
    let stage = LetterFilter { stage: Some("shop/other".to_owned()), ..all.clone() };
    for (name, filter) in [("all", &all), ("a rule", &rule), ("a stage without any", &stage)] {
        let begun = Begun::now();
        let listed = index.list(filter, 20, 0).await.unwrap().len();
        took(&format!("list 20 of {name} ({listed} found)"), begun);
        let begun = Begun::now();
        let groups = index.groups(filter, 20).await.unwrap().len();
        took(&format!("groups of {name} ({groups} found)"), begun);
    }
    let begun = Begun::now();
    index.topics(DateTime::UNIX_EPOCH).await.unwrap();
    took("topics", begun);

    let begun = Begun::now();
    let asked = Asked {
        stage: StageId { pipeline: "shop".to_owned(), stage: "sell".to_owned() },
        letters: all,
        limit: None,
        options: ReplayOptions::default(),
        dry: false,
        who: "bench".to_owned(),
        reason: String::new(),
    };
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(30_000);
    let job = index.start(&asked, Uuid::from_u128(1), now, None).await.unwrap();
    rate("put into a job", job.letters, begun);
    let (begun, set, mut at) = (Begun::now(), index.letters_of(job.id), 0);
    loop {
        let sent = set.next(at, 1000, 8 << 20).await.unwrap();
        let Some(last) = sent.last() else { break };
        at = last.number + 1;
    }
    rate("read for a replay", at, begun);
    forward(&log, &index, &store).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("peak of memory: {}", peak.trim_start_matches("VmHWM:").trim());
}

/// Our own log, or a broker that has no letters yet: `--kafka HOST:PORT`.
async fn open(folder: &Path) -> Arc<dyn Log> {
    let mut arguments = std::env::args().skip_while(|text| text != "--kafka").skip(1);
    let Some(broker) = arguments.next() else {
        let file = folder.join("log.db");
        return Arc::new(EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap());
    };
    let brokers = format!("kafka://{broker}").parse().unwrap();
    let settings = KafkaSettings { brokers, sasl: None, tls: None };
    Arc::new(KafkaLog::open(&settings, &SystemClock).unwrap())
}

/// Sends all letters of the job to a topic, and takes in that they are closed.
async fn forward(log: &Arc<dyn Log>, index: &Index, store: &Store) {
    let spec = TopicSpec { name: "orders".to_owned(), partitions: 3, retention: None };
    log.create(&spec).await.unwrap();
    let job = store.replays(1).await.unwrap().pop().unwrap();
    let to = index.forward_to("orders", &LetterFilter::default()).await.unwrap();
    let forward = Forward { index, job: &job, to: &to, clock: &SystemClock };
    let begun = Begun::now();
    let done = forward.send(&OnAndOn).await.unwrap();
    rate("replayed to a topic", done.sent, begun);
    let begun = Begun::now();
    let caught = index.catch_up(&|_| {}).await.unwrap();
    assert!(caught.read > 0);
    rate("closed in the index", done.sent, begun);
}

struct OnAndOn;

#[async_trait]
impl Forwarding for OnAndOn {
    async fn goes_on(&self, _: &Forwarded) -> bool {
        true
    }

    fn changed(&self, _: &LetterView) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// When a step began, on the wall and on the processors.
struct Begun {
    at: Instant,
    processors: f64,
}

impl Begun {
    fn now() -> Begun {
        Begun { at: Instant::now(), processors: processors() }
    }
}

/// Seconds of the processors that this process has used.
fn processors() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn rate(what: &str, letters: u64, begun: Begun) {
    let (seconds, used) = (begun.at.elapsed().as_secs_f64(), processors() - begun.processors);
    let (wall, each) = (letters as f64 / seconds, 1e6 * used / letters as f64);
    println!("{letters:>9} {what:28} {seconds:7.2} s {wall:>9.0} a second {each:6.1} CPU µs each");
}

fn took(what: &str, begun: Begun) {
    println!("{what}: {:.0} ms", begun.at.elapsed().as_secs_f64() * 1000.0);
}

fn letter(number: u64) -> DeadLetter {
    let stage = StageId { pipeline: "shop".to_owned(), stage: "sell".to_owned() };
    let origin = Origin(format!("trace-{number}"));
    let rule =
        ["amount.range", "size.range", "city.not_null"][usize::try_from(number % 3).unwrap()];
    let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(number / 1000).unwrap());
    DeadLetter {
        id: LetterId::of(&stage, &origin),
        attempt: 1,
        stage,
        dataset: "silver.sales".parse().unwrap(),
        source: None,
        origin,
        run: RunId(Uuid::from_u128(7)),
        reason: Reason::RuleBroken,
        rules: vec![rule.to_owned()],
        detail: format!("broke {rule} of silver.sales"),
        contract: Some("1.0.0".to_owned()),
        payload: Bytes::from(format!(
            "{{\"no\":{number},\"city\":\"Rome\",\"text\":\"{:0>150}\"}}",
            ""
        )),
        payload_kind: PayloadKind::Json,
        key: None,
        failed_at: at,
        first_failed_at: at,
        count: 1,
        sensitive: vec![],
    }
}
