use assay_core::{Evaluated, Mark, Position, Slice, Verdict, WindowScore};
use assay_store::{CommitRef, EventKind, Told};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use crate::sample::{at, dataset, event, id, increment, processed, report, run, store, telling};

#[tokio::test]
async fn a_telling_moves_the_mark_and_brings_report_events_and_totals() {
    let (_folder, store) = store().await;
    let silver = dataset("silver.github_events");
    assert_eq!(store.told(&silver).await.unwrap(), None);

    let telling = telling(&run(1, "parse"), 5);
    assert!(store.tell(&telling).await.unwrap());

    let told = Told { sequence: 5, snapshot: -5, draft: telling.report.draft };
    assert_eq!(store.told(&silver).await.unwrap(), Some(told));
    let records = store.reports(Some(&silver), 10).await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].report, telling.report);
    assert_eq!(records[0].commit, Some(CommitRef { sequence: 5, snapshot: -5 }));
    assert_eq!(store.events(None, 10).await.unwrap(), telling.events);
    assert_eq!(processed(&store).await, 9.0);
}

#[tokio::test]
async fn a_commit_that_was_told_or_overtaken_has_no_effect() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    assert!(store.tell(&telling(&run, 5)).await.unwrap());
    assert!(!store.tell(&telling(&run, 5)).await.unwrap());
    assert!(!store.tell(&telling(&run, 4)).await.unwrap());

    assert_eq!(store.reports(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.events(None, 10).await.unwrap().len(), 1);
    assert_eq!(processed(&store).await, 9.0);
}

#[tokio::test]
async fn a_target_that_was_made_anew_is_told_again_but_a_draft_is_counted_once() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    store.tell(&telling(&run, 5)).await.unwrap();
    store.forget(&dataset("silver.github_events")).await.unwrap();

    let mut same = telling(&run, 1);
    same.report.draft = telling(&run, 5).report.draft;
    assert!(!store.tell(&same).await.unwrap());
    assert!(store.tell(&telling(&run, 2)).await.unwrap());
    assert_eq!(processed(&store).await, 18.0);
}

#[tokio::test]
async fn what_batches_say_of_a_window_is_added_up_once() {
    let (_folder, store) = store().await;
    let (run, kpi) = (run(1, "stream"), dataset("gold.kpi_1m"));
    let window = |minute: i64, rows, rejected, lost| WindowScore {
        dataset: kpi.clone(),
        start: at(60 * minute),
        end: at(60 * minute + 60),
        rows,
        rejected,
        lost,
    };
    let mut first = telling(&run, 5);
    first.report.windows = vec![window(1, 8, 1, 1.25), window(2, 4, 0, 0.0)];
    let mut second = telling(&run, 6);
    second.report.windows = vec![window(2, 6, 3, 3.0), window(3, 1, 0, 0.0)];
    for telling in [&first, &first, &second] {
        store.tell(telling).await.unwrap();
    }
    let all = [window(3, 1, 0, 0.0), window(2, 10, 3, 3.0), window(1, 8, 1, 1.25)];
    assert_eq!(store.window_scores(&kpi, None, 10).await.unwrap(), all);
    assert_eq!(all[1].score(), Some(70.0));
    assert_eq!(window(4, 0, 0, 0.0).score(), None);
    assert_eq!(store.window_scores(&kpi, Some(at(180)), 1).await.unwrap(), all[1..2]);
    let silver = store.reports(None, 1).await.unwrap();
    assert!(silver[0].report.windows.is_empty(), "they are kept once");
}

#[tokio::test]
async fn a_halt_leaves_a_report_without_a_commit_once() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    let mut halted = report(&run, 1, 10);
    if let Evaluated::Judged(quality) = &mut halted.quality {
        quality.verdict = Verdict::Halt;
    }
    assert!(store.halted(&halted, &[], &[increment(0.0)]).await.unwrap());
    assert!(!store.halted(&halted, &[], &[increment(1.0)]).await.unwrap());

    let records = store.reports_of(run.id).await.unwrap();
    assert_eq!((records.len(), records[0].commit), (1, None));
    assert_eq!(processed(&store).await, 0.0);
    assert_eq!(store.told(&halted.output).await.unwrap(), None);
}

