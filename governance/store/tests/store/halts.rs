use assay_core::{ContractRef, DraftId, Mark, Position, Report, Slice, StageId, Verdict};
use assay_store::{Action, AuditEntry, AuditFilter, Store};
use serde_json::json;

use crate::sample::{at, report, run, store};

fn stage() -> StageId {
    run(1, "parse").stage
}

fn contract(version: &str) -> ContractRef {
    ContractRef { id: "silver".into(), version: version.into() }
}

fn place(at: u64) -> Position {
    let mark = Mark { at, ..Mark::default() };
    Position([(Slice::table("bronze.github_events"), mark)].into())
}

/// A batch from 5 to 9 that was halted under version 1 of its contract.
fn halted(draft: u64, seconds: i64) -> Report {
    let mut report = report(&run(draft, "parse"), draft, seconds);
    if let assay_core::Evaluated::Judged(quality) = &mut report.quality {
        quality.verdict = Verdict::Halt;
    }
    Report { contract: Some(contract("1.0.0")), from: place(5), upto: place(9), ..report }
}

fn accepting(draft: DraftId) -> AuditEntry {
    AuditEntry {
        at: at(1000),
        who: "vera".into(),
        action: Action::AcceptBatch,
        subject: draft.to_string(),
        reason: "the new type is known".into(),
        details: json!({}),
    }
}

async fn latest(store: &Store) -> Option<DraftId> {
    let contract = contract("1.0.0");
    let halt = store.latest_halt(&stage(), &place(5), Some(&contract), None).await.unwrap();
    halt.map(|halt| halt.report.draft)
}

#[tokio::test]
async fn a_halt_is_found_where_it_lies_and_under_the_contract_that_halted_it() {
    let (_folder, store) = store().await;
    assert_eq!(latest(&store).await, None);
    store.halted(&halted(1, 10), &[], &[]).await.unwrap();
    store.halted(&halted(2, 20), &[], &[]).await.unwrap();

    assert_eq!(latest(&store).await, Some(halted(2, 20).draft));
    let (old, new) = (contract("1.0.0"), contract("1.1.0"));
    let halt = store.latest_halt(&stage(), &place(5), Some(&old), None).await.unwrap().unwrap();
    assert_eq!((halt.report, halt.accepted_at), (halted(2, 20), None));
    assert_eq!(store.latest_halt(&stage(), &place(9), Some(&old), None).await.unwrap(), None);
    assert_eq!(store.latest_halt(&stage(), &place(5), Some(&new), None).await.unwrap(), None);
    assert_eq!(store.latest_halt(&stage(), &place(5), None, None).await.unwrap(), None);
    let other = run(1, "enrich").stage;
    assert_eq!(store.latest_halt(&other, &place(5), Some(&old), None).await.unwrap(), None);
}

#[tokio::test]
async fn a_commit_of_the_stage_closes_the_halts_before_it_and_none_behind_it() {
    let (_folder, store) = store().await;
    store.halted(&halted(1, 10), &[], &[]).await.unwrap();
    store.halted(&halted(3, 30), &[], &[]).await.unwrap();
    // Another stage's commit, and one of this stage between the two that is told late.
    store.tell(&crate::sample::telling(&run(7, "enrich"), 40)).await.unwrap();
    assert_eq!(latest(&store).await, Some(halted(3, 30).draft));
    let mut between = crate::sample::telling(&run(2, "parse"), 41);
    between.report.judged_at = at(20);
    store.tell(&between).await.unwrap();
    assert_eq!(store.halt(halted(1, 10).draft).await.unwrap(), None);
    assert_eq!(latest(&store).await, Some(halted(3, 30).draft));

    store.tell(&crate::sample::telling(&run(4, "parse"), 50)).await.unwrap();
    assert_eq!(latest(&store).await, None);
    let closed = halted(3, 30).draft;
    assert!(!store.accept(closed, &accepting(closed)).await.unwrap());
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap(), []);
}

