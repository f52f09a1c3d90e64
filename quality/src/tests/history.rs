//! What a batch looks like, and how it is held against those before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
    Int64Array, RecordBatch, StringArray, StringViewArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use chrono::TimeDelta;
use proptest::prelude::*;

use assay_core::contract::{ColumnType, ContractColumn};
use assay_core::profile::{ColumnProfile, Numbers, Values, stability};
use assay_core::{Check, Drift, DriftBy, Lag, Outcome, Profile, Quality, Rule, Season, Verdict};

use super::{batch, contract, facts_of_batch, noon, rule, tally};
use crate::{History, PastLag, Suite};

fn column(name: &str, kind: ColumnType) -> ContractColumn {
    ContractColumn { name: name.to_owned(), kind, description: None, sensitive: false, line: 1 }
}

/// A suite for the columns of `rows`.
fn profiled(rows: &RecordBatch, columns: Vec<ContractColumn>, rules: Vec<Rule>) -> Suite {
    let mut contract = contract(rules);
    contract.columns = columns;
    Suite::compile(&contract, rows.schema_ref()).unwrap()
}

fn looks_like(suite: &Suite, chunks: &[RecordBatch]) -> Profile {
    let mut profiler = suite.profiler();
    chunks.iter().for_each(|rows| profiler.take(rows));
    profiler.finish()
}

fn numbers(column: &ColumnProfile) -> &Numbers {
    let Values::Numbers(numbers) = &column.values else { panic!("{column:?}") };
    numbers
}

fn top(column: &ColumnProfile) -> Vec<(&str, f64)> {
    let Values::Texts(texts) = &column.values else { panic!("{column:?}") };
    texts.shares()
}

#[test]
fn every_type_of_a_table_is_profiled() {
    let day = 20_000;
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4)])) as ArrayRef),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![100, 250, 250, 400])
                    .with_precision_and_scale(9, 2)
                    .unwrap(),
            ),
        ),
        ("ratio", Arc::new(Float64Array::from(vec![0.5, f64::NAN, f64::INFINITY, 1.5]))),
        ("day", Arc::new(Date32Array::from(vec![day, day, day + 2, day]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![5, 6, 7, 8]))),
        ("word", Arc::new(StringViewArray::from(vec![Some("a"), Some("b"), Some("a"), None]))),
        (
            "code",
            Arc::new(vec!["x", "x", "x", "y"].into_iter().collect::<DictionaryArray<Int32Type>>()),
        ),
        ("flag", Arc::new(BooleanArray::from(vec![true, true, true, false]))),
    ]);
    let kind = ColumnType::Text;
    let columns = rows.schema().fields().iter().map(|it| column(it.name(), kind)).collect();
    let profile = looks_like(&profiled(&rows, columns, vec![]), &[rows]);
    let of = |name: &str| profile.column(name).unwrap();
    assert_eq!((profile.rows, profile.columns.len()), (4, 8));
    let id = of("id");
    assert_eq!((id.rows, id.nulls, id.distinct.count()), (4, 1, 3));
    assert_eq!((numbers(id).count, numbers(id).range), (3, Some((1.0, 4.0))));
    assert_eq!((numbers(of("price")).mean, of("price").distinct.count()), (2.5, 3));
    assert_eq!((numbers(of("ratio")).odd, numbers(of("ratio")).range), (2, Some((0.5, 1.5))));
    assert_eq!(numbers(of("day")).quantile(0.5), Some(f64::from(day)));
    assert_eq!(numbers(of("at")).range, Some((5_000.0, 8_000.0)));
    let third = 1.0 / 3.0;
    assert_eq!(top(of("word")), [("a", 2.0 * third), ("b", third)]);
    assert_eq!(top(of("code")), [("x", 0.75), ("y", 0.25)]);
    assert_eq!(top(of("flag")), [("true", 0.75), ("false", 0.25)]);
}

#[test]
fn of_a_sensitive_column_no_value_is_kept() {
    let mail = StringArray::from(vec![Some("ann@example.org"), Some("ann@example.org"), None]);
    let pay = Int64Array::from(vec![123_456, 123_456, 654_321]);
    let rows = batch(vec![("mail", Arc::new(mail) as ArrayRef), ("pay", Arc::new(pay))]);
    let secret = |name: &str, kind| ContractColumn { sensitive: true, ..column(name, kind) };
    let columns = vec![secret("mail", ColumnType::Text), secret("pay", ColumnType::Long)];
    let profile = looks_like(&profiled(&rows, columns, vec![]), &[rows]);
    assert_eq!((profile.columns[0].rows, profile.columns[0].nulls), (3, 1));
    let text = serde_json::to_string(&profile).unwrap();
    assert!(!text.contains("ann") && !text.contains("123456"), "{text}");
}

