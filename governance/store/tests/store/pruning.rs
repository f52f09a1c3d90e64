use std::collections::BTreeMap;

use assay_core::{Counts, Evaluated, RunStatus};
use assay_store::{Action, AuditEntry, AuditFilter, Due, KeptSince, Kind, RunFilter, Store};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use serde_json::json;

use crate::sample::{at, dataset, end, processed, report, run, store, telling};

/// Everything before `seconds` may go.
fn since(seconds: i64) -> KeptSince {
    let at = at(seconds);
    KeptSince { reports: at, runs: at, lineage: at, jobs: at, audit: at }
}

fn of(all: &[Due], kind: Kind) -> (u64, u64) {
    let due = all.iter().find(|due| due.kind == kind).unwrap();
    (due.rows, due.kept)
}

async fn prune(store: &Store, since: &KeptSince) -> BTreeMap<&'static str, (u64, u64)> {
    let due = store.due(since).await.unwrap();
    let done = store.prune(since).await.unwrap();
    assert_eq!(due, done, "what is deleted is what was due");
    done.iter().map(|due| (due.kind.name(), (due.rows, due.kept))).collect()
}

#[tokio::test]
async fn what_is_old_goes_and_the_last_of_everything_stays() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    for sequence in 1..=5 {
        store.tell(&telling(&run, sequence)).await.unwrap();
    }
    let entry = |seconds| AuditEntry {
        at: at(seconds),
        who: "vera".into(),
        action: Action::Prune,
        subject: "retention".into(),
        reason: String::new(),
        details: json!({}),
    };
    store.record(&entry(1)).await.unwrap();
    store.record(&entry(8)).await.unwrap();

    let all = prune(&store, &since(4)).await;
    assert_eq!(all["reports"], (3, 0));
    assert_eq!(all["lineage events"], (3, 0));
    assert_eq!((all["lineage edges"], all["audit entries"]), ((0, 0), (1, 0)));
    let due = store.due(&since(1000)).await.unwrap();
    assert_eq!((of(&due, Kind::Reports), of(&due, Kind::Edges)), ((1, 1), (0, 1)));
    let reports = due.iter().find(|due| due.kind == Kind::Reports).unwrap();
    assert_eq!(reports.oldest, Some(at(4)));
    assert!(reports.bytes > 500, "{reports:?}");

    prune(&store, &since(1000)).await;
    assert_eq!(store.reports(None, 10).await.unwrap()[0].report, report(&run, 5, 5));
    assert_eq!(store.edges().await.unwrap().len(), 1);
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap(), []);
    assert_eq!(prune(&store, &since(1000)).await["reports"], (0, 1));
}

#[tokio::test]
async fn what_was_pruned_is_neither_told_nor_counted_again() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    for sequence in 1..=5 {
        store.tell(&telling(&run, sequence)).await.unwrap();
    }
    prune(&store, &since(4)).await;
    let silver = dataset("silver.github_events");
    assert_eq!(store.told(&silver).await.unwrap().unwrap().sequence, 5);
    assert!(!store.tell(&telling(&run, 2)).await.unwrap());

    // The mark is lost: everything is told from the start.
    store.forget(&silver).await.unwrap();
    for sequence in 1..=5 {
        assert!(!store.tell(&telling(&run, sequence)).await.unwrap(), "{sequence}");
    }
    assert_eq!(store.told(&silver).await.unwrap().unwrap().sequence, 5);
    assert_eq!(processed(&store).await, 9.0 * 5.0);
    assert_eq!(store.reports(None, 10).await.unwrap().len(), 2);
    assert!(store.tell(&telling(&run, 6)).await.unwrap());
    assert_eq!(processed(&store).await, 9.0 * 6.0);
}

#[tokio::test]
async fn a_run_that_goes_on_keeps_the_counts_of_reports_that_went() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    store.start_run(&run, at(0), &[], &[]).await.unwrap();
    for sequence in 1..=5 {
        store.tell(&telling(&run, sequence)).await.unwrap();
    }
    let before = store.run(run.id).await.unwrap().unwrap();
    let five = Counts { read: 50, written: 45, rejected: 5, ..Counts::default() };
    assert_eq!((before.batches, before.counts), (5, five));

    prune(&store, &since(3)).await;
    assert_eq!(store.run(run.id).await.unwrap().unwrap(), before);
    prune(&store, &since(1000)).await;
    assert_eq!(store.run(run.id).await.unwrap().unwrap(), before);
}

