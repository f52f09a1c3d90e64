//! Holds what a stream wrote against what was sent.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use assay_pipeline::Postgres;
use serde::Serialize;

use crate::app::{database, open_postgres};
use crate::args::VerifyArgs;
use crate::commands::generate::TRUTH;
use crate::config::Config;
use crate::generate::{Sale, Truth};
use crate::output::{json, line, number};

const MINUTE: i64 = 60_000_000;

/// Mistakes that are shown one by one.
const SHOWN: usize = 10;

/// The figures of one minute, in the order of the columns of `kpi_1m`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Minute {
    cents: i64,
    counts: [i64; 5],
}

const KINDS: [&str; 5] =
    ["order_created", "payment_initiated", "payment_success", "payment_failed", "order_cancelled"];

#[derive(Debug, Default, Serialize)]
struct Outcome {
    events: usize,
    minutes: usize,
    revenue: String,
    late: usize,
    /// Late ones that are there, since they were replayed.
    corrected: usize,
    refused: u64,
    repeated: u64,
    mistakes: Vec<String>,
}

/// Events that a stream should have counted and has not, or the other way round.
#[derive(Debug, thiserror::Error)]
#[error("what is in Postgres is not what was sent: {0} mistakes")]
struct Wrong(usize);

pub(crate) async fn ecommerce(config: &Config, what: &VerifyArgs, as_json: bool) -> Result<()> {
    let mut truth = Truth::default();
    match what.truth.is_empty() {
        true => truth.read(&config.data_dir.join(TRUTH))?,
        false => what.truth.iter().try_for_each(|path| truth.read(path))?,
    }
    let postgres = open_postgres(database(config)?, &std::env::temp_dir())?;
    let mut outcome = Outcome {
        late: truth.late.len(),
        refused: truth.bad,
        repeated: truth.again,
        ..Outcome::default()
    };
    let there = events(&postgres).await?;
    let counted = of_events(&truth, &there, what.replayed, &mut outcome);
    of_minutes(&counted, &minutes(&postgres).await?, &mut outcome);
    outcome.events = there.len();
    show(&outcome, as_json)?;
    match outcome.mistakes.len() {
        0 => Ok(()),
        mistakes => Err(Wrong(mistakes).into()),
    }
}

async fn events(postgres: &Postgres) -> Result<Vec<Sale>> {
    let sql = "SELECT id, (extract(epoch FROM event_time) * 1000000)::bigint::text, event_type, \
                 (amount * 100)::bigint::text FROM events_clean";
    let rows = postgres.texts(sql).await?;
    let sale = |row: Vec<Option<String>>| {
        let [Some(id), Some(at), Some(kind), Some(cents)] = <[_; 4]>::try_from(row).ok()? else {
            return None;
        };
        Some(Sale { id, at: at.parse().ok()?, kind, cents: cents.parse().ok()? })
    };
    let sales: Option<Vec<Sale>> = rows.into_iter().map(sale).collect();
    sales.context("a row of events_clean has no id, time, type or amount")
}

/// The minutes, and those of `v_kpi_24h` summed up as one.
async fn minutes(postgres: &Postgres) -> Result<BTreeMap<i64, Minute>> {
    let sql = "SELECT (extract(epoch FROM window_start) * 1000000)::bigint::text, \
                 (revenue * 100)::bigint::text, orders_created::text, payment_initiated::text, \
                 payment_success::text, payment_failed::text, order_cancelled::text FROM kpi_1m";
    let mut minutes = BTreeMap::new();
    for row in postgres.texts(sql).await? {
        let numbers: Option<Vec<i64>> =
            row.into_iter().map(|text| text.and_then(|text| text.parse().ok())).collect();
        let numbers = numbers.context("a row of kpi_1m lacks a figure")?;
        let [start, cents, counts @ ..] = &numbers[..] else { continue };
        let mut minute = Minute { cents: *cents, ..Minute::default() };
        minute.counts.copy_from_slice(counts);
        minutes.insert(*start, minute);
    }
    Ok(minutes)
}

/// Every event once, as it was sent, and no other; gives those that count.
fn of_events<'a>(
    truth: &'a Truth,
    there: &[Sale],
    replayed: bool,
    outcome: &mut Outcome,
) -> Vec<&'a Sale> {
    let mut counted = Vec::new();
    let mut found = std::collections::BTreeSet::new();
    for sale in there {
        let sent = truth.counts.get(&sale.id).or_else(|| truth.in_doubt.get(&sale.id));
        let late = truth.late.get(&sale.id);
        match sent.or(late.filter(|_| replayed)) {
            Some(sent) => {
                if sent != sale {
                    outcome.mistakes.push(format!("event {} is not as it was sent", sale.id));
                }
                outcome.corrected += usize::from(late.is_some());
                counted.push(sent);
            }
            None if late.is_some() => {
                let told = "was late and is there (right with --replayed)";
                outcome.mistakes.push(format!("event {} {told}", sale.id));
            }
            None => outcome.mistakes.push(format!("event {} was never sent so", sale.id)),
        }
        found.insert(sale.id.as_str());
    }
    let missing = truth.counts.keys().filter(|id| !found.contains(id.as_str()));
    outcome.mistakes.extend(missing.map(|id| format!("event {id} is missing")));
    counted
}

/// Every minute is the sum of its events.
fn of_minutes(counted: &[&Sale], there: &BTreeMap<i64, Minute>, outcome: &mut Outcome) {
    let mut expected: BTreeMap<i64, Minute> = BTreeMap::new();
    for sale in counted {
        let minute = expected.entry(sale.at - sale.at.rem_euclid(MINUTE)).or_default();
        if sale.kind == "payment_success" {
            minute.cents += i64::try_from(sale.cents).unwrap_or(i64::MAX);
        }
        if let Some(place) = KINDS.iter().position(|kind| *kind == sale.kind) {
            minute.counts[place] += 1;
        }
    }
    for (start, minute) in &expected {
        if there.get(start) != Some(minute) {
            outcome.mistakes.push(format!("the minute of {} is wrong", told(*start)));
        }
    }
    for start in there.keys().filter(|start| !expected.contains_key(start)) {
        outcome.mistakes.push(format!("nothing was sent for the minute of {}", told(*start)));
    }
    let cents: i64 = there.values().map(|minute| minute.cents).sum();
    outcome.minutes = there.len();
    outcome.revenue = format!("{}.{:02}", cents / 100, cents % 100);
}

fn told(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros).map(|at| at.to_rfc3339()).unwrap_or_default()
}

fn show(outcome: &Outcome, as_json: bool) -> Result<()> {
    if as_json {
        return json(outcome);
    }
    let (events, minutes) = (number(outcome.events as u64), number(outcome.minutes as u64));
    line(format!("{events} events in {minutes} minutes, revenue {}", outcome.revenue))?;
    line(format!(
        "sent beside them: {} late ({} replayed), {} that break a rule, {} repeats",
        outcome.late, outcome.corrected, outcome.refused, outcome.repeated
    ))?;
    for mistake in outcome.mistakes.iter().take(SHOWN) {
        line(format!("  {mistake}"))?;
    }
    match outcome.mistakes.len() {
        0 => line("Exact: every event once, every minute to the cent."),
        more if more > SHOWN => line(format!("  and {} more", more - SHOWN)),
        _ => Ok(()),
    }
}