/// Many rows: a number that goes from 0 to 999, and one of five words, the first in half of them.
fn many(rows: std::ops::Range<i64>, shift: i64) -> RecordBatch {
    let size: Int64Array = rows.clone().map(|row| row * 7919 % 1000 + shift).collect();
    let word = |row: i64| ["a", "a", "a", "a", "b", "c", "d", "e"][(row * 13 % 8) as usize];
    let word: StringArray = rows.map(|row| Some(word(row))).collect();
    batch(vec![("size", Arc::new(size) as ArrayRef), ("word", Arc::new(word))])
}

fn sizes_and_words() -> Vec<ContractColumn> {
    vec![column("size", ColumnType::Long), column("word", ColumnType::Text)]
}

#[test]
fn beyond_the_first_rows_some_stand_for_all() {
    let rows = many(0..100_000, 0);
    let suite = profiled(&rows, sizes_and_words(), vec![]);
    let chunks: Vec<RecordBatch> =
        (0..100_000).step_by(5_000).map(|from| rows.slice(from, 5_000)).collect();
    let profile = looks_like(&suite, &chunks);
    let size = numbers(&profile.columns[0]);
    assert_eq!((size.count, size.range), (100_000, Some((0.0, 999.0))));
    assert!((size.mean - 499.5).abs() < 1e-6 && size.quantiles.held() < 700);
    for share in [0.1, 0.5, 0.9] {
        let off = (size.quantile(share).unwrap() / 1000.0 - share).abs();
        assert!(off < 0.025, "{share}: {off}");
    }
    assert!(profile.columns[0].distinct.count().abs_diff(1000) < 100);
    let words = top(&profile.columns[1]);
    assert_eq!((words.len(), words[0].0), (5, "a"));
    assert!((words[0].1 - 0.5).abs() < 0.02, "{words:?}");
    // A profile is some kilobytes, however many rows there were.
    assert!(serde_json::to_string(&profile).unwrap().len() < 8_000);
}

#[test]
fn texts_that_are_all_different_are_not_kept() {
    let names: StringArray = (0..5_000).map(|row| Some(format!("user-{row}"))).collect();
    let rows = batch(vec![("name", Arc::new(names) as ArrayRef)]);
    let suite = profiled(&rows, vec![column("name", ColumnType::Text)], vec![]);
    let profile = looks_like(&suite, &[rows]);
    assert!(profile.columns[0].names_rows());
    assert!(!serde_json::to_string(&profile).unwrap().contains("user-"));
}

proptest! {
    /// Cut into whatever chunks, rows look the same: exactly in counts, nearly in the rest.
    #[test]
    fn a_profile_does_not_depend_on_how_rows_are_cut(
        cuts in proptest::collection::vec(1_usize..900, 1..12),
    ) {
        let rows = many(0..4_000, 0);
        let suite = profiled(&rows, sizes_and_words(), vec![]);
        let whole = looks_like(&suite, std::slice::from_ref(&rows));
        let (mut chunks, mut from) = (Vec::new(), 0);
        for cut in cuts.into_iter().cycle().take(4_000) {
            let cut = cut.min(4_000 - from);
            chunks.push(rows.slice(from, cut));
            from += cut;
            if from == 4_000 { break }
        }
        let pieces = looks_like(&suite, &chunks);
        for (one, other) in whole.columns.iter().zip(&pieces.columns) {
            prop_assert_eq!((one.rows, one.nulls, &one.distinct), (other.rows, other.nulls, &other.distinct));
            prop_assert!(stability(one, other).unwrap() < 0.02);
        }
        prop_assert_eq!(top(&whole.columns[1]), top(&pieces.columns[1]));
    }
}

fn drifts(column: &str, by: DriftBy) -> Rule {
    drifts_of(column, by, Season::None)
}

fn drifts_of(column: &str, by: DriftBy, season: Season) -> Rule {
    let drift = Drift { by, at_most: 0.2, warn_above: 0.1, runs: 3, at_least_rows: 200, season };
    rule("drift", Check::Drift { column: column.to_owned(), drift })
}

/// How a rule about drift finds rows, after runs of others.
fn after(runs: &[RecordBatch], rows: &RecordBatch, it: Rule) -> Quality {
    let suite = profiled(rows, sizes_and_words(), vec![it]);
    let like = runs.iter().map(|run| looks_like(&suite, std::slice::from_ref(run))).collect();
    let runs = suite.asks().runs.into_keys().map(|season| (season, Vec::clone(&like))).collect();
    let history = History { runs, ..History::default() };
    let profile = looks_like(&suite, std::slice::from_ref(rows));
    suite.report_among(&tally(&suite, rows), &facts_of_batch(), &history, &profile).unwrap()
}

