use std::sync::Arc;

use anyhow::{Context, Result};
use assay_core::contract::ContractFile;
use assay_pipeline::{FileFormat, Look, Place, infer as infer_from, judge};
use serde_json::json;

use crate::args::InferArgs;
use crate::commands::inspect::{Counting, Desk};
use crate::config::Config;
use crate::output::{counted, json, line, number};

pub(crate) async fn infer(config: Config, what: &InferArgs, as_json: bool) -> Result<()> {
    let format = what.format.map(Into::into);
    let desk = Desk::open(config, &what.what, format, what.at).await?;
    let subject = desk.subject(what.sql.as_deref(), None).await?;
    let name = what.name.clone().unwrap_or_else(|| name_of(&what.what));
    let counting = Counting::start(&what.what);
    let seen = Arc::clone(&counting.seen);
    let (now, lake) = (desk.now, desk.lake());
    let look = Look { now, samples: 0, redact: Vec::new(), lake, earlier: None, seen };
    let mut found = infer_from(&subject, &name, &look).await?;
    let file = ContractFile::parse(&name, &found.text)?;
    let lines = match &desk.place {
        Place::File(path, format) => {
            format.or_else(|| FileFormat::of(path)) == Some(FileFormat::JsonLines)
        }
        Place::Table(..) => false,
    };
    if lines && let (None, Some((_, contract))) = (&what.sql, file.schema(None)) {
        // As `quality run` reads it: where numbers and texts are in one column only the texts fit.
        let subject = desk.subject(None, Some(contract)).await?;
        found.judgement = judge(&subject, contract, &look).await?;
    }
    drop(counting);
    let rules: usize = file.contracts.iter().map(|contract| contract.rules.len()).sum();
    if let Some(path) = &what.to {
        std::fs::write(path, &found.text)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if as_json {
        return json(&json!({
            "contract": found.text,
            "rows": found.rows,
            "refused": found.judgement.refused,
            "score": found.judgement.quality.score,
            "verdict": found.judgement.quality.verdict,
            "notes": found.notes,
        }));
    }
    for note in &found.notes {
        eprintln!("note: {note}");
    }
    for refused in &found.judgement.refused {
        eprintln!("note: {} could not be read: {}", counted(refused.rows, "row"), refused.why);
    }
    let kept = found.judgement.rows - found.judgement.rejected.min(found.judgement.rows);
    match &what.to {
        None => line(&found.text),
        Some(path) => line(format!(
            "{}: a contract with {}, kept by {}its {}",
            path.display(),
            counted(rules as u64, "rule"),
            if kept < found.judgement.rows { number(kept) + " of " } else { String::new() },
            counted(found.judgement.rows, "row")
        )),
    }
}

/// What the file or table is called, as an id.
fn name_of(what: &str) -> String {
    let name = std::path::Path::new(what).file_name().and_then(|name| name.to_str());
    let name = match what.parse::<assay_core::DatasetName>() {
        Ok(dataset) => dataset.name().to_owned(),
        Err(_) => name.unwrap_or_default().split('.').next().unwrap_or_default().to_owned(),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    match name.trim_matches(['-', '_']).is_empty() {
        true => "data".to_owned(),
        false => name,
    }
}
