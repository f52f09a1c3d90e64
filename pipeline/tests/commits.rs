//! Commits to a table: compared with what was read, in order, nothing lost.

use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{
    Clock, Counts, DraftId, Evaluated, Governed, Ids, Mark, Position, ReaderId, Report, Run, RunId,
    Slice, StageId,
};
use assay_pipeline::{
    Closing, Commit, Draft, DraftOf, Lake, LakeTarget, TableSpec, Target, TargetError, Write,
};
use assay_quality::{KeyHasher, KeySet};
use chrono::{NaiveDate, TimeDelta};
use datafusion::common::ScalarValue;
use serde_json::{Value, json};

use crate::shop::{CountingIds, ManualClock, Shop, open_lake, order};

/// One writer of a table.
pub(crate) struct Writer {
    pub(crate) target: LakeTarget,
    pub(crate) spec: Arc<TableSpec>,
    pub(crate) reader: ReaderId,
    pub(crate) ids: Arc<CountingIds>,
    pub(crate) clock: Arc<ManualClock>,
}

impl Writer {
    pub(crate) fn new(shop: &Shop, lake: &Arc<Lake>, spec: &Arc<TableSpec>, reader: &str) -> Self {
        Writer {
            target: LakeTarget::new(Arc::clone(lake), Arc::clone(spec)),
            spec: Arc::clone(spec),
            reader: ReaderId(reader.to_owned()),
            ids: Arc::clone(&shop.ids),
            clock: Arc::clone(&shop.clock),
        }
    }

    pub(crate) async fn sales(shop: &Shop, reader: &str) -> Writer {
        let writer = Writer::new(shop, &shop.lake, &shop.stage("sell").writes, reader);
        writer.target.prepare().await.unwrap();
        writer
    }

    pub(crate) async fn position(&self) -> Position {
        self.target.position(&self.reader).await.unwrap()
    }

    async fn draft(&self, from: &Position, key: &[&str]) -> Result<Opened, TargetError> {
        self.open(from, key, Write::Append).await
    }

    async fn open(
        &self,
        from: &Position,
        key: &[&str],
        write: Write,
    ) -> Result<Opened, TargetError> {
        let id = DraftId(self.ids.next());
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        let begun_at = self.clock.now();
        let of = DraftOf {
            id,
            reader: &self.reader,
            from,
            key: &key,
            also: &[],
            event_time: None,
            begun_at,
        };
        let draft = self.target.draft(of, write).await?;
        Ok(Opened { id, draft, from: from.clone(), keys: KeySet::default() })
    }

    /// Writes `rows` and moves the reader's position by one.
    pub(crate) async fn append(&self, rows: &[Value]) -> Result<Commit, TargetError> {
        self.write(rows, Write::Append).await
    }

    pub(crate) async fn write(&self, rows: &[Value], write: Write) -> Result<Commit, TargetError> {
        let from = self.position().await;
        let mut opened = self.open(&from, &[], write).await?;
        for rows in rows.chunks(1000) {
            opened.draft.write(&self.spec.dataset, batch(&self.spec, rows)).await?;
        }
        self.commit(&mut opened).await
    }

    async fn commit(&self, opened: &mut Opened) -> Result<Commit, TargetError> {
        self.commit_slice(opened, "source/0").await
    }

    async fn commit_slice(&self, opened: &mut Opened, slice: &str) -> Result<Commit, TargetError> {
        let slice = Slice::from_name(slice);
        let at = opened.from.mark(&slice).map_or(0, |mark| mark.at) + 1;
        let mark = Mark { at, draft: Some(opened.id), ..Mark::default() };
        let upto = Position([(slice, mark)].into());
        let report = self.report(opened, &upto);
        let Opened { draft, keys, .. } = opened;
        draft.commit(Closing { upto: &upto, report: &report, keys }).await
    }

    fn report(&self, opened: &Opened, upto: &Position) -> Report {
        let stage = StageId { pipeline: "shop".to_owned(), stage: "by hand".to_owned() };
        let started_at = "2026-03-10T12:00:00Z".parse().unwrap();
        let written = opened.draft.written();
        Report {
            run: Run {
                id: RunId(opened.id.0),
                stage,
                started_at,
                governed: Governed::default(),
                following: false,
            },
            draft: opened.id,
            judged_at: started_at,
            inputs: vec![],
            output: self.spec.dataset.clone(),
            columns: vec![],
            contract: None,
            counts: Counts { read: written, written, ..Counts::default() },
            rows_out: None,
            rejected_by: Default::default(),
            letters: Default::default(),
            quality: Evaluated::NotEvaluated,
            from: opened.from.clone(),
            upto: upto.clone(),
            accepted_at: None,
            recomputed: None,
            closed: Default::default(),
            remembered: None,
            trace: None,
            windows: Vec::new(),
        }
    }
}

struct Opened {
    id: DraftId,
    draft: Box<dyn Draft>,
    from: Position,
    keys: KeySet,
}

