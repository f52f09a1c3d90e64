//! A writer that commits every five seconds for a simulated week, with a compaction each hour:
//! what a commit costs at the beginning, in the middle and at the end, and what is on disk then.
//! `CPU ms` is the mean of all commits since the line before, without compactions.
//!
//! `./dev bench upkeep [COMMITS]`; the files are put below `TMPDIR`.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on panics")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use assay_core::{
    Clock, Counts, DatasetName, DraftId, Evaluated, Governed, Ids, Mark, Position, ReaderId,
    Report, Run, RunId, Slice, StageId,
};
use assay_pipeline::{
    Closing, Compact, DraftOf, Folder, Lake, LakeTarget, Pipeline, Query, TableSpec, Target, Write,
};
use assay_quality::KeySet;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Commits of a week, one every five seconds.
const WEEK: u64 = 120_960;
const EVERY: TimeDelta = TimeDelta::seconds(5);
const COMMITS_PER_HOUR: u64 = 720;
const ROWS_PER_COMMIT: usize = 20;

/// Commits of which the costs are shown together.
const WINDOW: usize = 1000;

struct ManualClock(Mutex<DateTime<Utc>>);

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn next(&self) -> Uuid {
        // Spread as random ids are, since snapshots are named by them.
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes())
    }
}

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let commits = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(WEEK);
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path()).await;
    println!("{commits} commits of {ROWS_PER_COMMIT} rows in {}", folder.path().display());
    println!(
        "{:>8} {:>7} {:>10} {:>8} {:>9} {:>9} {:>10} {:>10} {:>9} {:>8}",
        "commits",
        "CPU ms",
        "median ms",
        "p99 ms",
        "plan ms",
        "snapshots",
        "manifests",
        "metadata",
        "on disk",
        "live"
    );
    let (mut times, mut compactions) = (Vec::new(), Vec::new());
    let (began, show) = (Instant::now(), shown(commits));
    let (mut cpu, mut costs) = (processor(), Vec::new());
    for number in 1..=commits {
        times.push(bench.commit(number).await);
        *bench.clock.0.lock().unwrap() += EVERY;
        if number % COMMITS_PER_HOUR == 0 {
            let spent = processor();
            compactions.push(bench.compact().await);
            costs.push(processor() - spent);
            cpu += costs.last().unwrap();
        }
        if show.contains(&number) {
            let since = show.iter().filter(|shown| **shown < number).max().unwrap_or(&0);
            #[allow(clippy::cast_precision_loss, reason = "a number of commits")]
            let each = (processor() - cpu) / (number - since) as f64;
            bench.show(number, each, &times[times.len().saturating_sub(WINDOW)..]).await;
            cpu = processor();
        } else if number % 5000 == 0 {
            eprintln!("  {number} of {commits}, {:.0?}", began.elapsed());
        }
    }
    if !compactions.is_empty() {
        let (median, most) = (quantile(&compactions, 0.5), quantile(&compactions, 1.0));
        let cpu = quantile(&costs, 0.5);
        let count = compactions.len();
        println!("{count} compactions: median {median:.0} ms ({cpu:.0} CPU), longest {most:.0} ms");
    }
}

/// The beginning, the middle and the end, and a look at how it got there.
fn shown(commits: u64) -> Vec<u64> {
    let parts = [1, 2, 4, 8, 16].map(|part| commits / part);
    parts.into_iter().chain([WINDOW as u64]).filter(|number| *number > 0).collect()
}

struct Bench {
    lake: Arc<Lake>,
    spec: Arc<TableSpec>,
    target: LakeTarget,
    clock: Arc<ManualClock>,
    ids: CountingIds,
    reader: ReaderId,
}

impl Bench {
    async fn open(folder: &Path) -> Bench {
        let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop");
        let pipeline = Pipeline::load(&Folder::Disk(pipeline)).unwrap();
        let dataset: DatasetName = "silver.sales".parse().unwrap();
        let spec = Arc::clone(&pipeline.tables[&dataset]);
        let clock = Arc::new(ManualClock(Mutex::new("2100-01-01T00:00:00Z".parse().unwrap())));
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let lake = Lake::open(&folder.join("lake"), folder, 64 << 20, time).await.unwrap();
        let lake = Arc::new(lake);
        let target = LakeTarget::new(Arc::clone(&lake), Arc::clone(&spec));
        target.prepare().await.unwrap();
        let reader = ReaderId("shop/sell".to_owned());
        Bench { lake, spec, target, clock, ids: CountingIds::default(), reader }
    }

