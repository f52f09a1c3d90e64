use anyhow::Result;
use assay_core::{Clock, SystemClock};
use assay_lineage::{Finding, Map, Names, NotFound, Route, What, changes, draw, newest, walk};
use assay_store::Store;

use crate::app::open_store;
use crate::args::{Format, LineageCommand, ShowArgs};
use crate::config::Config;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, printable, score, short, time};

pub(crate) async fn lineage(
    config: &Config,
    command: LineageCommand,
    output: Format,
) -> Result<()> {
    let as_json = output == Format::Json;
    match command {
        LineageCommand::Show(what) => show(&opened(config).await?, &what, output).await,
        LineageCommand::Impact { column, at } => {
            impact(&opened(config).await?, &column, at, as_json).await
        }
        LineageCommand::Blame { dataset, run } => {
            blame(&opened(config).await?, &dataset, run, as_json).await
        }
        LineageCommand::Diff { from, to } => {
            let store = opened(config).await?;
            let names = Names::load(&store).await?;
            let to = to.unwrap_or_else(|| SystemClock.now());
            if to < from {
                return Err(Usage("--to is before --from: swap them".to_owned()).into());
            }
            diff(&changes(&store, &names, from, to).await?, as_json)
        }
        // The definition of the pipeline is enough.
        LineageCommand::Columns(what) => super::columns::show(&what, as_json),
        LineageCommand::Events { kind, limit } => {
            let (events, _) = newest(&opened(config).await?, kind, None, limit).await?;
            if as_json { json(&events) } else { list(&events) }
        }
    }
}

/// The store alone answers, so nothing else is opened.
async fn opened(config: &Config) -> Result<Store> {
    super::must_exist(config)?;
    open_store(config).await
}

async fn show(store: &Store, what: &ShowArgs, output: Format) -> Result<()> {
    let names = Names::load(store).await?;
    let dataset = find(store, &names, &what.dataset).await?;
    let at = match what.run {
        None => what.at,
        Some(run) => {
            let known = store.lineage_run(run).await?;
            let unknown = || Usage(format!("no event told of the run {run}"));
            Some(known.ok_or_else(unknown)?.last_at)
        }
    };
    if let Some(column) = &what.column {
        return columns(store, &names, (&dataset, column), at, output).await;
    }
    let upstream = what.upstream || !what.downstream;
    let route = Route { upstream, downstream: what.downstream, depth: what.depth, at };
    let map = walk(store, &names, &dataset, route).await?;
    match output {
        Format::Table | Format::Tree => tree(&map, route),
        Format::Json => json(&map),
        Format::Mermaid => line(draw::mermaid(&map)),
        Format::Dot => line(draw::dot(&map)),
        Format::Svg => line(draw::svg(&map)),
    }
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
    at: Option<chrono::DateTime<chrono::Utc>>,
    output: Format,
) -> Result<()> {
    found(assay_lineage::must_have(store, names, dataset, column).await)?;
    let links = assay_lineage::sources(store, names, dataset, column, at).await?;
    match output {
        Format::Json => json(&links),
        Format::Table | Format::Tree if links.is_empty() => {
            line(format!("no event says where {dataset}.{column} comes from"))
        }
        Format::Table | Format::Tree => {
            let tree = assay_lineage::column_tree(dataset, column, &links);
            line(tree.to_string())
        }
        _ => Err(Usage("columns are shown as tree or json".to_owned()).into()),
    }
}

async fn impact(
    store: &Store,
    column: &str,
    at: Option<chrono::DateTime<chrono::Utc>>,
    as_json: bool,
) -> Result<()> {
    let names = Names::load(store).await?;
    let (dataset, column) = column_of(store, &names, column).await?;
    let reached = assay_lineage::impact(store, &names, &dataset, column, at).await?;
    if as_json {
        return json(&reached);
    }
    if reached.is_empty() {
        return line(format!("nothing that is known comes from {dataset}.{column}"));
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

async fn blame(
    store: &Store,
    dataset: &str,
    run: Option<assay_core::RunId>,
    as_json: bool,
) -> Result<()> {
    let names = Names::load(store).await?;
    let dataset = find(store, &names, dataset).await?;
    let found = assay_lineage::blame(store, &names, &dataset, run, SystemClock.now()).await?;
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
    match found.suspects().first() {
        Some(first) => line(format!("\nlook first at {}", told(first))),
        None => line("\nnothing is known against any of these runs"),
    }
}

/// What is known against a run, in a sentence.
fn told(one: &Finding) -> String {
    let mut against = vec![];
    if one.run.status != "complete" && one.run.status != "running" {
        against.push(format!("it {}", one.run.status));
    }
    if let Some(score) = one.score.filter(|score| *score < 100.0) {
        against.push(format!("score {score:.2}"));
    }
    let rules: Vec<&str> = one.failed.iter().map(|failed| failed.rule.as_str()).collect();
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
        line(printable(&text))?;
    }
    if all.is_empty() { line("nothing changed") } else { Ok(()) }
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