#[tokio::test]
async fn the_last_judged_report_and_the_last_commit_of_a_dataset_stay() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    // Judged and committed; committed and not judged; halted without a score.
    store.tell(&telling(&run, 1)).await.unwrap();
    store.tell(&telling(&run, 2)).await.unwrap();
    let mut unjudged = telling(&run, 3);
    unjudged.report.quality = Evaluated::NotEvaluated;
    store.tell(&unjudged).await.unwrap();
    for draft in [4, 5] {
        let mut halted = report(&run, draft, draft.cast_signed());
        halted.quality = Evaluated::NotEvaluated;
        store.halted(&halted, &[], &[]).await.unwrap();
    }
    let judged = store.latest_judged().await.unwrap();
    let commits = store.last_commits().await.unwrap();
    assert_eq!(commits, BTreeMap::from([(dataset("silver.github_events"), at(3))]));

    assert_eq!(prune(&store, &since(1000)).await["reports"], (2, 3));
    assert_eq!(store.latest_judged().await.unwrap(), judged);
    assert_eq!(store.last_commits().await.unwrap(), commits);
    assert_eq!(store.latest_reports().await.unwrap()[0].report.draft, report(&run, 5, 5).draft);
}

#[tokio::test]
async fn an_open_halt_can_be_accepted_however_old_it_is() {
    let (_folder, store) = store().await;
    let (parse, enrich) = (run(1, "parse"), run(2, "enrich"));
    store.halted(&report(&parse, 1, 1), &[], &[]).await.unwrap();
    store.halted(&report(&parse, 2, 2), &[], &[]).await.unwrap();
    store.tell(&telling(&enrich, 3)).await.unwrap();

    assert_eq!(prune(&store, &since(1000)).await["reports"], (1, 2));
    let halt = store.halt(report(&parse, 2, 2).draft).await.unwrap();
    assert_eq!(halt.unwrap().report, report(&parse, 2, 2));
    assert_eq!(store.halt(report(&parse, 1, 1).draft).await.unwrap(), None);

    store.tell(&telling(&parse, 9)).await.unwrap();
    assert_eq!(prune(&store, &since(9)).await["reports"], (2, 0));
}

#[tokio::test]
async fn of_runs_the_last_of_a_stage_the_last_complete_and_those_that_run_stay() {
    let (_folder, store) = store().await;
    let ended = async |number, status, seconds| {
        let mut end = end(&run(number, "parse"), status);
        end.ended_at = at(seconds);
        store.end_run(&end, &[], &[]).await.unwrap();
    };
    ended(1, RunStatus::Complete, 10).await;
    ended(2, RunStatus::Complete, 20).await;
    ended(3, RunStatus::Failed, 30).await;
    store.start_run(&run(4, "parse"), at(35), &[], &[]).await.unwrap();
    ended(5, RunStatus::Failed, 40).await;
    ended(6, RunStatus::Failed, 50).await;
    let (health, latest) = (store.health(at(0)).await.unwrap(), store.latest_runs().await.unwrap());

    assert_eq!(prune(&store, &since(45)).await["runs"], (3, 2));
    let left = store.runs(&RunFilter::default()).await.unwrap();
    let left: Vec<u64> = left.iter().map(|record| record.run.id.0.as_u64_pair().1).collect();
    assert_eq!(left, [6, 4, 2]);
    assert_eq!(store.latest_runs().await.unwrap(), latest);
    let after = store.health(at(0)).await.unwrap();
    assert_eq!(after[0].last_complete_at, health[0].last_complete_at);
}

#[tokio::test]
async fn a_file_that_was_read_long_ago_leaves_the_lineage_and_the_last_one_stays() {
    let (_folder, store) = store().await;
    let run = run(1, "ingest");
    for sequence in 1..=3 {
        let mut telling = telling(&run, sequence);
        telling.events[0].inputs = vec![format!("file:{sequence}")];
        store.tell(&telling).await.unwrap();
    }
    assert_eq!(prune(&store, &since(1000)).await["lineage edges"], (2, 1));
    assert_eq!(store.edges().await.unwrap()[0].input, "file:3");
}

