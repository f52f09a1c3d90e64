//! Rules that are judged by ways of their own find what the plain way finds.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use proptest::prelude::*;

use assay_core::{Bound, Check, Rule};

use super::{batch, holds, numbers, report, rule, suite};

/// Numbers as they come, and as nobody wants them.
fn odd_numbers() -> impl Strategy<Value = Vec<Option<f64>>> {
    let odd = prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0]);
    let number = prop_oneof![(-3..4_i32).prop_map(f64::from), odd, any::<f64>()];
    prop::collection::vec(prop::option::of(number), 1..200)
}

fn range(column: &str, (least, most): (i32, i32), inclusive: (bool, bool)) -> Rule {
    let bound = |value: i32, inclusive| Some(Bound { value: value.into(), inclusive });
    let (min, max) = (bound(least, inclusive.0), bound(most, inclusive.1));
    rule("range", Check::Between { column: column.to_owned(), min, max })
}

proptest! {
    /// Ranges are compared by a way of their own, which finds what comparing says.
    #[test]
    fn a_range_is_broken_by_what_is_not_within(
        doubles in odd_numbers(),
        ends in (-3..4_i32, 0..4_i32),
        inclusive in any::<(bool, bool)>(),
    ) {
        let ends = (ends.0, ends.0 + ends.1);
        let wholes: Vec<Option<i64>> =
            doubles.iter().map(|it| it.map(|it| it as i64)).collect();
        let within = |value: f64| {
            let (least, most) = (f64::from(ends.0), f64::from(ends.1));
            (value > least || inclusive.0 && value == least)
                && (value < most || inclusive.1 && value == most)
        };
        let wanted = |values: &mut dyn Iterator<Item = f64>| values.filter(|it| !within(*it)).count();
        let of_doubles = wanted(&mut doubles.iter().flatten().copied());
        let of_wholes = wanted(&mut wholes.iter().flatten().map(|it| *it as f64));
        let rows = batch(vec![
            ("x", Arc::new(Float64Array::from(doubles)) as ArrayRef),
            ("n", Arc::new(Int64Array::from(wholes))),
        ]);
        for (column, wanted) in [("x", of_doubles), ("n", of_wholes)] {
            let suite = suite(vec![range(column, ends, inclusive)], &rows);
            prop_assert_eq!(report(&suite, &rows).rules[0].failed, wanted as u64, "{}", column);
        }
    }

    /// Rules that ask for the same share the work, and each finds what it would find alone; also
    /// where it can't be evaluated on some rows.
    #[test]
    fn rules_that_ask_for_the_same_find_what_each_finds_alone(
        values in prop::collection::vec((prop::option::of(-2..3_i64), prop::option::of(-2..3_i64)), 1..60),
    ) {
        let rows = numbers(&values);
        let when = |name: &str, condition: Option<&str>, rule: Rule| Rule {
            name: name.to_owned(),
            condition: condition.map(str::to_owned),
            ..rule
        };
        let mut rules = Vec::new();
        for (number, condition) in [None, Some("b > 0"), Some("a / b > 0"), None].into_iter().enumerate() {
            let name = |kind: &str| format!("{kind}_{number}");
            rules.push(when(&name("divides"), condition, holds("", "a / b >= 0")));
            rules.push(when(&name("range"), condition, range("a", (0, 1), (true, false))));
        }
        let together = report(&suite(rules.clone(), &rows), &rows);
        for (rule, found) in rules.into_iter().zip(&together.rules) {
            let alone = report(&suite(vec![rule], &rows), &rows);
            let alone = &alone.rules[0];
            prop_assert_eq!((alone.failed, &alone.outcome), (found.failed, &found.outcome));
        }
    }
}
