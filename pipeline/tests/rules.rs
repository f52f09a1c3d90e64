//! Rules of many kinds in a pipeline: what they find, and that they cost no other look at the rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assay_core::{Evaluated, Governed, Outcome, Quality, Verdict};
use assay_log::{
    Ends, Fetch, Head, Keep, Log, LogError, Membership, NewRecord, Record, TopicInfo, TopicSpec,
};
use assay_pipeline::Runner;
use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::Value;

use crate::shop::{Edit, Shop, order};

const CONTRACT: &str = "contracts/bronze.orders.odcs.yaml";

/// One rule of each kind that a batch of bronze can have, beside those that it has.
const MORE: Edit<'_> = (
    CONTRACT,
    "      - {name: trace, logicalType: string, physicalType: string}\n",
    "      - name: trace
        logicalType: string
        physicalType: string
        logicalTypeOptions: {maxLength: 100, pattern: '.'}
        customProperties: [{vendor: assay, property: where, value: part = 0}]
        quality:
          - {id: traced, metric: nullValues, mustBe: 0}
          - {id: once, metric: duplicateValues, mustBe: 0}
          - {type: sql, query: 'SELECT COUNT({property}) - COUNT(*) FROM {object}', mustBe: 0}
    quality:
      - {metric: rowCount, mustBeGreaterThan: 0}
      - {id: lands, type: custom, engine: assay, implementation: {expression: place >= 0}}
      - {id: last, type: sql, query: 'SELECT MAX(place) FROM orders', mustBeLessThan: 100}
      - id: romans
        type: custom
        engine: assay
        implementation: {expression: buyer = 7}
        customProperties: [{vendor: assay, property: where, value: city = 'Rome'}]
      - {type: custom, engine: assay, implementation: {volume: {within: 50, atLeast: 2}}}
    customProperties: [{vendor: assay, property: columns, value: exact}]
slaProperties:
  - {property: latency, value: 1, unit: h, element: orders.landed_at}
  - {property: retention, value: 1, unit: y, element: orders.landed_at}
",
);

fn orders(from: usize, upto: usize) -> Vec<Value> {
    let one = |number| order(&format!("o{number}"), "Rome", 1, "2026-03-01T08:00:00Z");
    (from..upto).map(one).collect()
}

async fn judged(shop: &Shop) -> Quality {
    let dataset = "bronze.orders".parse().unwrap();
    let report = shop.store.reports(Some(&dataset), 1).await.unwrap().remove(0).report;
    let Evaluated::Judged(quality) = report.quality else { panic!("it was judged") };
    quality
}

#[tokio::test]
async fn more_rules_read_the_source_no_other_time() {
    let mut reads = Vec::new();
    let mut rules = Vec::new();
    for edits in [&[] as &[Edit<'_>], &[MORE]] {
        let shop = Shop::edited(edits).await;
        shop.take(&orders(0, 40)).await;
        let log = Arc::new(CountingLog { log: Arc::clone(&shop.log), reads: AtomicU64::new(0) });
        let runner = Runner { log: Arc::clone(&log) as _, ..shop.runner() };
        let stage = shop.stage("take");
        let summary = runner.run(&shop.pipeline, &stage, Governed::ALL).await.unwrap();
        assert_eq!((summary.counts.read, summary.counts.written), (40, 40));
        reads.push(log.reads.load(Ordering::Relaxed));
        let quality = judged(&shop).await;
        assert_eq!((quality.score, quality.verdict), (Some(100.0), Verdict::Pass), "{quality:?}");
        rules.push(quality.rules.len());
    }
    assert!(reads[0] > 0 && rules[1] > rules[0] + 10, "{reads:?} {rules:?}");
    assert_eq!(reads[0], reads[1]);
}

#[tokio::test]
async fn a_volume_learns_from_the_batches_before_and_then_judges() {
    let shop = Shop::edited(&[MORE]).await;
    let mut outcomes = Vec::new();
    for (from, upto) in [(0, 10), (10, 20), (20, 31), (31, 33)] {
        shop.take(&orders(from, upto)).await;
        shop.run("take", Governed::ALL).await.unwrap();
        shop.clock.advance(TimeDelta::minutes(1));
        let quality = judged(&shop).await;
        let volume = quality.rules.into_iter().find(|rule| rule.rule == "volume").unwrap();
        assert_eq!(volume.cost, Some(format!("{} earlier reports read", outcomes.len())));
        outcomes.push(volume.outcome);
    }
    let learns =
        |seen| Outcome::NotEvaluated { why: format!("it learns, {seen} of 2 batches seen") };
    assert_eq!(outcomes, [learns(0), learns(1), Outcome::Passed, Outcome::Failed]);
}

/// A log that counts how often it is read.
struct CountingLog {
    log: Arc<dyn Log>,
    reads: AtomicU64,
}

#[async_trait]
impl Log for CountingLog {
    async fn create(&self, topic: &TopicSpec) -> Result<(), LogError> {
        self.log.create(topic).await
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError> {
        self.log.append(topic, records).await
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        fetch: Fetch,
    ) -> Result<Vec<Record>, LogError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.log.read(topic, partition, from, fetch).await
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn Membership>, LogError> {
        self.log.join(group, topic).await
    }

    async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError> {
        self.log.ends(topic).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.log.topics().await
    }

    async fn head(&self, topic: &str, partition: u32, keep: Keep) -> Result<Head, LogError> {
        self.log.head(topic, partition, keep).await
    }

    async fn delete_before(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Result<u64, LogError> {
        self.log.delete_before(topic, partition, offset).await
    }

    async fn reclaim(&self) -> Result<u64, LogError> {
        self.log.reclaim().await
    }

    fn namespace(&self) -> String {
        self.log.namespace()
    }
}
