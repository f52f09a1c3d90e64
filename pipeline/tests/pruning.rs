//! What is deleted of log and store, and what goes on as if nothing were.

use std::collections::BTreeSet;

use assay_core::{Clock, Governed, ReaderId};
use assay_pipeline::{DueMessages, due_messages, prune_messages};
use assay_store::KeptSince;
use chrono::TimeDelta;

use crate::shop::{Edit, Shop, numbers, order};

/// Messages are kept for a day.
const ONE_DAY: Edit<'_> =
    ("pipeline.yaml", "    partitions: 2", "    partitions: 2\n    retention_hours: 24");

impl Shop {
    async fn all_due(&self, topic_bytes: Option<u64>) -> Vec<DueMessages> {
        let (log, store) = (self.log.as_ref(), self.store.as_ref());
        due_messages(&self.places(), log, store, topic_bytes).await.unwrap()
    }

    async fn due(&self, topic_bytes: Option<u64>) -> DueMessages {
        let mut due = self.all_due(topic_bytes).await;
        assert_eq!(due.len(), 1, "dead letters are no messages: {due:?}");
        due.remove(0)
    }

    async fn prune(&self, topic_bytes: Option<u64>) -> DueMessages {
        let expected = self.due(topic_bytes).await;
        let done = prune_messages(&self.places(), self.log.as_ref(), &*self.store, topic_bytes)
            .await
            .unwrap();
        assert_eq!(done, [expected]);
        done.into_iter().next().unwrap()
    }

    async fn arrives(&self, no: &str) {
        self.take(&[order(no, "Rome", 5, "2026-03-01T08:00:00Z")]).await;
    }
}

#[tokio::test]
async fn a_message_goes_when_it_is_old_and_everyone_has_read_it() {
    let shop = Shop::edited(&[ONE_DAY]).await;
    shop.arrives("a").await;
    shop.clock.advance(TimeDelta::hours(25));
    let unread = shop.prune(None).await;
    assert_eq!((unread.messages, unread.unread, unread.unread_by), (0, 1, BTreeSet::new()));

    shop.run("take", Governed::ALL).await.unwrap();
    let read = shop.due(None).await;
    assert_eq!((read.messages, read.unread), (1, 0));
    assert_eq!(read.oldest, Some("2026-03-10T12:00:00Z".parse().unwrap()));
    assert!(read.bytes > Some(100), "{read:?}");
    assert_eq!(shop.prune(None).await.messages, 1);
    assert_eq!(shop.due(None).await.messages, 0);

    // The reader goes on behind what was deleted.
    shop.arrives("b").await;
    let counts = shop.run("take", Governed::ALL).await.unwrap().counts;
    assert_eq!(numbers(&counts), [1, 1, 0, 0, 0]);
    assert_eq!(shop.prune(None).await.messages, 0, "it is young");
}

#[tokio::test]
async fn a_topic_that_weighs_too_much_loses_what_was_read_and_nothing_else() {
    let shop = Shop::open().await;
    for no in ["a", "b", "c"] {
        shop.arrives(no).await;
    }
    shop.run("take", Governed::ALL).await.unwrap();
    shop.arrives("d").await;
    assert_eq!(shop.due(None).await.messages, 0, "it is kept for ever");
    assert_eq!(shop.due(Some(1 << 20)).await.messages, 0);

    shop.rewind("take", "beginning").await.unwrap();
    let held = shop.prune(Some(0)).await;
    assert_eq!((held.messages, held.unread), (0, 4));
    assert_eq!(held.unread_by, BTreeSet::from(["shop/take".to_owned()]));

    shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(shop.prune(Some(0)).await.messages, 4);
    assert_eq!(shop.log.topics().await.unwrap().last().unwrap().records, Some(0));
}

#[tokio::test]
async fn what_a_stage_reads_into_a_database_stays_where_nobody_can_be_asked() {
    let shop = Shop::edited(&[ONE_DAY]).await;
    shop.arrives("a").await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.clock.advance(TimeDelta::hours(25));
    let topic = shop.due(None).await.topic;
    let stream = ReaderId("shop/stream".to_owned());
    shop.store.read_into_database(&stream, &topic, shop.clock.now()).await.unwrap();
    let kept = shop.prune(None).await;
    assert_eq!((kept.messages, kept.unread), (0, 1));
    let why = "shop/stream (its position is in Postgres: set ASSAY_POSTGRES)";
    assert_eq!(kept.unread_by, BTreeSet::from([why.to_owned()]));
    // A topic that is not there has nothing to keep.
    shop.store.read_into_database(&stream, "gone", shop.clock.now()).await.unwrap();
    assert_eq!(shop.due(None).await, kept);
}

#[tokio::test]
async fn after_pruning_nothing_is_told_or_counted_again() {
    let shop = Shop::open().await;
    for no in ["a", "b", "c"] {
        shop.arrives(no).await;
        shop.run_all().await;
        shop.clock.advance(TimeDelta::days(1));
    }
    let totals = shop.store.totals().await.unwrap();
    let latest = shop.store.latest_judged().await.unwrap();
    let now = "2026-03-20T00:00:00Z".parse().unwrap();
    let since = KeptSince { reports: now, runs: now, lineage: now, jobs: now, audit: now };
    let pruned = shop.store.prune(&since).await.unwrap();
    let rows: u64 = pruned.iter().map(|due| due.rows).sum();
    assert!(rows > 20, "{pruned:?}");

    assert_eq!(shop.store.totals().await.unwrap(), totals);
    assert_eq!(shop.store.latest_judged().await.unwrap(), latest);
    // Every table is told from its first commit on.
    for stage in &shop.pipeline.stages {
        shop.store.forget(&stage.writes.dataset).await.unwrap();
    }
    shop.run_all().await;
    let rows_counted = |name: &str, totals: &[assay_store::Total]| -> f64 {
        totals.iter().filter(|total| total.name == name).map(|total| total.value).sum()
    };
    let after = shop.store.totals().await.unwrap();
    for name in ["records_processed_total", "quality_checks_total"] {
        assert!(rows_counted(name, &totals) > 0.0, "{name} is counted");
        assert!((rows_counted(name, &after) - rows_counted(name, &totals)).abs() < 1e-9, "{name}");
    }
}