/// Rows of the table from JSON; what is not said is null.
pub(crate) fn batch(spec: &TableSpec, rows: &[Value]) -> RecordBatch {
    let reader = arrow::json::ReaderBuilder::new(Arc::clone(&spec.schema));
    let mut decoder = reader.with_batch_size(rows.len().max(1)).build_decoder().unwrap();
    decoder.serialize(rows).unwrap();
    decoder.flush().unwrap().unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&spec.schema)))
}

/// Replaces all days from `day` on.
pub(crate) fn replace_from(day: &str) -> Write {
    let day: NaiveDate = day.parse().unwrap();
    let days = i32::try_from((day - NaiveDate::default()).num_days()).unwrap();
    Write::Replace { column: "sold_on".to_owned(), from: ScalarValue::Date32(Some(days)) }
}

pub(crate) fn sale(no: &str, day: &str) -> Value {
    json!({"order_no": no, "amount": 1, "sold_on": day})
}

const SALES: &str = "SELECT order_no FROM silver.sales ORDER BY order_no";

#[tokio::test]
async fn a_draft_is_refused_when_its_position_was_moved_meanwhile() {
    let shop = Shop::open().await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    let mut from = Position::default();
    for rows in [vec![sale("slow", "2026-03-01")], vec![]] {
        from = writer.position().await;
        let mut slow = writer.draft(&writer.position().await, &[]).await.unwrap();
        slow.draft.write(&writer.spec.dataset, batch(&writer.spec, &rows)).await.unwrap();
        writer.append(&[]).await.unwrap();
        let error = writer.commit(&mut slow).await.unwrap_err();
        assert!(matches!(error, TargetError::Fenced { .. }), "{error:?}");
    }
    assert_eq!(shop.query(SALES).await.len(), 0);
    // Opening a draft at an old place is refused at once.
    let error = writer.draft(&from, &[]).await.err().unwrap();
    assert!(matches!(error, TargetError::Fenced { .. }), "{error:?}");
}

#[tokio::test]
async fn workers_that_move_different_partitions_are_not_in_each_others_way() {
    let shop = Shop::open().await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    for round in 0..3 {
        let position = writer.position().await;
        let own = |mine: &str| position.only(|slice| slice.as_str() == mine);
        let mut first = writer.draft(&own("source/0"), &[]).await.unwrap();
        let mut second = writer.draft(&own("source/1"), &[]).await.unwrap();
        let mut twice = writer.draft(&own("source/1"), &[]).await.unwrap();
        writer.commit_slice(&mut first, "source/0").await.unwrap();
        writer.commit_slice(&mut second, "source/1").await.unwrap();
        let error = writer.commit_slice(&mut twice, "source/1").await.unwrap_err();
        assert!(matches!(error, TargetError::Fenced { .. }), "{error:?}");
        let now = writer.position().await;
        let at = |slice: &str| now.mark(&Slice::from_name(slice)).unwrap().at;
        assert_eq!((at("source/0"), at("source/1")), (round + 1, round + 1));
    }
}

#[tokio::test]
async fn a_draft_with_keys_gives_way_only_to_rows_that_have_one_of_its_keys() {
    let shop = Shop::open().await;
    let (mine, other) =
        (Writer::sales(&shop, "shop/sell").await, Writer::sales(&shop, "shop/other").await);
    for (theirs, hit) in [("b", false), ("a", true), ("c", false)] {
        let mut keyed = mine.draft(&mine.position().await, &["order_no"]).await.unwrap();
        let rows = batch(&mine.spec, &[sale("a", "2026-03-01")]);
        let hasher = KeyHasher::new(&mine.spec.schema, &["order_no"]).unwrap();
        for hash in hasher.hash(&rows).unwrap().into_iter().flatten() {
            keyed.keys.insert(hash);
        }
        other.append(&[sale(theirs, "2026-03-01")]).await.unwrap();
        match mine.commit(&mut keyed).await {
            Ok(_) => assert!(!hit, "{theirs} is no key of the draft"),
            Err(error) => {
                assert!(hit && matches!(error, TargetError::Moved { .. }), "{theirs}: {error:?}");
                assert_eq!(error.fault(), assay_core::Fault::Transient);
            }
        }
    }
}

#[tokio::test]
async fn a_draft_gives_way_when_rows_went_that_it_was_built_on() {
    let shop = Shop::open().await;
    let (mine, other) =
        (Writer::sales(&shop, "shop/sell").await, Writer::sales(&shop, "shop/other").await);
    mine.append(&[sale("a", "2026-03-01")]).await.unwrap();
    let from = mine.position().await;
    let mut keyed = mine.draft(&from, &["order_no"]).await.unwrap();
    let mut replacing = mine.open(&from, &[], replace_from("2026-03-01")).await.unwrap();
    let mut plain = mine.draft(&from, &[]).await.unwrap();
    other.write(&[sale("b", "2026-03-02")], replace_from("2026-03-01")).await.unwrap();
    for draft in [&mut keyed, &mut replacing] {
        let error = mine.commit(draft).await.unwrap_err();
        assert!(matches!(error, TargetError::Moved { .. }), "{error:?}");
    }
    // One that only adds rows does not mind.
    mine.commit(&mut plain).await.unwrap();
}

