use anyhow::Result;
use assay_core::profile::{ColumnProfile, Numbers, Values, stability};
use assay_core::{Profile, RunId};
use assay_store::ProfileRecord;
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::history::sparkline;
use crate::app::App;
use crate::args::ProfileArgs;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, short, time};

/// Runs that are looked through for one, and those before it that it is held against.
const RUNS: u32 = 10_000;
const BEFORE: usize = 7;

const BINS: usize = 10;
const SHARES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

pub(super) async fn profile(app: &App, what: &ProfileArgs, as_json: bool) -> Result<()> {
    let (record, before) = find(app, what).await?;
    let usual = before.into_iter().map(|record| record.profile).reduce(|mut all, one| {
        all.merge(&one);
        all
    });
    if let Some(name) = &what.column
        && record.profile.column(name).is_none()
    {
        let known: Vec<&str> = record.profile.columns.iter().map(|it| it.name.as_str()).collect();
        let what = format!("the profile has no column `{name}`; it has {}", known.join(", "));
        return Err(Usage(what).into());
    }
    let wanted = |column: &&ColumnProfile| what.column.as_ref().is_none_or(|it| *it == column.name);
    let columns: Vec<&ColumnProfile> = record.profile.columns.iter().filter(wanted).collect();
    if as_json {
        let columns: Vec<Value> = columns.iter().map(|it| told(it, usual.as_ref())).collect();
        return json(&json!({
            "dataset": what.dataset,
            "run": record.run,
            "judged_at": record.judged_at,
            "batches": record.batches,
            "rows": record.profile.rows,
            "columns": columns,
        }));
    }
    let (rows, batches) = (number(record.profile.rows), number(record.batches));
    let (dataset, run, at) = (&what.dataset, record.run, time(record.judged_at));
    line(format!("{dataset}, run {run}, judged {at}: {rows} rows in {batches} batches"))?;
    match what.column {
        Some(_) => columns.into_iter().try_for_each(|column| alone(column, usual.as_ref())),
        None => all(&columns, usual.as_ref()),
    }
}

/// The run asked for, and those that were before it.
async fn find(app: &App, what: &ProfileArgs) -> Result<(ProfileRecord, Vec<ProfileRecord>)> {
    let wanted: Option<RunId> = match &what.run {
        None => None,
        Some(id) => Some(
            id.parse()
                .map_err(|_| Usage(format!("`{id}` is no id of a run: `assay runs` lists them")))?,
        ),
    };
    let few = u32::try_from(BEFORE + 1).unwrap_or(RUNS);
    let limit = if wanted.is_some() { RUNS } else { few };
    let mut known = app.store.profiles(&what.dataset, None, limit).await?;
    if known.is_empty() {
        let reports = app.store.reports(Some(&what.dataset), 1).await?;
        return Err(match reports.is_empty() {
            true => super::unknown(app, &what.dataset).await?,
            false => Usage(format!(
                "no run of {} was profiled: a stage does so that runs with --enable-quality-checks",
                what.dataset
            )),
        }
        .into());
    }
    let place = wanted.map_or(Some(0), |run| known.iter().position(|record| record.run == run));
    let Some(place) = place else {
        let what = format!("{} has no profile of that run: see `assay runs`", what.dataset);
        return Err(Usage(what).into());
    };
    let mut rest = known.split_off(place);
    rest.truncate(BEFORE + 1);
    let record = rest.remove(0);
    Ok((record, rest))
}

fn drifted(column: &ColumnProfile, usual: Option<&Profile>) -> Option<f64> {
    let before = usual?.column(&column.name).filter(|before| before.alike(column))?;
    // Times move on by themselves.
    (!timely(&column.kind)).then(|| stability(before, column)).flatten()
}

fn all(columns: &[&ColumnProfile], usual: Option<&Profile>) -> Result<()> {
    let mut grid = Grid::new(&["column", "type", "null#", "distinct#", "psi#", "values"]);
    for column in columns {
        grid.row([
            short(&column.name, 24),
            short(&column.kind, 13),
            percent(column.null_share()),
            distinct(column),
            drifted(column, usual).map_or_else(|| "–".to_owned(), |psi| format!("{psi:.3}")),
            short(&values(column), 60),
        ]);
    }
    grid.print()
}

