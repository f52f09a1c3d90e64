mod history;
mod import;
mod junit;
mod profile;
mod rows;
mod run;
mod windows;

use anyhow::Result;
use assay_core::{DatasetName, Evaluated, Outcome, Quality, RuleResult, Verdict};
use assay_store::ReportRecord;
use serde_json::json;

use super::existing;
use crate::app::App;
use crate::args::QualityCommand;
use crate::config::Config;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, score, short, time};

/// Reports of the past that are shown as a history of the score.
const HISTORY: u32 = 10;

pub(crate) async fn quality(command: QualityCommand, config: Config, as_json: bool) -> Result<()> {
    match command {
        QualityCommand::Run(what) => run::run(config, &what, as_json).await,
        QualityCommand::Import(what) => import::import(config, &what, as_json).await,
        QualityCommand::History { dataset, limit } => {
            history::history(&existing(config).await?, &dataset, limit, as_json).await
        }
        QualityCommand::Windows { dataset, before, limit } => {
            let app = existing(config).await?;
            let before = before.map(|moment| moment.time(app.clock.now()));
            windows::windows(&app, &dataset, (before, limit), as_json).await
        }
        QualityCommand::Profile(what) => {
            profile::profile(&existing(config).await?, &what, as_json).await
        }
        QualityCommand::Rows(what) => rows::rows(existing(config).await?, &what, as_json).await,
        QualityCommand::Show { dataset } => {
            // Only others' datasets have names of another form; they are in a data folder.
            if let (Err(error), false) =
                (dataset.parse::<DatasetName>(), config.data_dir.is_dir() || config.store.is_some())
            {
                return Err(Usage(error.to_string()).into());
            }
            show(&existing(config).await?, &dataset, as_json).await
        }
    }
}

async fn show(app: &App, name: &str, as_json: bool) -> Result<()> {
    let dataset = name.parse::<DatasetName>();
    let reports = match &dataset {
        // Letters that came back are no news of how good it is.
        Ok(dataset) => app.store.reports_of_news(dataset, HISTORY).await?,
        Err(_) => Vec::new(),
    };
    let imported = app.store.imported(name, HISTORY).await?;
    let Some(latest) = reports.first() else {
        return match (imported.is_empty(), dataset) {
            (false, _) => import::show(&imported, as_json),
            (true, Err(error)) => Err(Usage(error.to_string()).into()),
            (true, Ok(dataset)) => Err(unknown(app, &dataset).await?.into()),
        };
    };
    if as_json {
        let history: Vec<_> = reports
            .iter()
            .map(|r| {
                json!({"judged_at": r.report.judged_at, "score": r.report.score(),
                            "verdict": r.report.verdict(), "run": r.report.run.id})
            })
            .collect();
        return json(
            &json!({"latest": latest.report, "commit_snapshot": latest.commit.map(|c| c.snapshot),
                    "waits": latest.waits, "accepted_at": latest.accepted_at, "history": history,
                    "imported": imported}),
        );
    }
    report(latest)?;
    if reports.len() > 1 {
        line("\nBefore:")?;
        let mut grid = Grid::new(&["judged", "score#", "verdict", "rows#", "rejected#"]);
        for record in &reports[1..] {
            let report = &record.report;
            grid.row([
                time(report.judged_at),
                score(report.score()),
                report.verdict_name().to_owned(),
                number(report.counts.read),
                number(report.counts.rejected),
            ]);
        }
        grid.print()?;
    }
    if !imported.is_empty() {
        line("")?;
        import::show(&imported, false)?;
    }
    Ok(())
}

/// Nothing is known of the dataset; of these something is.
async fn unknown(app: &App, dataset: &DatasetName) -> Result<Usage> {
    let reports = app.store.latest_reports().await?;
    let mut known: Vec<String> = reports.iter().map(|r| r.report.output.to_string()).collect();
    known.extend(app.store.imported_datasets().await?);
    known.sort();
    known.dedup();
    let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    Ok(Usage(format!("no batch of {dataset} was ever reported; there is: {known}")))
}

/// One report, down to what each rule cost.
pub(crate) fn report(record: &ReportRecord) -> Result<()> {
    let report = &record.report;
    let counts = &report.counts;
    let contract = report.contract.as_ref().map_or_else(String::new, |contract| {
        format!(" by contract {} {}", contract.id, contract.version)
    });
    let (at, landed) = (time(report.judged_at), landed(record));
    line(format!("{} judged {at}{contract} ({landed})", report.output))?;
    if record.waits && record.accepted_at.is_none() {
        line(format!(
            "batch {} waits: correct the contract or the source, or let it pass with\n  \
             assay run … --accept-batch {} --reason …",
            report.draft, report.draft
        ))?;
    }
    line(format!(
        "rows: {} read = {} written + {} rejected + {} filtered + {} duplicates",
        number(counts.read),
        number(counts.written),
        number(counts.rejected),
        number(counts.filtered),
        number(counts.duplicates)
    ))?;
    match &report.quality {
        Evaluated::NotEvaluated => {
            line("quality: not evaluated (run with --enable-quality-checks)")
        }
        Evaluated::Judged(quality) => judged(quality),
    }
}

/// Where the batch is now.
fn landed(record: &ReportRecord) -> String {
    let by_hand = record.report.verdict() == Some(Verdict::Halt);
    match (record.commit, record.accepted_at) {
        (Some(commit), _) if by_hand => format!("snapshot {}, let pass", commit.snapshot),
        (Some(commit), _) => format!("snapshot {}", commit.snapshot),
        (None, Some(at)) if record.waits => {
            format!("let pass {}, to be committed by the next run", time(at))
        }
        (None, Some(at)) => format!("let pass {}, committed as another batch", time(at)),
        (None, None) => "not committed".to_owned(),
    }
}

fn judged(quality: &Quality) -> Result<()> {
    line(format!("score: {} of 100, verdict: {}", score(quality.score), quality.verdict))?;
    for reason in &quality.because {
        line(format!("  {reason}"))?;
    }
    let mut grid = Grid::new(&["rule", "severity", "outcome", "failed#", "lost#", "expected"]);
    for result in &quality.rules {
        grid.row([
            short(&result.rule, 36),
            result.severity.to_string(),
            outcome(result),
            number(result.failed),
            format!("{:.2}", result.lost),
            short(&result.expected, 40),
        ]);
    }
    grid.print()?;
    costs(quality)?;
    dimensions(quality)
}

/// What rules took beyond the one pass over the rows.
fn costs(quality: &Quality) -> Result<()> {
    let asked = |result: &RuleResult| Some(format!("  {}: {}", result.rule, result.cost.as_ref()?));
    let costs: Vec<String> = quality.rules.iter().filter_map(asked).collect();
    if costs.is_empty() {
        return Ok(());
    }
    line("\nTook more than one pass over the rows:")?;
    costs.into_iter().try_for_each(line)
}

fn dimensions(quality: &Quality) -> Result<()> {
    if quality.dimensions.is_empty() {
        return Ok(());
    }
    line("\nBy dimension:")?;
    let mut grid = Grid::new(&["dimension", "score#", "lost#", "rules#"]);
    for found in &quality.dimensions {
        grid.row([
            found.dimension.to_string(),
            score(found.score),
            format!("{:.2}", found.lost),
            found.rules.to_string(),
        ]);
    }
    grid.print()
}

fn outcome(result: &RuleResult) -> String {
    match &result.outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Failed => "FAILED".to_owned(),
        Outcome::NotEvaluated { why } => format!("NOT EVALUATED: {why}"),
    }
}
