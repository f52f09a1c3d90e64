//! The whole road on one screen: made-up events in, gold out, and what happened on the way.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use assay_core::{Evaluated, Governed, Report};
use assay_dlq::{Filter, LetterView, Reason};
use assay_lineage::Graph;
use assay_pipeline::{Hop, IngestSummary, Input, RunSummary};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::DemoArgs;
use crate::commands::{dlq, generate, ingest, run};
use crate::exit::Usage;
use crate::generate::{CaughtBy, GithubEvents};
use crate::output::{Grid, json as print_json, line, number, score, short};
use crate::shipped;

const PIPELINE: &str = "github_events";
/// The share of events with a planted defect.
const DEFECTS: f64 = 0.02;

/// Says that a directory is a demo's. One that holds other data is left alone.
pub(crate) fn claim(directory: &Path) -> Result<()> {
    let mark = directory.join("DEMO");
    let empty = std::fs::read_dir(directory).map_or(true, |mut inside| inside.next().is_none());
    if !empty && !mark.exists() {
        return Err(Usage(format!(
            "{} holds data that is no demo's: choose another directory with --data-dir",
            directory.display()
        ))
        .into());
    }
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&mark, "Data of `assay demo`; it can be deleted.\n"));
    written.with_context(|| {
        format!(
            "cannot use the data directory {}: choose another with --data-dir",
            directory.display()
        )
    })
}

pub(crate) async fn demo(app: App, what: &DemoArgs, as_json: bool) -> Result<()> {
    app.stop_on_ctrl_c();
    let pipeline = shipped::load(PIPELINE)?;
    let now = app.clock.now();
    let file = app.data_dir().join(format!("events-{}.jsonl", now.format("%Y%m%dT%H%M%S%3f")));
    let mut events = GithubEvents::new(what.events, what.seed, DEFECTS, now);
    generate::write_file(&file, &mut events)?;
    if !as_json {
        generated(&events, &file)?;
    }
    let input = Input::File(file);
    let taken = ingest::take_in(&app, &pipeline, &input, as_json).await?;
    let mut runs = Vec::new();
    let asked = run::Asked { hop: Hop::All, governed: Governed::ALL, date: None };
    run::stages(&app, &pipeline, asked, as_json, &mut runs, &|_| ()).await?;
    if as_json {
        return print_json(&value(&app, &events, &taken, &runs));
    }
    line("2. Took them through ingest → log → bronze → silver → gold, every batch governed:\n")?;
    rows(&taken, &runs)?;
    line("\n3. How good each dataset is, and what cost the points:\n")?;
    scores(&runs)?;
    line("\n4. Three of the dead letters, each with its reason:\n")?;
    letters(&app).await?;
    line("\n5. Where gold came from:\n")?;
    let graph = Graph::new(&app.store.edges().await?);
    lineage(&graph)?;
    let with = format!("--data-dir {}", app.data_dir().display());
    line(format!(
        "\nGo on:\n  \
         assay {with} status\n  \
         assay {with} quality show silver.github_events_parsed\n  \
         assay {with} dlq list --reason rule-broken\n  \
         assay {with} query \"SELECT actor_login, total_activity_score FROM gold.user_activity ORDER BY 2 DESC LIMIT 5\"\n  \
         assay {with} metrics\n\
         (with `cargo run -- ` in place of `assay ` while it is not installed)"
    ))
}

fn generated(events: &GithubEvents, file: &Path) -> Result<()> {
    let truth = events.truth();
    line(format!(
        "1. Generated {} GitHub events with {} planted defects: {}\n   \
         {} for ingest to refuse, {} for the rules of silver, {} repeats",
        number(truth.lines),
        number(truth.planted.values().sum()),
        file.display(),
        number(truth.caught_by(CaughtBy::Ingest)),
        number(truth.caught_by(CaughtBy::Parse)),
        number(truth.caught_by(CaughtBy::Deduplication))
    ))
}

/// The same for programs.
fn value(app: &App, events: &GithubEvents, taken: &IngestSummary, runs: &[RunSummary]) -> Value {
    let truth = events.truth();
    let planted = truth.planted.iter().map(|(defect, count)| (defect.name(), *count));
    json!({
        "data_dir": app.data_dir(),
        "generated": truth.lines,
        "planted": planted.collect::<BTreeMap<&str, u64>>(),
        "ingest": ingest::value(taken),
        "runs": runs.iter().map(run::value).collect::<Vec<Value>>(),
    })
}

fn rows(taken: &IngestSummary, runs: &[RunSummary]) -> Result<()> {
    let columns = ["stage", "read#", "written#", "rejected#", "filtered#", "duplicates#"];
    let mut grid = Grid::new(&columns);
    let stages = std::iter::once((&taken.run.stage.stage, &taken.counts))
        .chain(runs.iter().map(|run| (&run.run.stage.stage, &run.counts)));
    for (stage, counts) in stages {
        grid.row([
            stage.clone(),
            number(counts.read),
            number(counts.written),
            number(counts.rejected),
            number(counts.filtered),
            number(counts.duplicates),
        ]);
    }
    grid.print()
}

fn scores(runs: &[RunSummary]) -> Result<()> {
    for report in runs.iter().filter_map(|run| run.batches.last()) {
        let dataset = report.output.to_string();
        line(format!(" {dataset:28} {:>6}  {}", score(report.score()), report.verdict_name()))?;
        if let Some(costs) = costs(report) {
            line(format!("     {costs}"))?;
        }
    }
    Ok(())
}

/// The rules that cost points, the dearest first; none when none did.
fn costs(report: &Report) -> Option<String> {
    let Evaluated::Judged(quality) = &report.quality else { return None };
    let mut lost: Vec<(f64, &str)> = quality
        .rules
        .iter()
        .filter(|rule| rule.lost >= 0.005)
        .map(|rule| (rule.lost, rule.rule.as_str()))
        .collect();
    lost.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most: Vec<String> =
        lost.iter().take(3).map(|(points, rule)| format!("{rule} −{points:.2}")).collect();
    let rest = lost.len().saturating_sub(3);
    let more = if rest > 0 { format!(", {rest} more") } else { String::new() };
    (!most.is_empty()).then(|| format!("lost: {}{more}", most.join(", ")))
}

/// The newest letters of three different reasons.
async fn letters(app: &App) -> Result<()> {
    let mut shown: Vec<LetterView> = Vec::new();
    for reason in [Reason::Undecodable, Reason::RuleBroken, Reason::Untransformable, Reason::Schema]
    {
        let filter = Filter { reason: Some(reason), limit: 1, ..Filter::default() };
        shown.extend(app.queue.list(&filter).await?);
    }
    for letter in shown.iter().take(3) {
        let detail = letter.detail.as_deref().unwrap_or("–");
        line(format!("{}  {} in {}", letter.id, dlq::reason(letter), dlq::stage_of(letter)))?;
        line(format!("    {}", short(detail, 90)))?;
    }
    Ok(())
}

/// The tree behind gold; of many files only the first.
fn lineage(graph: &Graph) -> Result<()> {
    line(graph.upstream("gold.user_activity").to_string())
}
