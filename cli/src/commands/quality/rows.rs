use anyhow::Result;
use assay_core::{Evaluated, OnFail, RuleResult};
use assay_dlq::{Filter, LetterView, Reason};
use assay_pipeline::{Look, Opening, Place, Sample, Subject, arrow_schema, judge};
use assay_quality::READABLE;
use assay_store::ReportRecord;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::{Judge, RowsArgs};
use crate::commands::inspect::{ByContract, by_contract, redacted};
use crate::exit::Usage;
use crate::output::{Grid, json, line, short};

/// What letters say of rows that could not be read, or not be brought into their columns.
const UNREADABLE: [Reason; 3] = [Reason::Undecodable, Reason::Schema, Reason::Untransformable];

/// Reports that are looked through for a batch.
const REPORTS: u32 = 10_000;

pub(super) async fn rows(app: App, what: &RowsArgs, as_json: bool) -> Result<()> {
    let record = batch(&app, what).await?;
    let result = result(&record, &what.rule)?;
    let by = match what.contract.is_some() || what.pipeline.is_some() {
        true => Some(by_contract(&arguments(what), &what.dataset.to_string())?),
        false => None,
    };
    let letters = letters(&app, what, &record, result).await?;
    let kept = kept(&app, what, &record, by.as_ref()).await?;
    if as_json {
        return json(&json!({
            "dataset": what.dataset,
            "batch": record.report.draft,
            "rule": result,
            "set_aside": letters.iter().map(told).collect::<Vec<_>>(),
            "kept": kept.as_ref().ok(),
            "why_not_kept": kept.as_ref().err(),
        }));
    }
    let report = &record.report;
    line(format!(
        "{}, batch {}: {} rows broke {}",
        what.dataset, report.draft, result.failed, what.rule
    ))?;
    set_aside(&letters)?;
    match kept {
        Ok(sample) => show(&sample),
        Err(why) if letters.is_empty() => line(format!("kept rows can't be shown: {why}")),
        Err(_) => Ok(()),
    }
}

/// A letter without its payload, which may hold what is to be seen by nobody.
fn told(letter: &LetterView) -> Value {
    json!({
        "letter": letter.id.to_string(),
        "origin": letter.origin.as_ref().map(|origin| &origin.0),
        "rules": letter.rules,
        "detail": letter.detail,
        "failed_at": letter.failed_at,
        "closed": letter.closed,
    })
}

async fn batch(app: &App, what: &RowsArgs) -> Result<ReportRecord> {
    let wanted = |record: &ReportRecord| match &what.batch {
        Some(id) => record.report.draft.to_string() == *id,
        None => matches!(record.report.quality, Evaluated::Judged(_)),
    };
    let limit = if what.batch.is_some() { REPORTS } else { 50 };
    let reports = app.store.reports(Some(&what.dataset), limit).await?;
    if reports.is_empty() {
        return Err(super::unknown(app, &what.dataset).await?.into());
    }
    let found = reports.into_iter().find(wanted);
    Ok(found.ok_or_else(|| {
        let name = what.batch.as_deref().unwrap_or("that was judged");
        Usage(format!("{} has no batch {name}: see `assay quality history`", what.dataset))
    })?)
}

fn result<'a>(record: &'a ReportRecord, rule: &str) -> Result<&'a RuleResult> {
    let Evaluated::Judged(quality) = &record.report.quality else {
        return Err(Usage("the batch was not judged".to_owned()).into());
    };
    let found = quality.rules.iter().find(|result| result.rule == rule);
    Ok(found.ok_or_else(|| {
        let known: Vec<&str> = quality.rules.iter().map(|result| result.rule.as_str()).collect();
        Usage(format!("the batch has no rule `{rule}`; it has {}", known.join(", ")))
    })?)
}

fn arguments(what: &RowsArgs) -> Judge {
    Judge {
        contract: what.contract.clone(),
        pipeline: what.pipeline.clone(),
        schema: None,
        format: None,
        at: None,
    }
}