#[tokio::test]
async fn the_latest_report_of_each_dataset_is_found_judged_or_not() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    for (draft, name, seconds, judged) in [
        (1, "bronze.github_events", 5, true),
        (2, "silver.github_events", 6, true),
        (3, "silver.github_events", 8, false),
        (4, "silver.github_events", 7, true),
    ] {
        let mut report = report(&run, draft, seconds);
        report.output = dataset(name);
        if !judged {
            report.quality = Evaluated::NotEvaluated;
        }
        store.halted(&report, &[], &[]).await.unwrap();
    }
    let drafts = |records: Vec<assay_store::ReportRecord>| {
        records.iter().map(|record| record.report.draft.0).collect::<Vec<_>>()
    };
    let draft = |number: u64| id(1_000_000 + number);
    assert_eq!(drafts(store.latest_reports().await.unwrap()), [draft(1), draft(3)]);
    let judged = store.latest_judged().await.unwrap();
    let judged: Vec<_> = judged.iter().map(|batch| (batch.draft.0, batch.score)).collect();
    assert_eq!(judged, [(draft(1), 97.5), (draft(4), 97.5)]);
    assert_eq!(drafts(store.reports(None, 2).await.unwrap()), [draft(3), draft(4)]);
}

#[tokio::test]
async fn letters_that_come_back_are_no_news_of_a_dataset() {
    let (_folder, store) = store().await;
    let run = run(1, "parse");
    store.tell(&telling(&run, 3)).await.unwrap();
    let mut again = telling(&run, 4);
    again.report.upto = Position([(Slice::replay(id(9)), Mark::default())].into());
    again.report.quality = Evaluated::NotEvaluated;
    let mut elsewhere = report(&run, 5, 5);
    elsewhere.output = dataset("gold.repo_daily");
    elsewhere.upto = again.report.upto.clone();
    store.tell(&again).await.unwrap();
    store.halted(&elsewhere, &[], &[]).await.unwrap();

    let latest = store.latest_reports().await.unwrap();
    let drafts: Vec<_> = latest.iter().map(|record| record.report.draft.0).collect();
    assert_eq!(drafts, [id(1_000_003)]);
    assert_eq!(store.latest_judged().await.unwrap()[0].draft.0, id(1_000_003));
    let added = store.rows_added(&dataset("silver.github_events"), 9).await.unwrap();
    assert_eq!(added, [(at(3), 9)]);
}

#[tokio::test]
async fn an_empty_store_has_nothing_to_say() {
    let (_folder, store) = store().await;
    assert_eq!(store.latest_reports().await.unwrap(), []);
    assert_eq!(store.totals().await.unwrap(), []);
    assert_eq!(store.edges().await.unwrap(), []);
    assert!(store.event_counts().await.unwrap().is_empty());
}

#[tokio::test]
async fn edges_come_from_batches_only_and_remember_first_and_last() {
    let (_folder, store) = store().await;
    let (first, second) = (run(1, "parse"), run(2, "parse"));
    let start = event(90, &first, EventKind::JobStart, 0);
    store.start_run(&first, at(0), &[start], &[]).await.unwrap();
    assert_eq!(store.edges().await.unwrap(), []);

    store.tell(&telling(&second, 20)).await.unwrap();
    store.forget(&dataset("silver.github_events")).await.unwrap();
    store.tell(&telling(&first, 10)).await.unwrap();

    let edges = store.edges().await.unwrap();
    assert_eq!(edges.len(), 1);
    assert_eq!(edges[0].input, "bronze.github_events");
    assert_eq!(edges[0].output, "silver.github_events");
    assert_eq!(edges[0].stage, first.stage);
    assert_eq!(edges[0].run, second.id);
    assert_eq!((edges[0].first_seen_at, edges[0].last_seen_at), (at(10), at(20)));
    let counts = store.event_counts().await.unwrap();
    assert_eq!(counts[&EventKind::Transformation], 2);
    assert_eq!(counts[&EventKind::JobStart], 1);
    let starts = store.events(Some(EventKind::JobStart), 10).await.unwrap();
    assert_eq!(starts.len(), 1);
    assert_eq!(store.events_of(first.id).await.unwrap().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever tells what, how often and in which order: a commit counts exactly once, and only
    /// when nothing later was told before it.
    #[test]
    fn totals_are_the_sum_of_what_was_taken_in(sequences in proptest::collection::vec(1_u64..12, 0..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, store) = store().await;
            let (mut mark, mut taken) = (0, 0.0);
            for sequence in sequences {
                let new = store.tell(&telling(&run(1, "parse"), sequence)).await.unwrap();
                prop_assert_eq!(new, sequence > mark);
                taken += f64::from(u8::from(new));
                mark = mark.max(sequence);
            }
            prop_assert_eq!(processed(&store).await, 9.0 * taken);
            let events = store.event_counts().await.unwrap();
            let reports = store.reports(None, 100).await.unwrap().len();
            prop_assert_eq!(events.values().sum::<u64>(), u64::try_from(reports).unwrap());
            Ok(())
        })?;
    }
}