#[test]
fn drift_learns_and_says_so_then_finds_what_moved() {
    let usual: Vec<RecordBatch> =
        (0..3).map(|run| many(run * 1_000..(run + 1) * 1_000, 0)).collect();
    let same = many(5_000..6_000, 0);
    let learns = after(&usual[..2], &same, drifts("size", DriftBy::Psi));
    let why = "it learns, 2 of 3 runs seen".to_owned();
    assert_eq!(learns.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!((learns.verdict, learns.score), (Verdict::Pass, Some(100.0)));
    assert_eq!(learns.rules[0].cost.as_deref(), Some("2 earlier profiles read"));

    for by in [DriftBy::Psi, DriftBy::Ks] {
        let fine = after(&usual, &same, drifts("size", by));
        assert_eq!((&fine.rules[0].outcome, fine.score), (&Outcome::Passed, Some(100.0)));
        assert!(fine.rules[0].observed.unwrap() < 0.05, "{fine:?}");
        let moved = after(&usual, &many(5_000..6_000, 300), drifts("size", by));
        assert_eq!((&moved.rules[0].outcome, moved.score), (&Outcome::Failed, Some(50.0)));
        assert_eq!(moved.verdict, Verdict::Warn);
        let sentence = format!("`drift`: the values are off by {} ", by.name());
        assert!(moved.because[0].starts_with(&sentence), "{:?}", moved.because);
    }
    // Between the two limits it warns, and costs some of the points.
    let near = after(&usual, &many(5_000..6_000, 150), drifts("size", DriftBy::Ks));
    assert_eq!((&near.rules[0].outcome, near.verdict), (&Outcome::Passed, Verdict::Warn));
    let lost = near.rules[0].lost;
    assert!(lost > 0.0 && lost < 50.0 && (near.score.unwrap() + lost - 100.0).abs() < 1e-9);
}

#[test]
fn drift_is_held_against_runs_of_the_same_weekday_and_hour_and_says_so_while_it_learns() {
    let usual: Vec<RecordBatch> =
        (0..3).map(|run| many(run * 1_000..(run + 1) * 1_000, 0)).collect();
    let same = many(5_000..6_000, 0);
    let weekly = |runs: &[RecordBatch], rows: &RecordBatch| {
        after(runs, rows, drifts_of("size", DriftBy::Psi, Season::Weekday))
    };
    let learns = weekly(&usual[..2], &same);
    let why = "it learns, 2 of 3 runs of this weekday seen".to_owned();
    assert_eq!(learns.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!(weekly(&usual, &same).rules[0].outcome, Outcome::Passed);
    let moved = weekly(&usual, &many(5_000..6_000, 300));
    let told = "from those of 3 earlier runs of this weekday (expected at most 0.2)";
    assert!(moved.because[0].ends_with(told), "{:?}", moved.because);

    // Each rule asks for its own runs.
    let rules = vec![
        drifts("size", DriftBy::Psi),
        Rule { name: "hourly".to_owned(), ..drifts_of("word", DriftBy::Psi, Season::WeekdayHour) },
    ];
    let asks = profiled(&same, sizes_and_words(), rules).asks();
    assert_eq!(asks.runs, BTreeMap::from([(Season::None, 3), (Season::WeekdayHour, 3)]));
}

#[test]
fn where_no_history_is_kept_rules_about_it_say_so_and_take_no_points() {
    let rows = many(0..1_000, 0);
    let suite = profiled(&rows, sizes_and_words(), vec![drifts("size", DriftBy::Psi)]);
    let quality = suite.report(&tally(&suite, &rows), &facts_of_batch()).unwrap();
    let why = "no history is kept of such runs".to_owned();
    assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!((quality.verdict, quality.score), (Verdict::Pass, Some(100.0)));
}

#[test]
fn drift_of_texts_is_that_of_their_shares() {
    let usual: Vec<RecordBatch> =
        (0..3).map(|run| many(run * 1_000..(run + 1) * 1_000, 0)).collect();
    let fine = after(&usual, &many(5_000..6_000, 0), drifts("word", DriftBy::Psi));
    assert_eq!(fine.rules[0].outcome, Outcome::Passed);
    let words: StringArray = (0..1_000).map(|row| Some(["a", "new"][row % 2])).collect();
    let size: Int64Array = (0..1_000).collect();
    let rows = batch(vec![("size", Arc::new(size) as ArrayRef), ("word", Arc::new(words))]);
    assert_eq!(
        after(&usual, &rows, drifts("word", DriftBy::Psi)).rules[0].outcome,
        Outcome::Failed
    );
}

#[test]
fn few_rows_are_no_drift_and_rows_without_a_value_are_told() {
    let usual: Vec<RecordBatch> =
        (0..3).map(|run| many(run * 1_000..(run + 1) * 1_000, 0)).collect();
    let few = after(&usual, &many(0..199, 900), drifts("size", DriftBy::Psi));
    let why = "199 rows are too few to tell, it takes 200".to_owned();
    assert_eq!((&few.rules[0].outcome, few.score), (&Outcome::NotEvaluated { why }, Some(100.0)));

    let nothing = Int64Array::from(vec![None; 300]);
    let words = StringArray::from(vec!["a"; 300]);
    let rows = batch(vec![("size", Arc::new(nothing) as ArrayRef), ("word", Arc::new(words))]);
    assert_eq!(
        after(&usual, &rows, drifts("size", DriftBy::Psi)).rules[0].outcome,
        Outcome::Failed
    );
    let unknown = after(&usual, &rows, drifts("size", DriftBy::Ks));
    let why = "no values are kept that could be compared".to_owned();
    assert_eq!(unknown.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!(unknown.score, Some(50.0), "what can't be evaluated costs its points");
}

/// How a rule of freshness finds a newest row of that age, after batches so many hours ago.
fn lags(season: Season, before: &[(i64, f64)], age_seconds: i64) -> Quality {
    let at = (noon() - TimeDelta::seconds(age_seconds)).timestamp_millis();
    let rows = batch(vec![("at", Arc::new(TimestampMillisecondArray::from(vec![at])) as ArrayRef)]);
    let lag = Lag { within_percent: 50.0, at_least_batches: 3, season };
    let it = rule("usual", Check::Lag { column: "at".to_owned(), lag });
    let suite = profiled(&rows, vec![column("at", ColumnType::Timestamp)], vec![it]);
    assert_eq!(suite.asks().lags, ["usual"]);
    let past = |(hours, seconds): &(i64, f64)| PastLag {
        at: noon() - TimeDelta::hours(*hours),
        seconds: *seconds,
    };
    let known = BTreeMap::from([("usual".to_owned(), before.iter().map(past).collect())]);
    let history = History { lags: known, ..History::default() };
    let profile = looks_like(&suite, std::slice::from_ref(&rows));
    let quality =
        suite.report_among(&tally(&suite, &rows), &facts_of_batch(), &history, &profile).unwrap();
    let remembered = suite.remember(profile, &quality);
    assert_eq!(remembered.lags, BTreeMap::from([("usual".to_owned(), age_seconds as f64)]));
    quality
}

#[test]
fn freshness_is_held_against_the_same_weekday_and_hour() {
    let learns = lags(Season::None, &[(1, 600.0), (2, 600.0)], 5_000);
    let why = "it learns, 2 of 3 batches seen".to_owned();
    assert_eq!(learns.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!(learns.score, Some(100.0));

    let usual = [(1, 600.0), (2, 500.0), (3, 700.0)];
    assert_eq!(lags(Season::None, &usual, 900).rules[0].outcome, Outcome::Passed);
    let stale = lags(Season::None, &usual, 901);
    assert_eq!((&stale.rules[0].outcome, stale.verdict), (&Outcome::Failed, Verdict::Warn));
    let why = "`usual`: the newest row is 15 min old, the median of 3 batches is 10 min (at \
               most 50 % older than the median of earlier batches)";
    assert_eq!(stale.because, [why]);
    // To be fresher is no mistake, and a minute is fresh for anybody.
    assert_eq!(lags(Season::None, &usual, 1).rules[0].outcome, Outcome::Passed);
    let quick = [(1, 1.0), (2, 1.0), (3, 1.0)];
    assert_eq!(lags(Season::None, &quick, 60).rules[0].outcome, Outcome::Passed);
    assert_eq!(lags(Season::None, &quick, 61).rules[0].outcome, Outcome::Failed);

    // On this weekday at this hour it is always late.
    let week = 7 * 24;
    let weekly = [
        (week, 9e4),
        (2 * week, 9e4),
        (3 * week, 9e4),
        (1, 60.0),
        (24, 60.0),
        (2, 60.0),
        (3, 60.0),
    ];
    assert_eq!(lags(Season::WeekdayHour, &weekly, 90_000).rules[0].outcome, Outcome::Passed);
    assert_eq!(lags(Season::None, &weekly, 90_000).rules[0].outcome, Outcome::Failed);
    let learns = lags(Season::WeekdayHour, &weekly[1..], 90_000);
    let why = "it learns, 2 of 3 batches of this weekday and hour seen".to_owned();
    assert_eq!(learns.rules[0].outcome, Outcome::NotEvaluated { why });
}
