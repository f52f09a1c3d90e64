//! What the rules found that hold a batch against earlier ones.

use assay_core::profile::{ColumnProfile, distance, stability};
use assay_core::{Drift, DriftBy, Lag, Outcome, Rule, Season, Volume};

use super::batch::without_value;
use super::{Finding, outcome};
use crate::Tally;
use crate::report::Known;
use crate::score::ramp;
use crate::wording::Span;

/// Why nothing can be said where nobody remembers earlier runs.
const FIRST: &str = "no history is kept of such runs";

/// Newer rows are fresh enough for anybody, however fresh they use to be.
const ALWAYS_FRESH: f64 = 60.0;

pub(super) fn volume(volume: Volume, tally: &Tally, known: &Known<'_>) -> Finding {
    let Volume { within_percent, at_least_batches, season } = volume;
    let expected = format!("within {within_percent} % of the median of earlier batches");
    let Some(history) = known.history else { return Finding::idle(FIRST, expected) };
    let history = &history.batches;
    let alike = history.iter().filter(|past| season.like(past.at, known.now));
    let mut before: Vec<f64> = alike.map(|past| past.rows as f64).collect();
    let seen = before.len();
    let cost = Some(format!("{} earlier reports read", history.len()));
    if seen < at_least_batches as usize {
        return Finding { cost, ..learns((seen, at_least_batches), "batches", season, expected) };
    }
    let middle = median(&mut before);
    let rows = tally.written as f64;
    let off = if rows == middle { 0.0 } else { 100.0 * (rows - middle).abs() / middle };
    Finding {
        observed: Some(rows),
        sentence: format!("{rows} rows, the median of {seen} batches is {middle} ({expected})"),
        cost,
        ..Finding::new(outcome(off <= within_percent), expected)
    }
}

pub(super) fn lag(
    usual: Lag,
    lag: Option<f64>,
    (rule, rows): (&Rule, u64),
    known: &Known<'_>,
) -> Finding {
    let Lag { within_percent, at_least_batches, season } = usual;
    let expected = format!("at most {within_percent} % older than the median of earlier batches");
    let Some(lag) = lag else { return without_value(rows, expected) };
    let Some(history) = known.history else { return Finding::idle(FIRST, expected) };
    let history = history.lags.get(&rule.name).map_or(&[][..], Vec::as_slice);
    let alike = history.iter().filter(|past| season.like(past.at, known.now));
    let mut before: Vec<f64> = alike.map(|past| past.seconds).collect();
    let seen = before.len();
    // What was measured is remembered, also while it learns.
    let (observed, cost) = (Some(lag), Some(format!("{} earlier batches read", history.len())));
    if seen < at_least_batches as usize {
        let learns = learns((seen, at_least_batches), "batches", season, expected);
        return Finding { observed, cost, ..learns };
    }
    let middle = median(&mut before);
    let most = (middle * (1.0 + within_percent / 100.0)).max(ALWAYS_FRESH);
    let (newest, usual) = (Span(lag), Span(middle));
    Finding {
        observed,
        cost,
        sentence: format!(
            "the newest row is {newest} old, the median of {seen} batches is {usual} ({expected})"
        ),
        ..Finding::new(outcome(lag <= most), expected)
    }
}

pub(super) fn drift(drift: &Drift, column: &str, known: &Known<'_>) -> Finding {
    let Drift { by, at_most, warn_above, runs, at_least_rows, season } = *drift;
    let like = like(season);
    let expected = format!("{} at most {at_most} against {runs} earlier runs{like}", by.name());
    let Some(history) = known.history else { return Finding::idle(FIRST, expected) };
    let Some(now) = known.profile.column(column) else {
        return Finding::idle("there is no profile of the rows", expected);
    };
    let there = history.runs.get(&season).map_or(&[][..], Vec::as_slice);
    let there = there.iter().take(runs as usize);
    let cost = Some(format!("{} earlier profiles read", there.len()));
    // Of another type nothing can be said.
    let alike = there.filter_map(|run| run.column(column)).filter(|before| before.alike(now));
    let before: Vec<&ColumnProfile> = alike.collect();
    let seen = before.len();
    let idle =
        |why: String| Finding { cost: cost.clone(), ..Finding::idle(&why, expected.clone()) };
    if seen < runs as usize {
        return Finding { cost, ..learns((seen, runs), "runs", season, expected) };
    }
    let usual = before.into_iter().cloned().reduce(|mut all, one| {
        all.merge(&one);
        all
    });
    let Some(usual) = usual else { return idle("there is no earlier run".to_owned()) };
    if now.rows < at_least_rows || usual.rows < at_least_rows {
        let (rows, whose) = match now.rows < at_least_rows {
            true => (now.rows, ""),
            false => (usual.rows, " of earlier runs"),
        };
        return idle(format!("{rows} rows{whose} are too few to tell, it takes {at_least_rows}"));
    }
    let measured = match by {
        DriftBy::Psi => stability(&usual, now),
        DriftBy::Ks => distance(&usual, now),
    };
    let Some(measured) = measured else {
        let why = "no values are kept that could be compared".to_owned();
        let sentence = format!("not evaluated, {why}");
        let outcome = Outcome::NotEvaluated { why };
        return Finding { cost, sentence, ..Finding::new(outcome, expected) };
    };
    let outcome = outcome(measured <= at_most);
    let sentence = format!(
        "the values are off by {} {measured:.3} from those of {seen} earlier runs{like} (expected \
         at most {at_most})",
        by.name()
    );
    Finding {
        observed: Some(measured),
        quality: ramp(measured, warn_above, at_most),
        warns: outcome == Outcome::Passed && measured > warn_above,
        sentence,
        cost,
        ..Finding::new(outcome, expected)
    }
}

/// Too few batches or runs are known to say anything yet, which is said.
fn learns((seen, of): (usize, u32), what: &str, season: Season, expected: String) -> Finding {
    let like = like(season);
    Finding::idle(&format!("it learns, {seen} of {of} {what}{like} seen"), expected)
}

fn like(season: Season) -> &'static str {
    match season {
        Season::None => "",
        Season::Weekday => " of this weekday",
        Season::WeekdayHour => " of this weekday and hour",
    }
}

/// The middle one, or between the two in the middle; 0 of none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count => (values[(count - 1) / 2] + values[count / 2]) / 2.0,
    }
}
