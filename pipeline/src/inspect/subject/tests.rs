//! How often rows are read for a judgement.

use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use assay_core::contract::ContractFile;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use super::*;
use crate::inspect::{Judgement, Look, judge};

/// Rows that count how often they are read.
#[derive(Debug)]
struct Counted {
    rows: RecordBatch,
    schema: SchemaRef,
    reads: Arc<AtomicUsize>,
}

impl PartitionStream for Counted {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let rows = futures::stream::iter([Ok(self.rows.clone())]);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Twenty rows in two parts; the id of one comes again.
fn subject(reads: &Arc<AtomicUsize>) -> Subject {
    let ids: Vec<i64> = (0..19).chain([7]).collect();
    let words: Vec<&str> = (0..20).map(|row| ["a", "b"][row % 2]).collect();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from(ids))), ("word", Arc::new(StringArray::from(words)))];
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let rows = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let schema = rows.schema();
    let part = |from: usize| {
        let (schema, reads) = (Arc::clone(&schema), Arc::clone(reads));
        Arc::new(Counted { rows: rows.slice(from, 10), schema, reads }) as Arc<dyn PartitionStream>
    };
    let table = StreamingTable::try_new(Arc::clone(&schema), vec![part(0), part(10)]).unwrap();
    let provider: Arc<dyn TableProvider> = Arc::new(table);
    let state = session(DateTime::UNIX_EPOCH, None);
    let source = provider_as_source(Arc::clone(&provider));
    register(&state, "none", DATA, provider).unwrap();
    let plan = LogicalPlanBuilder::scan(DATA, source, None).unwrap().build().unwrap();
    let view = Arc::new(ViewTable::new(plan.clone(), None));
    register(&state, "inspected", "rows", view).unwrap();
    Subject {
        name: "counted".to_owned(),
        state,
        plan,
        there: Some(schema),
        refused: Refused::default(),
        spill: std::env::temp_dir(),
        questions: runtime(&std::env::temp_dir(), QUESTION_BYTES).unwrap(),
        table: false,
    }
}

/// What the rules find, and how often each of the two parts was read for it.
async fn judged(id: &str, more: &str, samples: usize) -> (Judgement, f64) {
    let text = format!(
        "apiVersion: v3.2.0\nkind: DataContract\nid: counted\nversion: 1.0.0\nstatus: active\n\
         schema:\n- name: counted\n  properties:\n  - {{name: id, logicalType: integer{id}}}\n  \
         - {{name: word, logicalType: string, required: true}}\n{more}"
    );
    let file = ContractFile::parse("counted", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let (_, contract) = file.schema(None).unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let look = Look {
        now: DateTime::UNIX_EPOCH,
        samples,
        redact: Vec::new(),
        lake: None,
        earlier: None,
        seen: Default::default(),
    };
    let judgement = judge(&subject(&reads), contract, &look).await.unwrap();
    (judgement, reads.load(Ordering::Relaxed) as f64 / 2.0)
}

/// Rules of every kind that looks at rows, many of each.
fn many() -> String {
    let rules = (0..20).map(|rule| {
        format!(
            "  - {{id: r{rule}, type: custom, engine: assay, implementation: {{expression: id < \
             {rule}}}}}\n  - {{id: q{rule}, type: sql, query: 'SELECT SUM(id) FROM {{object}} WHERE \
             id > {rule}', mustBeGreaterThan: 0}}\n  - {{id: u{rule}, metric: duplicateValues, \
             mustBe: 0, arguments: {{properties: [id, word]}}}}\n"
        )
    });
    format!("  quality:\n{}", rules.collect::<String>())
}

#[tokio::test]
async fn more_rules_add_no_scan_of_the_rows() {
    let (one, reads) = judged("", "", 5).await;
    assert_eq!((one.quality.rules.len(), reads), (3, 1.0));
    let (all, reads) = judged("", &many(), 0).await;
    assert_eq!((all.quality.rules.len(), reads), (63, 1.0));
    let failed = |name: &str| all.quality.rules.iter().find(|it| it.rule == name).unwrap().failed;
    assert_eq!((failed("r5"), failed("u0")), (15, 0), "every rule saw every row");
}

#[tokio::test]
async fn a_failed_rule_of_uniqueness_costs_one_more_look_at_its_columns_for_the_keys() {
    let (judgement, reads) = judged(", unique: true", "", 5).await;
    assert_eq!(judgement.samples["id.unique"].rows, [[Some("7".to_owned()), Some("2".to_owned())]]);
    assert_eq!(reads, 2.0);
    let (_, reads) = judged(", unique: true", "", 0).await;
    assert_eq!(reads, 1.0, "nobody wants to see them");
}