#[tokio::test]
async fn an_accepted_batch_stays_accepted_until_it_is_committed_and_is_accounted_for_once() {
    let (_folder, store) = store().await;
    store.halted(&halted(1, 10), &[], &[]).await.unwrap();
    let draft = halted(1, 10).draft;
    let unknown = DraftId(crate::sample::id(99));
    assert!(!store.accept(unknown, &accepting(unknown)).await.unwrap());
    assert!(!store.accepted(draft).await.unwrap());

    assert!(store.accept(draft, &accepting(draft)).await.unwrap());
    assert!(store.accept(draft, &accepting(draft)).await.unwrap());
    assert!(store.accepted(draft).await.unwrap());
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap(), [accepting(draft)]);
    let records = store.reports(None, 1).await.unwrap();
    assert_eq!((records[0].commit, records[0].accepted_at), (None, Some(at(1000))));
    assert!(records[0].waits);

    store.tell(&crate::sample::telling(&run(4, "parse"), 50)).await.unwrap();
    assert!(!store.accepted(draft).await.unwrap());
    let record = &store.reports_of(run(1, "parse").id).await.unwrap()[0];
    assert_eq!((record.accepted_at, record.waits), (Some(at(1000)), false));
}

#[tokio::test]
async fn a_batch_that_was_halted_again_is_the_batch_that_was_accepted() {
    let (_folder, store) = store().await;
    let mut longer = halted(3, 30);
    longer.upto = place(12);
    for report in [&halted(1, 10), &halted(2, 20), &longer] {
        store.halted(report, &[], &[]).await.unwrap();
    }
    let first = halted(1, 10).draft;
    store.accept(first, &accepting(first)).await.unwrap();

    assert!(store.accepted(halted(2, 20).draft).await.unwrap());
    assert!(!store.accepted(longer.draft).await.unwrap(), "it has rows that nobody looked at");
}

/// Two partitions of a topic, which two workers share.
fn shared(places: [Option<u64>; 2]) -> Position {
    let mark = |(partition, at): (u32, Option<u64>)| {
        Some((Slice::partition("events", partition), Mark { at: at?, ..Mark::default() }))
    };
    Position((0..).zip(places).filter_map(mark).collect())
}

#[tokio::test]
async fn a_day_computed_anew_meets_its_own_halt_and_no_other_day_s() {
    let (_folder, store) = store().await;
    let (stage, contract) = (stage(), halted(1, 10).contract.unwrap());
    let [first, second] = ["2026-11-01", "2026-11-02"].map(|day| day.parse().unwrap());
    // Both read on from the same place, and get no further.
    for (draft, day) in [(1, first), (2, second)] {
        let of_day = Report { recomputed: Some(day), ..halted(draft, draft.cast_signed()) };
        store.halted(&of_day, &[], &[]).await.unwrap();
    }
    let drafts = [1, 2].map(|draft| halted(draft, 0).draft);
    assert!(store.accept(drafts[0], &accepting(drafts[0])).await.unwrap());
    let met = async |day| {
        let halt = store.latest_halt(&stage, &place(5), Some(&contract), day).await.unwrap();
        halt.map(|halt| (halt.report.draft, halt.accepted_at.is_some()))
    };
    assert_eq!(met(Some(first)).await, Some((drafts[0], true)));
    assert_eq!(met(Some(second)).await, Some((drafts[1], false)));
    assert_eq!(met(None).await, None, "what is new was not halted");
}

#[tokio::test]
async fn a_halt_of_one_partition_waits_while_another_worker_commits_another_partition() {
    let (_folder, store) = store().await;
    let bad =
        Report { from: shared([Some(5), None]), upto: shared([Some(9), None]), ..halted(1, 10) };
    store.halted(&bad, &[], &[]).await.unwrap();
    let mut other = crate::sample::telling(&run(2, "parse"), 20);
    other.report.from = shared([None, Some(3)]);
    other.report.upto = shared([None, Some(4)]);
    store.tell(&other).await.unwrap();

    let contract = contract("1.0.0");
    let at = async |places| {
        let halt =
            store.latest_halt(&stage(), &shared(places), Some(&contract), None).await.unwrap();
        halt.map(|halt| halt.report.draft)
    };
    assert_eq!(at([Some(5), Some(4)]).await, Some(bad.draft));
    assert_eq!(at([None, Some(4)]).await, None, "it is not this worker's");
    assert_eq!(at([Some(9), Some(4)]).await, None, "another has read it");

    let mut same = crate::sample::telling(&run(3, "parse"), 30);
    same.report.from = shared([Some(5), Some(4)]);
    same.report.upto = shared([Some(9), Some(4)]);
    store.tell(&same).await.unwrap();
    assert_eq!(store.halt(bad.draft).await.unwrap(), None);
}
