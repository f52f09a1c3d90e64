//! A contract in ODCS, and the rules that are made of it.
#![no_main]

use std::sync::LazyLock;

use assay_core::{Contract, DatasetName};
use assay_pipeline::arrow_schema;
use assay_quality::Suite;
use libfuzzer_sys::fuzz_target;

static DATASET: LazyLock<DatasetName> =
    LazyLock::new(|| "silver.github_events_parsed".parse().expect("a name"));

fuzz_target!(|text: &str| {
    if let Ok(contract) = Contract::parse("contract.yaml", text, &DATASET) {
        let columns = arrow_schema(&contract);
        assert_eq!(columns.fields().len(), contract.columns.len());
        // All mistakes, or rules that can judge.
        let _ = Suite::compile(&contract, &columns);
    }
});
