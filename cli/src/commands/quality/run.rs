use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use assay_core::contract::describe;
use assay_core::{Ids, RandomIds, RunId, Verdict};
use assay_pipeline::{Earlier, Judgement, Look, judge};
use assay_store::Store;
use serde_json::json;

use super::{judged, junit};
use crate::app::open_store;
use crate::args::QualityRunArgs;
use crate::commands::inspect::{ByContract, Counting, Desk, by_contract, redacted};
use crate::config::Config;
use crate::exit::Halted;
use crate::output::{Grid, counted, json, line, number, score, short};
use crate::page;

/// Columns of a row that are shown to a person beside those of the rule.
const BESIDE: usize = 3;

pub(crate) async fn run(config: Config, what: &QualityRunArgs, as_json: bool) -> Result<()> {
    let by = by_contract(&what.by, &what.what)?;
    let format = what.by.format.map(Into::into);
    let store = match &what.history {
        None => None,
        Some(_) => Some(store(&config).await?),
    };
    let desk = Desk::open(config, &what.what, format, what.by.at).await?;
    let subject = desk.subject(what.sql.as_deref(), Some(&by.contract)).await?;
    let counting = Counting::start(&what.what);
    let earlier = store.as_ref().zip(what.history.as_deref());
    let earlier = earlier.map(|(store, name)| Earlier { store, name });
    let look = Look {
        now: desk.now,
        samples: what.samples,
        redact: redacted(&by.object),
        lake: desk.lake(),
        earlier,
        seen: Arc::clone(&counting.seen),
    };
    let mut found = judge(&subject, &by.contract, &look).await?;
    drop(counting);
    if let Some((earlier, remembered)) = earlier.zip(found.remembered.as_ref()) {
        earlier.keep(RunId(RandomIds.next()), desk.now, remembered).await?;
        let (known, name) = (earlier.known().await?, earlier.name);
        found
            .notes
            .push(format!("history {name}: what these rows look like is kept, {known} by now"));
    } else if let Some(name) = &what.history {
        found
            .notes
            .push(format!("history {name}: rows that are halted are no example, so not kept"));
    }
    // What cost most comes first.
    found.quality.rules.sort_by(|a, b| b.lost.total_cmp(&a.lost));
    let page = page::Judged {
        subject: &what.what,
        sql: what.sql.as_deref(),
        judged_at: desk.now,
        by: &by,
        found: &found,
    };
    if let Some(path) = &what.html {
        write(path, &page::judged(&page))?;
    }
    if let Some(path) = &what.junit {
        write(path, &junit::report(&what.what, &by.contract, &found))?;
    }
    if as_json {
        let contract = &by.contract;
        json(&json!({
            "subject": what.what,
            "contract": {"id": contract.id, "version": contract.version, "schema": by.object.name},
            "judged_at": desk.now,
            "rows": found.rows,
            "rejected": found.rejected,
            "refused": found.refused,
            "quality": found.quality,
            "samples": found.samples,
            "notes": found.notes,
        }))?;
    } else {
        show(&what.what, &by, &found)?;
    }
    match found.quality.verdict {
        Verdict::Halt => {
            let points = score(found.quality.score);
            Err(Halted(format!("{}: the verdict is halt (score {points})", what.what)).into())
        }
        Verdict::Pass | Verdict::Warn => Ok(()),
    }
}

/// The store of the data directory, which is made when it is not there.
async fn store(config: &Config) -> Result<Store> {
    let folder = &config.data_dir;
    if config.store.is_none() {
        std::fs::create_dir_all(folder).with_context(|| {
            format!("cannot use {}: choose another with --data-dir", folder.display())
        })?;
    }
    open_store(config).await
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn show(name: &str, by: &ByContract, found: &Judgement) -> Result<()> {
    let contract = &by.contract;
    line(format!("{name} judged by contract {} {}", contract.id, contract.version))?;
    let good = found.rows - found.rejected;
    line(format!(
        "rows: {} = {} that stay + {} rejected",
        number(found.rows),
        number(good),
        number(found.rejected)
    ))?;
    judged(&found.quality)?;
    for refused in &found.refused {
        let place = refused.line.map(|line| format!(", first in line {line}")).unwrap_or_default();
        line(format!("unreadable: {}, {}{place}", counted(refused.rows, "row"), refused.why))?;
    }
    for note in &found.notes {
        line(format!("note: {note}"))?;
    }
    for result in &found.quality.rules {
        samples(by, found, &result.rule)?;
    }
    Ok(())
}

/// Some of the rows that broke a rule.
fn samples(by: &ByContract, found: &Judgement, rule: &str) -> Result<()> {
    let Some(sample) = found.samples.get(rule).filter(|sample| !sample.rows.is_empty()) else {
        return Ok(());
    };
    let promise = by.contract.rules.iter().find(|known| known.name == rule);
    let promise = promise.map(|rule| describe(&rule.check)).unwrap_or_default();
    line(format!("\n{rule} ({}):", short(&promise, 60)))?;
    let places = page::columns_shown(by, found, rule, sample, BESIDE);
    let names: Vec<&str> = places.iter().map(|place| sample.columns[*place].as_str()).collect();
    let mut grid = Grid::new(&names);
    for row in &sample.rows {
        let cells = places.iter().map(|place| row[*place].as_deref().unwrap_or("–"));
        grid.row(cells.map(|cell| short(cell, 40)));
    }
    grid.print()
}
