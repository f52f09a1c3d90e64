//! The SQL of `assay query`, over a lake without tables.
#![no_main]

use std::sync::{Arc, LazyLock};

use assay_core::SystemClock;
use assay_fuzz::{unwind, wait};
use assay_pipeline::{Lake, Query};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static LAKE: LazyLock<(TempDir, Lake)> = LazyLock::new(|| {
    let made = TempDir::new().expect("there is room");
    let (lake, spill) = (made.path().join("lake"), made.path().join("tmp"));
    let lake = wait(Lake::open(&lake, &spill, 64 << 20, Arc::new(SystemClock)));
    (made, lake.expect("an empty folder becomes a lake"))
});

fuzz_target!(|sql: &str| {
    unwind();
    // Planned, not answered: an answer may rightly take for ever.
    let _ = wait(Query::open(&LAKE.1, sql, None));
});
