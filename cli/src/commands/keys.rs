use anyhow::{Result, anyhow};
use assay_collect::KeyHash;

use crate::output::{json, line};

/// Random bytes of a key.
const BYTES: usize = 32;

/// Makes a key and shows it once, with what to write into the configuration.
pub(crate) fn create(name: &str, as_json: bool) -> Result<()> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("cannot make a key: {error}"))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("assay_{digits}");
    let hash = KeyHash::of(&key).to_string();
    if as_json {
        return json(&serde_json::json!({ "name": name, "key": key, "sha256": hash }));
    }
    line(format!("key for {name}, shown only now: {key}\n"))?;
    line("Add this to assay.yaml:")?;
    line(format!(
        "collector:\n  keys:\n    - name: {}\n      sha256: {hash}",
        serde_json::to_string(name)?
    ))
}
