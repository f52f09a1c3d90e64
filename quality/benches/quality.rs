//! Judges a Parquet file by a contract, as a process of its own that `bench/quality.py` measures.
//!
//! `quality FILE CONTRACT DATASET [COPIES]` prints the score and what each rule found as JSON. With
//! COPIES every row rule stands so many times in the contract, each a little different, to see what more
//! rules cost.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on panics")]

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use arrow::datatypes::Schema;
use assay_core::{Check, Clock, Contract, SystemClock};
use assay_quality::{BatchFacts, Facts, Suite, Tally};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS_PER_CHUNK: usize = 8192;

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let [file, contract, dataset, more @ ..] = arguments.as_slice() else {
        return println!("give a Parquet file, a contract and the name of the dataset");
    };
    let begun = Instant::now();
    let text = std::fs::read_to_string(contract).unwrap();
    let mut contract = Contract::parse(contract, &text, &dataset.parse().unwrap()).unwrap();
    multiply(&mut contract, more.first().map_or(1, |copies| copies.parse().unwrap()));
    let metadata =
        ArrowReaderMetadata::load(&File::open(file).unwrap(), Default::default()).unwrap();
    let schema: &Schema = metadata.schema();
    let suite = Suite::compile(&contract, schema).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let spool = tempfile::tempdir().unwrap();
    let (tally, bad) = judge(file, &metadata, &suite, spool.path());
    let now = SystemClock.now();
    let facts = BatchFacts { now, empty: false, read: tally.rows(), rejected: 0, breaker: None };
    let quality = suite.report(&tally, &facts).unwrap();
    let failed = quality.rules.iter().map(|rule| (rule.rule.clone(), rule.failed.into()));
    let failed: serde_json::Map<String, serde_json::Value> = failed.collect();
    println!(
        "{}",
        serde_json::json!({
            "rows": quality.rows, "bad": bad, "score": quality.score, "rules": quality.rules.len(),
            "masks": tally.masks().count(), "seconds": begun.elapsed().as_secs_f64(),
            "failed": failed,
        })
    );
}

/// Lets every rule about rows stand so many times, each time with a bound, value, pattern or term
/// of its own that no row of the bench meets: it finds the same, and can't share the work.
fn multiply(contract: &mut Contract, copies: usize) {
    let rows: Vec<_> = contract.rules.iter().filter(|rule| rule.check.of_rows()).cloned().collect();
    for copy in 1..copies {
        contract.rules.extend(rows.iter().cloned().map(|mut rule| {
            rule.name = format!("{}_{copy}", rule.name);
            vary(&mut rule.check, copy);
            rule
        }));
    }
}

fn vary(check: &mut Check, copy: usize) {
    match check {
        Check::Between { max: Some(max), .. } => {
            let value = max.value.as_i64().unwrap_or_default();
            max.value = (value + copy as i64 * 1000).into();
        }
        Check::Between { min: Some(min), .. } => {
            min.value = format!("2019-01-{:02}T00:00:00Z", copy % 28 + 1).into();
        }
        Check::OneOf { values, .. } => values.push(format!("x{copy}").into()),
        Check::Matches { pattern, .. } => *pattern = format!("{pattern}|^{copy}$"),
        Check::Holds { expression } => {
            *expression = format!("({expression}) OR quantity = -{copy}")
        }
        _ => {}
    }
}

/// Row groups are taken by as many threads as there are processors; what they find is merged.
fn judge(
    file: &str,
    metadata: &ArrowReaderMetadata,
    suite: &Suite,
    spool: &Path,
) -> (Tally, usize) {
    let groups = metadata.metadata().num_row_groups();
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut tally, mut bad) = (Tally::new(spool), 0);
        loop {
            let group = next.fetch_add(1, Ordering::Relaxed);
            if group >= groups {
                return (tally, bad);
            }
            let open = File::open(file).unwrap();
            let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(open, metadata.clone())
                .with_row_groups(vec![group])
                .with_batch_size(ROWS_PER_CHUNK)
                .build()
                .unwrap();
            for rows in rows {
                let rows = rows.unwrap();
                let judged = suite.judge(&rows, &Facts::default());
                // Every row that is bad has its reasons here.
                bad += judged.bad.iter().filter(|bad| !suite.names(&bad.mask).is_empty()).count();
                tally.merge(judged.tally).unwrap();
                suite.observe(&rows, &mut tally).unwrap();
            }
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(groups);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).fold(
            (Tally::new(spool), 0),
            |(mut all, many), (tally, bad)| {
                all.merge(tally).unwrap();
                (all, many + bad)
            },
        )
    })
}