    /// Writes and commits a few rows, and follows the commit as telling does; milliseconds.
    async fn commit(&self, number: u64) -> f64 {
        let rows = self.rows(number);
        let began = Instant::now();
        let from = self.target.position(&self.reader).await.unwrap();
        let id = DraftId(self.ids.next());
        let of = DraftOf {
            id,
            reader: &self.reader,
            from: &from,
            key: &[],
            also: &[],
            event_time: None,
            begun_at: self.clock.now(),
        };
        let mut draft = self.target.draft(of, Write::Append).await.unwrap();
        draft.write(&self.spec.dataset, rows).await.unwrap();
        let mark = Mark { at: number, draft: Some(id), ..Mark::default() };
        let upto = Position([(Slice::from_name("shop_orders/0"), mark)].into());
        let report = self.report(id, &from, &upto, draft.written());
        let keys = KeySet::default();
        let closing = Closing { upto: &upto, report: &report, keys: &keys };
        let commit = draft.commit(closing).await.unwrap();
        let told = self.target.commits(Some(commit.sequence - 1)).await.unwrap();
        let spent = milliseconds(began.elapsed());
        assert_eq!(told.len(), 1);
        spent
    }

    async fn compact(&self) -> f64 {
        let began = Instant::now();
        let what = Compact::default();
        self.lake.compact(&self.spec.dataset, &what, &self.ids).await.unwrap();
        milliseconds(began.elapsed())
    }

    fn rows(&self, number: u64) -> RecordBatch {
        let day = i32::try_from((self.clock.now() - DateTime::UNIX_EPOCH).num_days()).unwrap();
        let first = i64::try_from(number).unwrap() * ROWS_PER_COMMIT as i64;
        let numbers = || first..first + ROWS_PER_COMMIT as i64;
        let column = |name: &str| -> ArrayRef {
            match name {
                "order_no" => {
                    Arc::new(StringArray::from_iter_values(numbers().map(|no| no.to_string())))
                }
                "city" => Arc::new(StringArray::from_iter_values(numbers().map(|_| "rome"))),
                "sold_on" => Arc::new(Date32Array::from_iter_values(numbers().map(|_| day))),
                _ => Arc::new(Int64Array::from_iter_values(numbers())),
            }
        };
        let names = ["order_no", "buyer", "city", "amount", "share", "sold_on"];
        RecordBatch::try_from_iter(names.map(|name| (name, column(name)))).unwrap()
    }

    fn report(&self, draft: DraftId, from: &Position, upto: &Position, written: u64) -> Report {
        let stage = StageId { pipeline: "shop".to_owned(), stage: "sell".to_owned() };
        let started_at = self.clock.now();
        Report {
            run: Run {
                id: RunId(draft.0),
                stage,
                started_at,
                governed: Governed::ALL,
                following: false,
            },
            draft,
            judged_at: started_at,
            inputs: vec![],
            output: self.spec.dataset.clone(),
            columns: vec![],
            contract: Some(self.spec.contract.reference()),
            counts: Counts { read: written, written, ..Counts::default() },
            rows_out: None,
            rejected_by: Default::default(),
            letters: Default::default(),
            quality: Evaluated::NotEvaluated,
            from: from.clone(),
            upto: upto.clone(),
            accepted_at: None,
            recomputed: None,
            closed: Default::default(),
            remembered: None,
            trace: None,
            windows: Vec::new(),
        }
    }

    async fn show(&self, number: u64, cpu: f64, times: &[f64]) {
        let dataset = &self.spec.dataset;
        let began = Instant::now();
        let mut query =
            Query::open(&self.lake, "SELECT count(*) FROM silver.sales", None).await.unwrap();
        while query.next().await.unwrap().is_some() {}
        let planned = milliseconds(began.elapsed());
        let table = self.lake.existing(dataset).await.unwrap();
        let current = table.metadata().current_snapshot().unwrap().clone();
        let manifests = table.manifest_list_reader(&current).load().await.unwrap().entries().len();
        let info = self.lake.info(dataset).await.unwrap();
        assert_eq!(info.rows, number * ROWS_PER_COMMIT as u64);
        let place = self.lake.location(dataset);
        println!(
            "{number:>8} {cpu:>7.1} {:>10.1} {:>8.1} {planned:>9.1} {:>9} {manifests:>10} {:>10} {:>9} {:>8}",
            quantile(times, 0.5),
            quantile(times, 0.99),
            info.snapshots.len(),
            files(&place.join("metadata")),
            files(&place.join("data")),
            info.files,
        );
    }
}

fn milliseconds(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e3
}

/// Milliseconds of processors that this process has used, in steps of ten, as Linux tells; elsewhere
/// nobody does. Unlike the time on the wall it does not depend on what else the machine has to do.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn quantile(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place among a few thousand"
    )]
    let place = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[place]
}

fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}