#[tokio::test]
async fn a_draft_of_yesterday_refuses_itself() {
    let shop = Shop::open().await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    let mut draft = writer.draft(&writer.position().await, &[]).await.unwrap();
    shop.clock.advance(TimeDelta::hours(24));
    let error = writer.commit(&mut draft).await.unwrap_err();
    assert!(matches!(error, TargetError::Stale { .. }), "{error:?}");
    assert!(error.settled());
}

#[tokio::test]
async fn commits_come_in_order_with_their_reports() {
    let shop = Shop::open().await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    let mut made = Vec::new();
    for number in 0..3 {
        let rows: Vec<Value> =
            (0..number).map(|row| sale(&format!("{number}{row}"), "2026-03-01")).collect();
        made.push(writer.append(&rows).await.unwrap());
    }
    let commits = writer.target.commits(None).await.unwrap();
    assert_eq!(commits, made);
    let written: Vec<u64> = commits.iter().map(|commit| commit.report.counts.written).collect();
    assert_eq!(written, [0, 1, 2]);
    assert_eq!(writer.target.commits(Some(commits[0].sequence)).await.unwrap(), made[1..]);
    assert_eq!(writer.target.commits(Some(commits[2].sequence)).await.unwrap(), []);
}

#[tokio::test]
async fn the_position_is_in_the_table_and_in_the_snapshot_that_moved_it() {
    let shop = Shop::open().await;
    shop.take(&[order("a", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    let dataset = "bronze.orders".parse().unwrap();
    let table = shop.lake.existing(&dataset).await.unwrap();
    let key = "assay.position.shop/take.shop_orders/0";
    let property = &table.metadata().properties()[key];
    let mark: Mark = serde_json::from_str(property).unwrap();
    assert_eq!(mark.at, 1);
    assert_eq!(mark.draft, Some(summary.batches[0].draft));
    let info = shop.lake.info(&dataset).await.unwrap();
    assert_eq!(&info.snapshots[0].summary[key], property);
    // Only what moved is in the commit.
    let moved: Vec<&String> =
        info.snapshots[0].summary.keys().filter(|key| key.starts_with("assay.position.")).collect();
    assert_eq!(moved, [key]);
}

#[tokio::test]
async fn a_replace_removes_the_partitions_from_its_value_on_and_no_other() {
    let shop = Shop::open().await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    for day in ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"] {
        writer.append(&[sale(&format!("old {day}"), day)]).await.unwrap();
    }
    let both = [sale("old too", "2026-02-28"), sale("old there", "2026-03-02")];
    writer.append(&both).await.unwrap();
    let replace = replace_from("2026-03-02");
    writer.write(&[sale("new", "2026-03-02")], replace.clone()).await.unwrap();
    assert_eq!(shop.query(SALES).await, ["new", "old 2026-02-28", "old 2026-03-01", "old too"]);
    // Replaced by nothing.
    writer.write(&[], replace).await.unwrap();
    assert_eq!(shop.query(SALES).await, ["old 2026-02-28", "old 2026-03-01", "old too"]);
    let info = shop.lake.info(&writer.spec.dataset).await.unwrap();
    assert_eq!((info.rows, info.files), (3, 3));
    // An earlier state stays readable.
    let before = info.snapshots[2].id;
    let mut query = assay_pipeline::Query::open(&shop.lake, SALES, Some(before)).await.unwrap();
    let mut rows = 0;
    while let Some(batch) = query.next().await.unwrap() {
        rows += batch.num_rows();
    }
    assert_eq!(rows, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_append_lose_nothing() {
    const EACH: usize = 10;
    let shop = Shop::open().await;
    let spec = Arc::clone(&shop.stage("sell").writes);
    let second = open_lake(shop.folder.path(), &shop.clock).await;
    let writers = [
        Writer::new(&shop, &shop.lake, &spec, "shop/one"),
        Writer::new(&shop, &second, &spec, "shop/two"),
    ];
    let one = async |writer: &Writer| {
        writer.target.prepare().await.unwrap();
        for number in 0..EACH {
            let row = [sale(&format!("{} {number}", writer.reader), "2026-03-01")];
            // What gave way to the other tries again, as a run would.
            while let Err(error) = writer.append(&row).await {
                assert!(matches!(error, TargetError::Moved { .. }), "{error:?}");
            }
        }
    };
    tokio::join!(one(&writers[0]), one(&writers[1]));
    assert_eq!(shop.query(SALES).await.len(), 2 * EACH);
    let commits = writers[0].target.commits(None).await.unwrap();
    assert_eq!(commits.len(), 2 * EACH);
    assert!(commits.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    for writer in &writers {
        let mark = writer.position().await.0.into_values().next().unwrap();
        assert_eq!(mark.at, EACH as u64);
    }
}