/// What a column has in a few words.
fn values(column: &ColumnProfile) -> String {
    match &column.values {
        Values::Hidden => "not kept, for its classification".to_owned(),
        Values::Numbers(numbers) => {
            let Some((least, greatest)) = numbers.range else { return "–".to_owned() };
            let middle = numbers.quantile(0.5).unwrap_or(least);
            let say = |value| shown(value, &column.kind);
            let drawn = drawn(numbers);
            format!("{} {drawn} {}, median {}", say(least), say(greatest), say(middle))
        }
        Values::Texts(_) if column.names_rows() => "nearly all different".to_owned(),
        Values::Texts(texts) => {
            let share =
                |(value, share): (&str, f64)| format!("{} {}", short(value, 20), percent(share));
            let shares: Vec<String> = texts.shares().into_iter().take(3).map(share).collect();
            if shares.is_empty() { "–".to_owned() } else { shares.join(", ") }
        }
    }
}

/// All that is known of one column.
fn alone(column: &ColumnProfile, usual: Option<&Profile>) -> Result<()> {
    let (rows, nulls) = (number(column.rows), number(column.nulls));
    let share = percent(column.null_share());
    line(format!("{} {}: {rows} rows, {nulls} NULL ({share})", column.name, column.kind))?;
    if let Some(psi) = drifted(column, usual) {
        line(format!("psi {psi:.3} against the runs before"))?;
    }
    match &column.values {
        Values::Hidden => line("its values are not kept, for its classification"),
        Values::Numbers(numbers) => {
            line(format!("{} different values, {} odd ones", distinct(column), numbers.odd))?;
            let Some((least, greatest)) = numbers.range else { return Ok(()) };
            let say = |value| shown(value, &column.kind);
            line(format!("{} {} {}", say(least), drawn(numbers), say(greatest)))?;
            if !timely(&column.kind) {
                let deviation = numbers.deviation().unwrap_or_default();
                line(format!("mean {}, deviation {}", say(numbers.mean), say(deviation)))?;
            }
            let mut grid = Grid::new(&["share#", "at most#"]);
            for share in SHARES {
                let value = numbers.quantile(share).map_or_else(String::new, say);
                grid.row([percent(share), value]);
            }
            grid.print()
        }
        Values::Texts(_) if column.names_rows() => line("nearly all texts are different"),
        Values::Texts(texts) => {
            line(format!("{} different values", distinct(column)))?;
            let mut grid = Grid::new(&["value", "share#"]);
            for (value, share) in texts.shares() {
                grid.row([short(value, 64), percent(share)]);
            }
            grid.print()
        }
    }
}

fn told(column: &ColumnProfile, usual: Option<&Profile>) -> Value {
    let mut told = json!({
        "column": column.name,
        "type": column.kind,
        "rows": column.rows,
        "nulls": column.nulls,
        "psi": drifted(column, usual),
    });
    let more = match &column.values {
        Values::Hidden => json!({"hidden": true}),
        Values::Numbers(numbers) => json!({
            "distinct": column.distinct.count(),
            "odd": numbers.odd,
            "min": numbers.range.map(|range| range.0),
            "max": numbers.range.map(|range| range.1),
            "mean": numbers.range.map(|_| numbers.mean),
            "std": numbers.deviation(),
            "quantiles": SHARES.map(|share| json!([share, numbers.quantile(share)])),
            "histogram": numbers.histogram(BINS),
        }),
        Values::Texts(texts) => json!({
            "distinct": column.distinct.count(),
            "top": texts.shares(),
        }),
    };
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more);
    }
    told
}

fn drawn(numbers: &Numbers) -> String {
    let bars: Vec<Option<f64>> = numbers.histogram(BINS).into_iter().map(Some).collect();
    sparkline(&bars)
}

fn distinct(column: &ColumnProfile) -> String {
    match column.values {
        Values::Hidden => "–".to_owned(),
        _ => format!("~{}", number(column.distinct.count().min(column.rows - column.nulls))),
    }
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 || percent >= 0.1 { format!("{percent:.1} %") } else { "<0.1 %".to_owned() }
}

fn timely(kind: &str) -> bool {
    kind == "date" || kind == "timestamptz"
}

/// A number as values of the type are written.
fn shown(value: f64, kind: &str) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "times of a column fit 64 bits")]
    let whole = value.round() as i64;
    match kind {
        "date" => {
            let days = TimeDelta::try_days(whole)
                .and_then(|days| DateTime::UNIX_EPOCH.checked_add_signed(days));
            days.map_or_else(|| value.to_string(), |day| day.format("%Y-%m-%d").to_string())
        }
        "timestamptz" => {
            DateTime::from_timestamp_micros(whole).map_or_else(|| value.to_string(), time)
        }
        _ if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value}"),
        _ if value.abs() >= 0.01 && value.abs() < 1e9 => format!("{value:.2}"),
        _ => format!("{value:.3e}"),
    }
}
