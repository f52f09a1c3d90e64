//! Halted batches that are let pass, and readers that are moved back.

use std::sync::Arc;

use assay_core::{DraftId, Governed, Ids, Verdict};
use assay_pipeline::{
    Destination, RewindError, Rewinding, RunError, Runner, Target, TargetError, plan_rewind, rewind,
};
use assay_store::{Action, AuditEntry};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::recompute::LANDED;
use crate::shop::{Edit, Shop, numbers, order};
use crate::troubled::AtPut;

const SALES: &str = "SELECT order_no FROM silver.sales ORDER BY order_no";

/// More than half of four rows bad: the batch is halted.
const BREAKER: Edit<'_> = (
    "pipeline.yaml",
    "    deduplicate: [order_no]",
    "    deduplicate: [order_no]\n    breaker: {percent: 50, at_least_rows: 4}",
);

impl Shop {
    /// Moves a stage's reader back, as `assay rewind` does.
    pub(crate) async fn rewind(&self, stage: &str, to: &str) -> Result<Rewinding, RewindError> {
        let to: Destination = to.parse().unwrap();
        let stage = self.stage(stage);
        let plan = plan_rewind(&self.places(), self.log.as_ref(), &stage, &to).await?;
        let id = DraftId(self.ids.next());
        rewind(&self.places(), &stage, &plan, id, "a test").await?;
        Ok(plan)
    }

    async fn come(&self, orders: impl IntoIterator<Item = (&str, i64)>) {
        let at = "2026-03-01T08:00:00Z";
        let orders: Vec<Value> =
            orders.into_iter().map(|(no, amount)| order(no, "Rome", amount, at)).collect();
        self.take(&orders).await;
        self.run("take", Governed::ALL).await.unwrap();
    }

    async fn halted(&self) -> DraftId {
        match self.run("sell", Governed::ALL).await {
            Err(RunError::Halted { report, .. }) => report.draft,
            other => panic!("{other:?}"),
        }
    }

    async fn accept(&self, batch: DraftId) {
        let entry = AuditEntry {
            at: "2026-03-10T12:00:00Z".parse().unwrap(),
            who: "a test".to_owned(),
            action: Action::AcceptBatch,
            subject: batch.to_string(),
            reason: "known".to_owned(),
            details: json!({}),
        };
        assert!(self.store.accept(batch, &entry).await.unwrap());
    }
}

#[tokio::test]
async fn a_halt_is_not_diluted_by_rows_that_come_later_and_passes_when_it_is_let() {
    let shop = Shop::edited(&[BREAKER]).await;
    shop.come([("a", 1), ("b", -1), ("c", -1), ("d", -1)]).await;
    let first = shop.halted().await;
    shop.come((0..9).map(|_| ("e", 1)).chain([("f", 1), ("g", -1)])).await;
    let second = shop.halted().await;
    assert_ne!(first, second);
    assert!(shop.letters().await.is_empty());

    // Either id names the batch.
    shop.accept(first).await;
    let run = shop.run("sell", Governed::ALL).await.unwrap();
    let counts: Vec<_> = run.batches.iter().map(|report| numbers(&report.counts)).collect();
    assert_eq!(counts, [[4, 1, 3, 0, 0], [11, 2, 1, 0, 8]]);
    assert!(run.batches[0].accepted_at.is_some() && run.batches[1].accepted_at.is_none());
    assert_eq!(run.batches[0].verdict(), Some(Verdict::Halt));
    assert_eq!(run.batches[0].verdict_name(), "accepted");
    assert_eq!(shop.query(SALES).await, ["a", "e", "f"]);
    assert_eq!(shop.letters().await.len(), 4);
}

#[tokio::test]
async fn what_was_let_pass_is_that_batch_and_no_other() {
    let shop = Shop::edited(&[BREAKER]).await;
    shop.come([("a", 1), ("b", -1), ("c", -1), ("d", -1)]).await;
    shop.accept(shop.halted().await).await;
    // The next one is read by the same run, and halts it.
    shop.come([("e", 1), ("f", -1), ("g", -1), ("h", -1)]).await;
    let other = shop.halted().await;
    assert_eq!(shop.query(SALES).await, ["a"]);
    let told = shop.store.reports(Some(&"silver.sales".parse().unwrap()), 9).await.unwrap();
    assert_eq!(told[0].report.draft, other);
    assert!(told[1].commit.is_some() && told[1].report.accepted_at.is_some());
}