/// The dead letters of the batch that name the rule, or that could not be read.
async fn letters(
    app: &App,
    what: &RowsArgs,
    record: &ReportRecord,
    result: &RuleResult,
) -> Result<Vec<LetterView>> {
    let report = &record.report;
    let all = Filter {
        dataset: Some(what.dataset.clone()),
        run: Some(report.run.id),
        include_closed: true,
        limit: what.limit,
        ..Filter::default()
    };
    let mut letters = Vec::new();
    if what.rule == READABLE && result.failed > 0 {
        for reason in UNREADABLE {
            let filter = Filter { reason: Some(reason), ..all.clone() };
            letters.extend(app.queue.list(&filter).await?);
        }
        letters.retain(|letter| letter.draft == Some(report.draft));
        letters.sort_by_key(|letter| std::cmp::Reverse(letter.failed_at));
        letters.truncate(what.limit);
    } else if report.rejected_by.contains_key(&what.rule) {
        letters = app.queue.list(&Filter { rule: Some(what.rule.clone()), ..all }).await?;
    }
    Ok(letters)
}

/// The rows in the table that break the rule, as of the batch; or why that can't be told.
async fn kept(
    app: &App,
    what: &RowsArgs,
    record: &ReportRecord,
    by: Option<&ByContract>,
) -> Result<std::result::Result<Sample, String>> {
    let Some(commit) = record.commit else {
        let inputs: Vec<String> = record.report.inputs.iter().map(ToString::to_string).collect();
        return Ok(Err(format!(
            "the batch was halted before anything of it was written, so its rows are in {} alone",
            inputs.join(", ")
        )));
    };
    if what.rule == READABLE {
        return Ok(Err("rows that could not be read are set aside".to_owned()));
    }
    let Some(by) = by else {
        return Ok(Err("name the contract with --contract or --pipeline".to_owned()));
    };
    let Some(rule) = by.contract.rules.iter().find(|rule| rule.name == what.rule) else {
        return Ok(Err(format!("the contract has no rule `{}` any more", what.rule)));
    };
    // Such rows are never in the table.
    if rule.on_fail == OnFail::Quarantine {
        return Ok(Err("rows that break this rule are set aside".to_owned()));
    }
    let mut contract = by.contract.clone();
    contract.rules.retain(|rule| rule.name == what.rule);
    let place = Place::Table(what.dataset.clone(), Some(commit.snapshot));
    let spill = app.spool();
    let with = Opening {
        lake: Some(&app.lake),
        spill: &spill,
        memory_bytes: app.config.memory_bytes,
        now: record.report.judged_at,
    };
    let subject = match Subject::open(&place, None, Some(&arrow_schema(&contract)), with).await {
        Ok(subject) => subject,
        Err(error) => return Ok(Err(format!("{error}; was the snapshot expired?"))),
    };
    let look = Look {
        now: record.report.judged_at,
        samples: what.limit,
        redact: redacted(&by.object),
        lake: Some(&app.lake),
        earlier: None,
        seen: Default::default(),
    };
    let mut found = judge(&subject, &contract, &look).await?;
    Ok(Ok(found.samples.remove(&what.rule).unwrap_or_default()))
}

fn set_aside(letters: &[LetterView]) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    line("set aside as dead letters (`assay dlq show ID` has the whole row):")?;
    let mut grid = Grid::new(&["letter", "origin", "detail"]);
    for letter in letters {
        grid.row([
            letter.id.to_string(),
            letter.origin.as_ref().map(|origin| short(&origin.0, 40)).unwrap_or_default(),
            short(letter.detail.as_deref().unwrap_or("–"), 60),
        ]);
    }
    grid.print()
}

fn show(sample: &Sample) -> Result<()> {
    if sample.rows.is_empty() {
        return line("no row of the table breaks it, as of the batch's snapshot");
    }
    line("in the table, as of the batch's snapshot:")?;
    let names: Vec<&str> = sample.columns.iter().map(String::as_str).collect();
    let mut grid = Grid::new(&names);
    for row in &sample.rows {
        grid.row(row.iter().map(|cell| short(cell.as_deref().unwrap_or("–"), 32)));
    }
    grid.print()
}
