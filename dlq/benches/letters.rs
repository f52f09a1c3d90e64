//! How fast letters are put, taken into the index and read for a replay, and how long questions
//! take of many of them: `./dev bench dlq [LETTERS]`.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on panics")]

use std::sync::Arc;
use std::time::Instant;

use assay_core::{DraftId, RunId, StageId, SystemClock};
use assay_dlq::{
    Asked, DeadLetter, DeadLetterQueue, Index, LetterId, Letters, LogQueue, Origin, PayloadKind,
    Reason,
};
use assay_log::{EmbeddedLog, Log};
use assay_store::{LetterFilter, ReplayOptions, Store};
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
    let file = folder.path().join("log.db");
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap());
    let queue = Arc::new(LogQueue::open(log).await.unwrap());
    let store = Arc::new(Store::open(&folder.path().join("store.db")).await.unwrap());
    let index = Index::new(Arc::clone(&queue), Arc::clone(&store));

    let begun = Instant::now();
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
    let begun = Instant::now();
    let caught = index.catch_up(&|_| {}).await.unwrap();
    rate("taken into the index", caught.read, begun);

    let all = LetterFilter::default();
    let rule = LetterFilter { rule: Some("size.range".to_owned()), ..all.clone() };
    let stage = LetterFilter { stage: Some("shop/other".to_owned()), ..all.clone() };
    for (name, filter) in [("all", &all), ("a rule", &rule), ("a stage without any", &stage)] {
        let begun = Instant::now();
        let listed = index.list(filter, 20, 0).await.unwrap().len();
        took(&format!("list 20 of {name} ({listed} found)"), begun);
        let begun = Instant::now();
        let groups = index.groups(filter, 20).await.unwrap().len();
        took(&format!("groups of {name} ({groups} found)"), begun);
    }
    let begun = Instant::now();
    index.topics(DateTime::UNIX_EPOCH).await.unwrap();
    took("topics", begun);

    let begun = Instant::now();
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
    let (begun, set, mut at) = (Instant::now(), index.letters_of(job.id), 0);
    loop {
        let sent = set.next(at, 1000, 8 << 20).await.unwrap();
        let Some(last) = sent.last() else { break };
        at = last.number + 1;
    }
    rate("read for a replay", at, begun);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("peak of memory: {}", peak.trim_start_matches("VmHWM:").trim());
}

fn rate(what: &str, letters: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{letters} letters {what} in {seconds:.2} s: {:.0} a second",
        letters as f64 / seconds
    );
}

fn took(what: &str, begun: Instant) {
    println!("{what}: {:.0} ms", begun.elapsed().as_secs_f64() * 1000.0);
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
