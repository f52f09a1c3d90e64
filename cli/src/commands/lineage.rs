use std::collections::BTreeSet;

use anyhow::Result;
use assay_core::{Clock, SystemClock};
use assay_dlq::Moment;
use assay_lineage::draw::{self, Picture};
use assay_lineage::receive::run_id;
use assay_lineage::{
    Failed, Finding, Map, Names, NotFound, Route, Standing, What, changes, latest, newest, walk,
};
use assay_store::Store;
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::open_store;
use crate::args::{Format, LineageCommand, ShowArgs};
use crate::config::Config;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, printable, score, short, time};

/// Runs to look at first that are named.
const SUSPECTS: usize = 5;

pub(crate) async fn lineage(
    config: &Config,
    command: LineageCommand,
    output: Format,
) -> Result<()> {
    let as_json = output == Format::Json;
    match command {
        LineageCommand::Show(what) => show(&opened(config).await?, &what, output).await,
        LineageCommand::Impact { column, at } => {
            impact(&opened(config).await?, &column, then(at), as_json).await
        }
        LineageCommand::Blame { dataset, run } => {
            blame(&opened(config).await?, &dataset, run.as_deref(), as_json).await
        }
        LineageCommand::Diff { from, to } => {
            let store = opened(config).await?;
            let names = Names::load(&store).await?;
            let now = SystemClock.now();
            let (from, to) = (from.time(now), to.map_or(now, |to| to.time(now)));
            if to < from {
                return Err(Usage("--to is before --from: swap them".to_owned()).into());
            }
            diff(&changes(&store, &names, from, to).await?, as_json)
        }
        // The definition of the pipeline is enough.
        LineageCommand::Columns(what) => super::columns::show(&what, as_json),
        LineageCommand::Datasets { text, limit } => {
            datasets(&opened(config).await?, text.as_deref().unwrap_or_default(), limit, as_json)
                .await
        }
        LineageCommand::Runs { limit } => {
            let store = opened(config).await?;
            let (runs, _) = latest(&store, None, limit, SystemClock.now()).await?;
            if as_json { json(&runs) } else { told_runs(&runs) }
        }
        LineageCommand::Events { kind, limit } => {
            let (events, _) = newest(&opened(config).await?, kind, None, limit).await?;
            if as_json { json(&events) } else { list(&events) }
        }
    }
}

fn then(at: Option<Moment>) -> Option<DateTime<Utc>> {
    at.map(|at| at.time(SystemClock.now()))
}

/// The store alone answers, so nothing else is opened.
async fn opened(config: &Config) -> Result<Store> {
    super::must_exist(config)?;
    open_store(config).await
}

async fn show(store: &Store, what: &ShowArgs, output: Format) -> Result<()> {
    let names = Names::load(store).await?;
    let dataset = find(store, &names, &what.dataset).await?;
    let at = match &what.run {
        None => then(what.at),
        Some(run) => {
            let known = store.lineage_run(run_id(run)).await?;
            let unknown = || Usage(format!("no event told of the run {run}"));
            Some(known.ok_or_else(unknown)?.last_at)
        }
    };
    if let Some(column) = &what.column {
        let links = (what.depth, at);
        return columns(store, &names, (&dataset, column), links, output).await;
    }
    let upstream = what.upstream || !what.downstream;
    let route = Route { upstream, downstream: what.downstream, depth: what.depth, at };
    let map = walk(store, &names, &dataset, route).await?;
    match output {
        Format::Table | Format::Tree => tree(&map, route),
        Format::Json => json(&map),
        drawing => drawn(&Picture::from(&map), drawing),
    }
}

fn drawn(picture: &Picture, format: Format) -> Result<()> {
    line(match format {
        Format::Dot => draw::dot(picture),
        Format::Svg => draw::svg(picture),
        _ => draw::mermaid(picture),
    })
}

fn tree(map: &Map, route: Route) -> Result<()> {
    if route.upstream {
        line(map.upstream().to_string())?;
    }
    if route.downstream {
        line(map.downstream().to_string())?;
    }
    if map.cut {
        eprintln!("there is more, further away");
    }
    Ok(())
}

async fn columns(
    store: &Store,
    names: &Names,
    (dataset, column): (&str, &str),
    (depth, at): (Option<u32>, Option<DateTime<Utc>>),
    output: Format,
) -> Result<()> {
    found(assay_lineage::must_have(store, names, dataset, column).await)?;
    let links = assay_lineage::sources(store, names, dataset, column, at, depth).await?;
    match output {
        Format::Json => json(&links),
        Format::Table | Format::Tree if links.is_empty() => {
            line(format!("no event says where {dataset}.{column} comes from"))
        }
        Format::Table | Format::Tree => {
            let tree = assay_lineage::column_tree(dataset, column, &links);
            line(tree.to_string())
        }
        drawing => drawn(&assay_lineage::column_picture(dataset, column, &links), drawing),
    }
}