#[tokio::test]
async fn a_day_computed_anew_is_not_let_pass_with_the_batch_before() {
    let breaker = (
        "pipeline.yaml",
        "    day: landed_on",
        concat!("    day: landed_on\n", "    breaker: {percent: 50, at_least_rows: 4}"),
    );
    let shop = Shop::edited(&[&LANDED[..], &[breaker]].concat()).await;
    shop.come([("a", 1), ("b", -1), ("c", -1), ("d", -1)]).await;
    shop.accept(shop.halted().await).await;
    let (stage, day) = (shop.stage("sell"), "2026-03-10".parse().unwrap());
    let outcome = shop.runner().recompute(&shop.pipeline, &stage, Governed::ALL, day).await;
    let Err(RunError::Halted { report, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(report.recomputed, Some(day));
    assert_eq!(shop.query(SALES).await, ["a"]);
}

#[tokio::test]
async fn of_two_days_computed_anew_the_one_is_let_pass_and_not_the_other() {
    let breaker = (
        "pipeline.yaml",
        "    day: landed_on",
        concat!("    day: landed_on\n", "    breaker: {percent: 50, at_least_rows: 4}"),
    );
    let shop = Shop::edited(&[&LANDED[..], &[breaker]].concat()).await;
    for [good, bad, other, third] in [["a", "b", "c", "d"], ["e", "f", "g", "h"]] {
        shop.come([(good, 1), (bad, -1), (other, -1), (third, -1)]).await;
        shop.accept(shop.halted().await).await;
        shop.run("sell", Governed::ALL).await.unwrap();
        shop.clock.advance(TimeDelta::days(1));
    }
    let again = async |day: &str| {
        let (stage, day) = (shop.stage("sell"), day.parse().unwrap());
        match shop.runner().recompute(&shop.pipeline, &stage, Governed::ALL, day).await {
            Err(RunError::Halted { report, .. }) => Some(report.draft),
            outcome => outcome.map(|_| None).unwrap(),
        }
    };
    shop.accept(again("2026-03-10").await.unwrap()).await;
    for _ in 0..2 {
        assert!(again("2026-03-11").await.is_some(), "both end at the same place");
    }
    // That the other was halted meanwhile does not take the word back.
    assert!(again("2026-03-10").await.is_none());
    assert_eq!(shop.query(SALES).await, ["a", "e"]);
}

#[tokio::test]
async fn under_another_contract_a_halted_batch_is_judged_anew_with_all_that_came() {
    let mut shop = Shop::edited(&[BREAKER]).await;
    shop.come([("a", 1), ("b", -1), ("c", -1), ("d", -1)]).await;
    shop.accept(shop.halted().await).await;
    shop.come((0..9).map(|_| ("e", 1))).await;
    let version = ("contracts/silver.sales.odcs.yaml", "version: 1.0.0", "version: 1.0.1");
    shop.change(&[BREAKER, version]);
    let run = shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(run.batches.len(), 1);
    assert_eq!(numbers(&run.counts), [13, 2, 3, 0, 8]);
    assert_eq!(run.batches[0].accepted_at, None);
}

#[tokio::test]
async fn a_reader_moved_back_reads_again_and_doubles_nothing_that_has_a_key() {
    let shop = Shop::open().await;
    shop.come([("a", 1), ("b", -1)]).await;
    shop.run_all().await;
    shop.come([("c", 1)]).await;
    shop.run_all().await;
    let letters = shop.letters().await.len();

    let plan = shop.rewind("sell", "beginning").await.unwrap();
    assert_eq!((plan.slices[0].again, plan.slices[0].to), (3, 0));
    assert_eq!(plan.known_by, ["order_no"]);
    let run = shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&run.counts), [3, 0, 1, 0, 2]);
    assert_eq!(shop.query(SALES).await, ["a", "c"]);
    assert_eq!(shop.letters().await.len(), letters, "the same letter, put again");

    let messages = shop.rewind("take", "shop_orders/0=0").await.unwrap();
    assert_eq!((messages.slices[0].again, messages.slices[0].unit), (2, "messages"));
    assert!(messages.known_by.is_empty());
}

#[tokio::test]
async fn a_reader_is_not_moved_ahead_nor_to_where_nothing_is() {
    let shop = Shop::open().await;
    let error = shop.rewind("sell", "beginning").await.unwrap_err();
    assert!(matches!(error, RewindError::Nothing { .. }), "{error:?}");
    shop.come([("a", 1)]).await;
    shop.run_all().await;
    for (to, expected) in [
        ("bronze.orders=9", "ahead"),
        ("bronze.sales=0", "reads bronze.orders"),
        ("123", "no snapshot"),
        ("bronze.orders=1", "already"),
    ] {
        let error = shop.rewind("sell", to).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    for nonsense in ["", "x", "a=b", "latest"] {
        assert!(nonsense.parse::<Destination>().is_err(), "{nonsense}");
    }
}

#[tokio::test]
async fn a_worker_whose_reader_is_moved_back_under_it_commits_nothing() {
    let shop = Arc::new(Shop::open().await);
    shop.come([("a", 1)]).await;
    shop.run_all().await;
    shop.come([("b", 1), ("bad", -1)]).await;
    let moved = Arc::clone(&shop);
    let queue = AtPut {
        queue: Arc::clone(&shop.queue),
        act: Box::new(move || {
            let shop = Arc::clone(&moved);
            Box::pin(async move {
                // Forth and back again: the place is the old one, but not the mark.
                let (target, reader) = (shop.target("sell"), shop.stage("sell").reader());
                let before = target.position(&reader).await.unwrap();
                let snapshot = shop.newest("silver.sales").await.to_string();
                let run = shop.run("sell", Governed::ALL).await.unwrap();
                assert_eq!(run.counts.written, 1);
                shop.rewind("sell", &snapshot).await.unwrap();
                let after = target.position(&reader).await.unwrap();
                assert!(after.reaches_as_far(&before) && after != before, "{after:?}");
            })
        }),
        fail: false,
    };
    let slow = Runner { queue: Arc::new(queue), ..shop.runner() };
    let outcome = slow.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await;
    let Err(RunError::Target(TargetError::Fenced { .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(shop.query(SALES).await, ["a", "b"]);
    assert_eq!(shop.letters().await.len(), 1);
}
