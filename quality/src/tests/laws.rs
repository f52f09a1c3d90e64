use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use proptest::prelude::*;

use assay_core::{Limit, OnFail, Rule, Severity};

use super::{close, facts_of_batch, holds, numbers, report, row_count, sql, suite, tally, unique};
use crate::score::{BatchPart, Score, batch_weight, row_weight, score};
use crate::{KeySet, Mask, Suite, Tally};

const RULES: usize = 6;

fn severity() -> impl Strategy<Value = Severity> {
    prop_oneof![
        Just(Severity::Info),
        Just(Severity::Warning),
        Just(Severity::Error),
        Just(Severity::Critical)
    ]
}

/// A batch: rows as masks, a severity for each row rule, and how batch rules are met.
#[derive(Debug, Clone)]
struct Case {
    rows: Vec<u128>,
    severities: Vec<Severity>,
    batch: Vec<(Severity, f64)>,
}

fn case() -> impl Strategy<Value = Case> {
    let rows = prop::collection::vec(0..1_u128 << RULES, 1..60);
    let severities = prop::collection::vec(severity(), RULES);
    let batch = prop::collection::vec((severity(), 0.0..=1.0_f64), 0..4);
    (rows, severities, batch).prop_map(|(rows, severities, batch)| Case { rows, severities, batch })
}

impl Case {
    fn score(&self) -> Score {
        let mut masks = BTreeMap::new();
        for row in &self.rows {
            let bits = (0..RULES).filter(|bit| row >> bit & 1 == 1);
            *masks.entry(Mask::of(bits)).or_insert(0) += 1;
        }
        let weights: Vec<f64> = self.severities.iter().copied().map(row_weight).collect();
        let part = |(severity, quality): &(Severity, f64)| BatchPart {
            weight: batch_weight(*severity),
            quality: *quality,
        };
        let batch: Vec<BatchPart> = self.batch.iter().map(part).collect();
        score(self.rows.len() as u64, &masks, &weights, &batch).unwrap()
    }
}

