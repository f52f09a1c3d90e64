//! What it costs, beside planning.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_lineage::plans::{PlanTable, Tables, column_lineage};
use chrono::{DateTime, Utc};
use datafusion::datasource::empty::EmptyTable;
use futures::executor::block_on;

use crate::definition::{Folder, Pipeline};
use crate::session::{plan, planning, register};

#[test]
fn reading_lineage_costs_little_beside_planning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/github_events");
    let pipeline = Pipeline::load(&Folder::Disk(folder)).unwrap();
    for stage in &pipeline.stages {
        // Extracted columns are of no table.
        if stage.id.stage == "parse" {
            continue;
        }
        let source = stage.reads.schema();
        let read = stage.reads.dataset();
        let state = planning(DateTime::<Utc>::UNIX_EPOCH, &[(read, &source)]).unwrap();
        let previous = Arc::new(EmptyTable::new(Arc::clone(&stage.writes.schema)));
        register(&state, "none", "previous", previous).unwrap();
        let tables = Tables::from([
            (read.to_string(), PlanTable::of(read)),
            ("previous".to_owned(), PlanTable::of(&stage.writes.dataset)),
        ]);
        let (mut best_planning, mut best_reading) = (Duration::MAX, Duration::MAX);
        let mut best_optimizing = Duration::MAX;
        for _ in 0..5 {
            let begun = now();
            let written = block_on(plan(&state, &stage.model)).unwrap();
            best_planning = best_planning.min(begun.elapsed());
            let begun = now();
            let optimized = state.optimize(&written).unwrap();
            best_optimizing = best_optimizing.min(begun.elapsed());
            let begun = now();
            let lineage = column_lineage(&written, &optimized, &tables);
            best_reading = best_reading.min(begun.elapsed());
            assert_eq!(lineage.columns.len(), stage.writes.schema.fields().len());
        }
        println!(
            "{}: planned in {best_planning:?}, optimised in {best_optimizing:?}, lineage in \
             {best_reading:?}",
            stage.id
        );
        assert!(best_reading < best_planning + best_optimizing);
    }
}

#[allow(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}
