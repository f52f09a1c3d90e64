//! `pipeline.yaml` beside the contracts, models and schemas of the shipped pipeline.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use assay_fuzz::{folder, unwind};
use assay_pipeline::{Folder, Pipeline};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static BESIDE: LazyLock<TempDir> = LazyLock::new(|| {
    let made = TempDir::new().expect("there is room");
    for part in ["contracts", "models", "schemas"] {
        let link = |from: &Path| std::os::unix::fs::symlink(from, made.path().join(part));
        link(&folder().join(part)).expect("a link can be made");
    }
    made
});

fuzz_target!(|text: &[u8]| {
    unwind();
    fs::write(BESIDE.path().join("pipeline.yaml"), text).expect("there is room");
    if let Ok(pipeline) = Pipeline::load(&Folder::Disk(BESIDE.path().to_owned())) {
        assert!(!pipeline.name.is_empty());
    }
});