proptest! {
    #[test]
    fn the_score_lies_between_0_and_100(case in case()) {
        prop_assert!((0.0..=100.0).contains(&case.score().points));
    }

    #[test]
    fn lost_points_sum_to_what_is_missing(case in case()) {
        let score = case.score();
        let lost: f64 = score.lost_by_row_rules.iter().chain(&score.lost_by_batch_rules).sum();
        prop_assert!(close(lost, 100.0 - score.points), "{score:?}");
        prop_assert!(score.lost_by_row_rules.iter().all(|lost| *lost >= 0.0));
        prop_assert!(score.lost_by_batch_rules.iter().all(|lost| *lost >= -1e-9));
    }

    #[test]
    fn one_more_defect_never_raises_the_score(
        case in case(), row in any::<prop::sample::Index>(), bit in 0..RULES,
    ) {
        let mut worse = case.clone();
        let row = row.index(worse.rows.len());
        worse.rows[row] |= 1 << bit;
        prop_assert!(worse.score().points <= case.score().points + 1e-9);
    }

    #[test]
    fn a_higher_severity_never_raises_the_score(
        case in case(), bit in 0..RULES, severity in severity(),
    ) {
        let mut worse = case.clone();
        worse.severities[bit] = worse.severities[bit].max(severity);
        prop_assert!(worse.score().points <= case.score().points + 1e-9);
    }

    #[test]
    fn a_batch_rule_met_less_well_never_raises_the_score(
        case in case(), severity in severity(), quality in 0.0..=1.0_f64, less in 0.0..=1.0_f64,
    ) {
        let mut better = case.clone();
        better.batch.push((severity, quality));
        let mut worse = case;
        worse.batch.push((severity, quality * less));
        prop_assert!(worse.score().points <= better.score().points + 1e-9);
    }

    #[test]
    fn rules_that_always_hold_do_not_dilute_the_score(case in case(), severity in severity()) {
        let mut more = case.clone();
        more.severities.extend([severity; 40]);
        more.batch.push((severity, 1.0));
        prop_assert!(close(more.score().points, case.score().points));
    }

    #[test]
    fn judging_in_pieces_and_merging_is_judging_the_whole(
        rows in rows(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
    ) {
        let rows = numbers(&rows);
        let suite = all_kinds(&rows);
        let (one, other) = (one.index(rows.num_rows() + 1), other.index(rows.num_rows() + 1));
        let (first, second) = (one.min(other), one.max(other));
        let pieces = [
            rows.slice(0, first),
            rows.slice(first, second - first),
            rows.slice(second, rows.num_rows() - second),
        ];
        let [a, b, c] = pieces.map(|piece| tally(&suite, &piece));
        let whole = tally(&suite, &rows);
        let left = merge(merge(a.clone(), b.clone()), c.clone());
        prop_assert_eq!(&left, &whole);
        prop_assert_eq!(&merge(a.clone(), merge(b.clone(), c.clone())), &whole);
        prop_assert_eq!(&merge(c, merge(b, a)), &whole);
        let report = |tally: &Tally| suite.report(tally, &facts_of_batch()).unwrap();
        prop_assert_eq!(report(&left), report(&whole));
    }

    #[test]
    fn other_weights_need_no_other_pass(rows in rows(), severities in (severity(), severity())) {
        let rows = numbers(&rows);
        let rules = |severities: (Severity, Severity)| {
            let with = |severity, rule| Rule { severity, on_fail: OnFail::Keep, ..rule };
            vec![
                with(severities.0, holds("a_positive", "a > 0")),
                with(severities.1, holds("b_small", "b < 2")),
                unique("a_b.unique", &["a", "b"]),
            ]
        };
        let first = suite(rules((Severity::Error, Severity::Error)), &rows);
        let second = suite(rules(severities), &rows);
        // The tally of the one suite, weighed by the other.
        let again = second.report(&tally(&first, &rows), &facts_of_batch()).unwrap();
        prop_assert_eq!(again, report(&second, &rows));
    }

    #[test]
    fn what_dimensions_lose_is_what_the_whole_loses(rows in rows()) {
        let rows = numbers(&rows);
        let of = |dimension: &str, rule| Rule { dimension: dimension.to_owned(), ..rule };
        let suite = suite(
            vec![
                of("completeness", holds("there", "a IS NOT NULL")),
                of("conformity", holds("a_positive", "a > 0")),
                of("consistency", Rule { severity: Severity::Warning, ..holds("less", "a < b") }),
                of("uniqueness", unique("a.unique", &["a"])),
                of("coverage", row_count(Limit::GreaterThan(10.0))),
            ],
            &rows,
        );
        let quality = report(&suite, &rows);
        prop_assert_eq!(quality.dimensions.len(), 4);
        let lost: f64 = quality.dimensions.iter().map(|found| found.lost).sum();
        prop_assert!(close(lost, quality.score.map_or(0.0, |score| 100.0 - score)));
        for found in &quality.dimensions {
            prop_assert_eq!(found.score.is_some(), quality.score.is_some());
            // By fewer rules a batch never does worse.
            let points = |score: Option<f64>| score.unwrap_or_default();
            prop_assert!(points(found.score) >= points(quality.score) - 1e-9, "{quality:?}");
        }
    }

    #[test]
    fn every_row_judged_is_good_or_bad_and_in_one_mask(rows in rows()) {
        let rows = numbers(&rows);
        let judged = all_kinds(&rows).judge(&rows, &crate::Facts::default());
        prop_assert_eq!(judged.good.num_rows(), judged.good_rows.len());
        let mut places: Vec<u32> = judged.bad.iter().map(|bad| bad.row).collect();
        places.extend(&judged.good_rows);
        places.sort_unstable();
        prop_assert!(places.into_iter().eq(0..rows.num_rows() as u32));
        prop_assert_eq!(judged.tally.masks().map(|(_, rows)| rows).sum::<u64>(), judged.tally.rows());
        for (good, row) in judged.good_rows.iter().enumerate() {
            prop_assert_eq!(judged.good.slice(good, 1), rows.slice(*row as usize, 1));
        }
    }

    #[test]
    fn a_key_set_holds_exactly_what_was_put_in(keys in prop::collection::vec(0..40_u128, 0..80)) {
        let mut set = KeySet::default();
        let mut known = std::collections::BTreeSet::new();
        for key in &keys {
            prop_assert_eq!(set.insert(*key), known.insert(*key));
        }
        prop_assert_eq!(set.len(), known.len());
        prop_assert!((0..40).all(|key| set.contains(key) == known.contains(&key)));
    }
}

fn rows() -> impl Strategy<Value = Vec<(Option<i64>, Option<i64>)>> {
    let number = || prop::option::weighted(0.9, -3..4_i64);
    prop::collection::vec((number(), number()), 0..50)
}

/// A suite with a rule of each kind, one of which fails on some rows.
fn all_kinds(rows: &RecordBatch) -> Suite {
    suite(
        vec![
            holds("a_positive", "a > 0"),
            Rule { severity: Severity::Warning, ..holds("ratio", "a / b < 2") },
            Rule { on_fail: OnFail::Keep, ..holds("b_small", "b < 2") },
            Rule { condition: Some("b > 0".to_owned()), ..holds("where", "a > 1") },
            Rule { condition: Some("a / b > 0".to_owned()), ..unique("some", &["a"]) },
            unique("a_b.unique", &["a", "b"]),
            row_count(Limit::GreaterThan(10.0)),
            sql("SELECT SUM(a) - 2 * MIN(b) + COUNT(*) FROM orders WHERE b <> 1"),
        ],
        rows,
    )
}

fn merge(mut one: Tally, other: Tally) -> Tally {
    one.merge(other).unwrap();
    one
}