#[tokio::test]
async fn more_than_one_transaction_takes_goes_all_the_same_and_the_file_shrinks() {
    let (home, store) = store().await;
    let run = run(1, "parse");
    let events: Vec<_> = (0..9000_u64)
        .map(|number| {
            let mut event = crate::sample::event(number, &run, assay_store::EventKind::JobStart, 1);
            event.body = json!({"text": "x".repeat(400)});
            event
        })
        .collect();
    store.start_run(&run, at(0), &events, &[]).await.unwrap();
    assert_eq!(store.reclaim().await.unwrap(), 0);
    let size = || std::fs::metadata(store.place()).map_or(0, |file| file.len());
    let full = size();

    assert_eq!(prune(&store, &since(2)).await["lineage events"], (9000, 0));
    let given_back = store.reclaim().await.unwrap();
    assert!(given_back > 3_000_000 || !home.is_file(), "{given_back}");
    assert_eq!(store.reclaim().await.unwrap(), 0);
    let left = size();
    assert!(left < 500_000, "{full} became {left}");
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_takes_too_much_lets_the_oldest_go_until_it_fits() {
    let (home, store) = store().await;
    let run = run(1, "parse");
    let take = async |sequences: std::ops::RangeInclusive<u64>| {
        for sequence in sequences {
            let mut telling = telling(&run, sequence);
            telling.events[0].body = json!({"text": "x".repeat(3000)});
            store.tell(&telling).await.unwrap();
        }
    };
    take(1..=900).await;
    let (most, later) = (2 << 20, at(5000));
    assert_eq!(store.fits_since(9 << 20, later).await.unwrap(), None);
    let half = store.fits_since(most, later).await.unwrap().unwrap();
    assert!(at(300) < half && half < at(800), "{half}");
    // What is younger than the limit allows stays, however much it is.
    assert_eq!(store.fits_since(most, at(50)).await.unwrap(), Some(at(50)));

    let since = KeptSince { reports: half, runs: half, lineage: half, jobs: half, audit: at(0) };
    let all = prune(&store, &since).await;
    assert_eq!(all["reports"].0, all["lineage events"].0);
    assert!((300..800).contains(&all["reports"].0), "{all:?}");
    // It has found its size, but for what nobody can foresee, and pages that tables have without rows.
    assert!(store.reclaim().await.unwrap() > 1 << 20 || !home.is_file());
    assert_eq!(store.fits_since(most + most / 6, later).await.unwrap(), None, "{all:?}");
    take(901..=902).await;
    assert!((processed(&store).await - 9.0 * 902.0).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_on_while_it_is_pruned() {
    let (home, store) = store().await;
    let other = home.open().await;
    let worker = tokio::spawn(async move {
        let run = run(1, "parse");
        other.start_run(&run, at(0), &[], &[]).await.unwrap();
        for sequence in 1..=150 {
            assert!(other.tell(&telling(&run, sequence)).await.unwrap());
        }
    });
    let mut pruned = 0;
    while !worker.is_finished() || pruned < 149 {
        pruned += of(&store.prune(&since(1000)).await.unwrap(), Kind::Reports).0;
        store.reclaim().await.unwrap();
    }
    worker.await.unwrap();
    assert_eq!(processed(&store).await, 9.0 * 150.0);
    let record = store.run(run(1, "parse").id).await.unwrap().unwrap();
    assert_eq!((record.batches, record.counts.read), (150, 1500));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whenever it is pruned, and however often a mark is lost: totals are those of a store that
    /// was never pruned.
    #[test]
    fn totals_do_not_know_of_pruning(
        steps in proptest::collection::vec((0_u8..4, 1_i64..15), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, store) = store().await;
            let run = run(1, "parse");
            let mut committed = 0_u64;
            for (step, seconds) in steps {
                match step {
                    0 => { store.prune(&since(seconds)).await.unwrap(); }
                    1 => store.forget(&dataset("silver.github_events")).await.unwrap(),
                    _ => committed += 1,
                }
                // As a process does that follows the table.
                let told = store.told(&dataset("silver.github_events")).await.unwrap();
                for sequence in told.map_or(0, |told| told.sequence) + 1..=committed {
                    store.tell(&telling(&run, sequence)).await.unwrap();
                }
                #[allow(clippy::cast_precision_loss, reason = "it is below 20")]
                let expected = 9.0 * committed as f64;
                prop_assert_eq!(processed(&store).await, expected);
            }
            Ok(())
        })?;
    }
}
