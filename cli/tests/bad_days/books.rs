//! What the store says of runs, batches and totals, and whether these agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_core::{Counts, RunStatus, SystemClock};
use assay_dlq::{Filter, LogQueue};
use assay_log::EmbeddedLog;
use assay_store::{Event, EventKind, ReportRecord, RunFilter, RunRecord, Store, Total};
use chrono::TimeDelta;

use crate::office::{Office, PIPELINE};

pub(crate) struct Books {
    pub(crate) runs: Vec<RunRecord>,
    pub(crate) reports: Vec<ReportRecord>,
    pub(crate) events: Vec<Event>,
    totals: Vec<Total>,
}

impl Books {
    pub(crate) fn of(office: &Office) -> Books {
        with_store(office, async |store| Books {
            runs: store.runs(&RunFilter { limit: u32::MAX, ..RunFilter::default() }).await.unwrap(),
            reports: store.reports(None, u32::MAX).await.unwrap(),
            events: store.events(None, u32::MAX).await.unwrap(),
            totals: store.totals().await.unwrap(),
        })
    }

    /// Runs of `stage` that ended well.
    pub(crate) fn complete(&self, stage: &str) -> usize {
        let complete =
            |run: &&RunRecord| run.run.stage.stage == stage && run.status == RunStatus::Complete;
        self.runs.iter().filter(complete).count()
    }

    /// Every run has its start, its end and its batches, and every total is the sum of what it
    /// counts.
    pub(crate) fn must_agree(&self) {
        for run in &self.runs {
            self.run_must_agree(run);
        }
        let mut wanted: BTreeMap<(String, String), f64> = BTreeMap::new();
        let mut count = |name: &str, of: String, by: u64| {
            *wanted.entry((name.to_owned(), of)).or_default() += by as f64;
        };
        for run in &self.runs {
            let (stage, status) = (&run.run.stage.stage, run.status);
            count("job_duration_seconds_count", format!("{stage} {status}"), 1);
            if stage == "ingest" && run.ended_at.is_some() && run.status == RunStatus::Complete {
                count("records_processed_total", stage.clone(), run.counts.written);
                count("records_failed_total", stage.clone(), run.counts.rejected);
            }
        }
        for record in &self.reports {
            let (stage, counts) = (&record.report.run.stage.stage, &record.report.counts);
            count("records_processed_total", stage.clone(), counts.written);
            count("records_failed_total", stage.clone(), counts.rejected);
        }
        let mut found: BTreeMap<(String, String), f64> = BTreeMap::new();
        for total in self.totals.iter().filter(|total| wanted.keys().any(|(n, _)| *n == total.name))
        {
            let label = |name: &str| total.labels.get(name).cloned();
            let of: Vec<_> = [label("stage"), label("status")].into_iter().flatten().collect();
            found.insert((total.name.clone(), of.join(" ")), total.value);
        }
        assert_eq!(found, wanted, "the totals are the sums of runs and reports");
    }

    fn run_must_agree(&self, run: &RunRecord) {
        let id = run.run.id;
        assert_ne!(run.status, RunStatus::Running, "{run:?} was never closed");
        let told = |kind| self.events.iter().filter(|e| e.run == id && e.kind == kind).count();
        assert_eq!(told(EventKind::JobStart), 1, "starts told of {run:?}");
        assert_eq!(told(EventKind::JobEnd), 1, "ends told of {run:?}");
        if run.run.stage.stage == "ingest" {
            return;
        }
        let mine = || self.reports.iter().filter(|record| record.report.run.id == id);
        let mut counts = Counts::default();
        mine().for_each(|record| counts.add(&record.report.counts));
        assert_eq!((run.batches, run.counts), (mine().count() as u64, counts), "sums of {run:?}");
        let batches = told(EventKind::Ingestion) + told(EventKind::Transformation);
        assert_eq!(batches as u64, run.batches, "batches told of {run:?}");
        // One that follows has no last batch: without a word at its end it was not complete.
        if run.batches > 0 && !run.run.following {
            assert_eq!(run.status, RunStatus::Complete, "{run:?} committed");
        }
    }
}

/// Lets a minute pass for every run that never said how it ended, and closes their books as the
/// next commands would.
pub(crate) fn a_minute_later(office: &Office) {
    let books = let_a_minute_pass(office);
    office.start_run().fine();
    if books.runs.iter().any(|run| run.run.stage.stage == "ingest") {
        let empty = office.data().with_extension("empty.jsonl");
        std::fs::write(&empty, "").unwrap();
        office.assay(&["ingest", PIPELINE, "--file", empty.to_str().unwrap()]);
    }
}

/// Lets a minute pass for every run that never said how it ended; returns the books before.
pub(crate) fn let_a_minute_pass(office: &Office) -> Books {
    let books = Books::of(office);
    with_store(office, async |store| {
        for run in books.runs.iter().filter(|run| run.status == RunStatus::Running) {
            let then = run.heartbeat_at - TimeDelta::minutes(2);
            assert!(store.heartbeat(run.run.id, then).await.unwrap());
        }
    });
    books
}

/// Letters that were put by batches that were never committed.
pub(crate) fn void_letters(office: &Office) -> usize {
    waiting(async {
        let log = EmbeddedLog::open(&office.data().join("log.db"), Arc::new(SystemClock)).await;
        let queue = LogQueue::new(Arc::new(log.unwrap()));
        let all = Filter { include_void: true, limit: usize::MAX, ..Filter::default() };
        let letters = queue.list(&all).await.unwrap();
        letters.iter().filter(|letter| letter.void).count()
    })
}

fn waiting<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

fn with_store<T>(office: &Office, what: impl AsyncFnOnce(&Store) -> T) -> T {
    waiting(async {
        let store = Store::open(&office.data().join("store.db")).await.unwrap();
        let answer = what(&store).await;
        store.close().await;
        answer
    })
}