async fn impact(
    store: &Store,
    column: &str,
    at: Option<DateTime<Utc>>,
    as_json: bool,
) -> Result<()> {
    let names = Names::load(store).await?;
    let (dataset, column) = column_of(store, &names, column).await?;
    let reached = assay_lineage::impact(store, &names, &dataset, column, at).await?;
    if as_json {
        return json(&reached);
    }
    if reached.is_empty() {
        let went = match at {
            None => store.column_went(&names.all(&dataset), column).await?,
            Some(_) => None,
        };
        let until = went.map_or(String::new(), |went| {
            format!(
                " any more: until {} something did, ask with --at for a time before",
                time(went)
            )
        });
        return line(format!("nothing that is known comes from {dataset}.{column}{until}"));
    }
    let mut grid = Grid::new(&["steps#", "reaches", "column", "by its", "from", "job"]);
    for one in reached {
        let steps = one.distance.to_string();
        let job = one.job.to_string();
        grid.row([steps, one.dataset, one.column, one.why.name().to_owned(), one.from, job]);
    }
    grid.print()
}

/// A column and its dataset, which both may have dots in their names: the last one that makes sense
/// parts them.
async fn column_of<'w>(store: &Store, names: &Names, whole: &'w str) -> Result<(String, &'w str)> {
    let mut first = None;
    for (dot, _) in whole.rmatch_indices('.') {
        let (dataset, column) = (&whole[..dot], &whole[dot + 1..]);
        let looked = async {
            let dataset = names.find(store, dataset).await?;
            assay_lineage::must_have(store, names, &dataset, column).await?;
            Ok(dataset)
        };
        match looked.await {
            Ok(dataset) => return Ok((dataset, column)),
            Err(error @ NotFound::Store(_)) => found(Err(error))?,
            Err(error) => first = first.or(Some(error)),
        }
    }
    let Some(error) = first else {
        let told = "write the dataset and its column, as silver.orders.id";
        return Err(Usage(told.to_owned()).into());
    };
    if matches!(error, NotFound::Unknown { .. }) && names.find(store, whole).await.is_ok() {
        // All of it is a dataset.
        let told = format!("{whole} is a dataset: write which column of it, as {whole}.id");
        return Err(Usage(told).into());
    }
    found(Err(error))
}

async fn blame(store: &Store, dataset: &str, run: Option<&str>, as_json: bool) -> Result<()> {
    let names = Names::load(store).await?;
    let dataset = find(store, &names, dataset).await?;
    let id = run.map(run_id);
    let found = assay_lineage::blame(store, &names, &dataset, id, SystemClock.now()).await?;
    let Some(found) = found else {
        let which = run.map_or_else(|| "no run".to_owned(), |run| format!("the run {run} never"));
        return Err(Usage(format!("{which} wrote {dataset}, as far as events tell")).into());
    };
    if as_json {
        return json(&found);
    }
    let mut grid = Grid::new(&["steps#", "dataset", "job", "status", "score#", "failed", "run"]);
    for one in [&found.accused].into_iter().chain(&found.behind) {
        let rules: Vec<String> = one.failed.iter().map(|failed| failed.rule.clone()).collect();
        grid.row([
            one.distance.to_string(),
            one.dataset.clone(),
            one.run.job.to_string(),
            one.run.status.clone(),
            score(one.score),
            short(&rules.join(", "), 60),
            one.run.run.to_string(),
        ]);
    }
    grid.print()?;
    if found.cut {
        eprintln!("there are more runs behind these");
    }
    for one in &found.going {
        let text = format!(
            "{}, run {}, began later, and of its end nothing is known: look behind it with --run",
            one.job, one.run
        );
        eprintln!("{}", printable(&text));
    }
    let suspects = found.suspects();
    let Some(last) = suspects.len().checked_sub(1) else {
        return line("\nnothing is known against any of these runs");
    };
    for (place, one) in suspects.into_iter().enumerate().take(SUSPECTS) {
        line(format!("{}look first at {}", if place == 0 { "\n" } else { "or " }, told(one)))?;
    }
    if last >= SUSPECTS { line(format!("and {} more", last + 1 - SUSPECTS)) } else { Ok(()) }
}

