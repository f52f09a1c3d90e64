//! The models that ship.

use std::path::Path;
use std::sync::Arc;

use assay_lineage::plans::{PlanTable, Tables, column_lineage};
use chrono::{DateTime, Utc};
use datafusion::datasource::empty::EmptyTable;
use futures::executor::block_on;

use crate::definition::{Folder, Pipeline};
use crate::session::{plan, planning, register};

#[test]
fn each_column_of_the_shipped_models_has_its_lineage() {
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
        let written = block_on(plan(&state, &stage.model)).unwrap();
        let optimized = state.optimize(&written).unwrap();
        let lineage = column_lineage(&written, &optimized, &tables);
        assert_eq!(lineage.columns.len(), stage.writes.schema.fields().len());
    }
}
