//! Results of other tools: of Great Expectations, Soda or dbt. What follows a line of `---` is the
//! manifest beside dbt's.
#![no_main]

use assay_quality::import;
use libfuzzer_sys::fuzz_target;

const BETWEEN: &[u8] = b"\n---\n";

fuzz_target!(|bytes: &[u8]| {
    let between = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN);
    let (results, manifest) = match between {
        Some(at) => (&bytes[..at], Some(("manifest.json", &bytes[at + BETWEEN.len()..]))),
        None => (bytes, None),
    };
    if let Ok(scans) = import("results.json", results, manifest) {
        assert!(scans.iter().any(|scan| !scan.results.is_empty()), "nothing is no result");
        for scan in &scans {
            // It goes into the store as JSON and comes back.
            let text = serde_json::to_string(scan).expect("a scan can be written");
            let back: assay_core::ImportedScan = serde_json::from_str(&text).expect("and read");
            assert_eq!(back.results.len(), scan.results.len());
            assert_eq!(scan.counts().iter().sum::<usize>(), scan.results.len());
        }
    }
});