/// What is known against a run, in a sentence.
fn told(one: &Finding) -> String {
    let mut against = vec![];
    match (one.run.status.as_str(), &one.error) {
        ("failed", Some(error)) => against.push(format!("it failed: {}", short(error, 200))),
        ("failed", None) => against.push("it failed".to_owned()),
        ("aborted", _) => against.push("it was aborted".to_owned()),
        ("lost", _) => against.push("of its end nothing is known".to_owned()),
        _ => {}
    }
    if let Some(score) = one.score.filter(|score| *score < 100.0) {
        against.push(format!("score {score:.2}"));
    }
    let named = |failed: &Failed| match &failed.column {
        Some(column) if !failed.rule.contains(column.as_str()) => {
            format!("{} of {column}", failed.rule)
        }
        _ => failed.rule.clone(),
    };
    let rules: Vec<String> = one.failed.iter().map(named).collect();
    if !rules.is_empty() {
        against.push(format!("broken: {}", rules.join(", ")));
    }
    let against = against.join("; ");
    printable(&format!("{} by {}, run {}: {against}", one.dataset, one.run.job, one.run.run))
}

fn diff(all: &[assay_lineage::Change], as_json: bool) -> Result<()> {
    if as_json {
        return json(&all);
    }
    let column =
        |column: &Option<String>| column.as_ref().map_or(String::new(), |c| format!(".{c}"));
    for one in all {
        let (sign, to) = (one.what.sign(), column(&one.output_column));
        let from = column(&one.input_column);
        let when = match one.what {
            What::Added => "since",
            What::Removed => "until",
        };
        let text = format!(
            "{sign} {}{to} ← {}{from}  [{}] {when} {}",
            one.output,
            one.input,
            one.job,
            time(one.at)
        );
        line(text.replace(char::is_control, "\u{fffd}"))?;
    }
    if all.is_empty() { line("nothing changed") } else { Ok(()) }
}

async fn datasets(store: &Store, text: &str, limit: usize, as_json: bool) -> Result<()> {
    let names = Names::load(store).await?;
    let known = store.lineage_datasets("", u32::MAX).await?;
    let all: BTreeSet<&str> = known.iter().map(|one| names.best(one)).collect();
    let meant = |one: &&str| names.all(one).iter().any(|name| name.contains(text));
    let mut all: Vec<&str> = all.into_iter().filter(meant).collect();
    let more = all.len().saturating_sub(limit);
    all.truncate(limit);
    let also = |one: &str| -> Vec<String> {
        let others = names.all(one).into_iter().filter(|name| *name != one);
        others.map(str::to_owned).collect()
    };
    if as_json {
        let one = |one: &&str| json!({"dataset": one, "aliases": also(one)});
        return json(&all.iter().map(one).collect::<Vec<_>>());
    }
    if all.is_empty() {
        return line("no dataset: no event named one so");
    }
    let mut grid = Grid::new(&["dataset", "also called"]);
    for one in all {
        grid.row([one.to_owned(), short(&also(one).join(", "), 100)]);
    }
    grid.print()?;
    if more > 0 { line(format!("and {} more: raise --limit", number(more as u64))) } else { Ok(()) }
}

fn told_runs(runs: &[Standing]) -> Result<()> {
    if runs.is_empty() {
        return line("no event told of a run");
    }
    let mut grid = Grid::new(&["last event", "job", "status", "began", "run"]);
    for run in runs {
        let (last, began) = (time(run.last_event_at), time(run.started_at));
        grid.row([last, run.job.to_string(), run.status.clone(), began, run.run.to_string()]);
    }
    grid.print()
}

fn list(events: &[assay_lineage::Summary]) -> Result<()> {
    let mut grid = Grid::new(&[
        "at",
        "kind",
        "job",
        "status",
        "rows in#",
        "rows out#",
        "loss %#",
        "seconds#",
        "error",
    ]);
    for event in events {
        let count = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), number);
        let share =
            |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |s| format!("{s:.2}"));
        grid.row([
            time(event.at),
            event.kind.to_owned(),
            event.job.to_string(),
            event.status.clone(),
            count(event.rows_in),
            count(event.rows_out),
            share(event.data_loss_percent),
            share(event.duration_seconds),
            short(event.error.as_deref().unwrap_or_default(), 60),
        ]);
    }
    grid.print()
}

async fn find(store: &Store, names: &Names, dataset: &str) -> Result<String> {
    found(names.find(store, dataset).await)
}

/// What is not there is a mistake of whoever asked.
fn found<T>(looked: Result<T, NotFound>) -> Result<T> {
    match looked {
        Err(NotFound::Store(error)) => Err(error.into()),
        Err(unknown) => Err(Usage(unknown.to_string()).into()),
        Ok(found) => Ok(found),
    }
}
