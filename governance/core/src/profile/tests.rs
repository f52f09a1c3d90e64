use super::quantiles::share_upto;
use super::{
    ColumnProfile, Distinct, Frequent, Numbers, Profile, Values, distance, scattered, stability,
};

/// Numbers from 0 to 1 that look like chance.
fn chance(from: u64, count: u64) -> impl Iterator<Item = f64> + Clone {
    (from..from + count).map(|number| (scattered(number) >> 11) as f64 / (1_u64 << 53) as f64)
}

fn numbers(values: impl Iterator<Item = f64> + Clone) -> ColumnProfile {
    let mut found = Numbers::default();
    found.add_all(values.clone());
    let mut distinct = Distinct::default();
    for value in values {
        found.sample(value, 0);
        distinct.add(scattered(value.to_bits()));
    }
    let rows = found.count + found.odd;
    let kind = "double".to_owned();
    let values = Values::Numbers(found);
    ColumnProfile { name: "it".to_owned(), kind, rows, nulls: 0, distinct, values }
}

fn texts(counts: &[(&str, u64)], nulls: u64) -> ColumnProfile {
    let counted = counts.iter().map(|(_, times)| times).sum();
    let mut found = Frequent::default();
    found.add(counted, counts.iter().copied());
    ColumnProfile {
        name: "it".to_owned(),
        kind: "string".to_owned(),
        rows: counted + nulls,
        nulls,
        distinct: Distinct::default(),
        values: Values::Texts(found),
    }
}

fn inner(column: &ColumnProfile) -> &Numbers {
    let Values::Numbers(numbers) = &column.values else { panic!("{column:?}") };
    numbers
}

fn merged(parts: &[ColumnProfile]) -> ColumnProfile {
    let mut all = parts[0].clone();
    parts[1..].iter().for_each(|part| all.merge(part));
    all
}

#[test]
fn ranks_are_right_within_two_percent_however_the_rows_were_divided() {
    const ROWS: u64 = 200_000;
    let sorted = (0..ROWS).map(|row| row as f64 / ROWS as f64);
    for (name, parts) in [
        ("at once", vec![numbers(chance(0, ROWS))]),
        ("in order", vec![numbers(sorted)]),
        ("many parts", (0..400).map(|part| numbers(chance(part * 500, 500))).collect()),
        (
            "unequal",
            vec![numbers(chance(0, 10)), numbers(chance(10, ROWS)), numbers(chance(7, 90))],
        ),
    ] {
        let all = merged(&parts);
        let all = inner(&all);
        let weighted = all.quantiles.weighted();
        let weight: u64 = weighted.iter().map(|(_, weight)| weight).sum();
        assert_eq!(weight, all.count, "{name}: no number is lost");
        assert!(all.quantiles.held() < 700, "{name}: {}", all.quantiles.held());
        for percent in 1..100 {
            let place = f64::from(percent) / 100.0;
            let off = (share_upto(&weighted, place) - place).abs();
            assert!(off < 0.02, "{name}: {off} at {place}");
        }
    }
}

#[test]
fn merging_in_another_order_gives_the_same_within_the_error() {
    let parts: Vec<ColumnProfile> = (0..9)
        .map(|part| numbers(chance(part * 10_000, 3_000).map(move |it| it + part as f64)))
        .collect();
    let mut others = parts.clone();
    others.reverse();
    let (left, right) = (merged(&parts[..4]), merged(&parts[4..]));
    let (one, other, halves) = (merged(&parts), merged(&others), merged(&[left, right]));
    for another in [&other, &halves] {
        let (one, another) = (inner(&one), inner(another));
        assert_eq!((one.count, one.range), (another.count, another.range));
        assert!((one.mean - another.mean).abs() < 1e-9 * one.mean.abs());
        assert!((one.squares / another.squares - 1.0).abs() < 1e-9);
    }
    assert_eq!((&one.distinct, one.rows), (&other.distinct, other.rows));
    assert_eq!(one.distinct, halves.distinct);
    assert!(distance(&one, &other).unwrap() < 0.03);
    assert!(distance(&one, &halves).unwrap() < 0.03);
}

#[test]
fn mean_and_deviation_keep_their_digits_far_from_zero() {
    let far = 1e15;
    let parts: Vec<ColumnProfile> =
        (0..4).map(|part| numbers((0..100).map(move |it| far + f64::from(it + part)))).collect();
    let all = merged(&parts);
    let (mean, deviation) = (inner(&all).mean, inner(&all).deviation().unwrap());
    assert_eq!(mean - far, 51.0);
    assert!((deviation - 28.887_7).abs() < 0.01, "{deviation}");
}

#[test]
fn what_is_no_number_counts_as_odd_and_spoils_nothing() {
    let values = [f64::NAN, 1.0, f64::INFINITY, 3.0, f64::NEG_INFINITY, 1e300];
    let column = numbers(values.into_iter());
    let found = inner(&column);
    assert_eq!((found.odd, found.count, found.mean), (4, 2, 2.0));
    assert_eq!(found.range, Some((1.0, 3.0)));
    let none = numbers([f64::NAN].into_iter());
    assert_eq!((inner(&none).quantile(0.5), inner(&none).histogram(4)), (None, vec![]));
    let text = serde_json::to_string(&none).unwrap();
    assert_eq!(serde_json::from_str::<ColumnProfile>(&text).unwrap(), none);
}

#[test]
fn quantiles_and_histogram_of_known_numbers() {
    let column = numbers((1..=100).map(f64::from));
    let found = inner(&column);
    let quantile = |share| found.quantile(share).unwrap();
    assert_eq!([quantile(0.0), quantile(0.5), quantile(1.0)], [1.0, 50.0, 100.0]);
    let histogram = found.histogram(4);
    assert!(histogram.iter().all(|share| (share - 0.25).abs() < 0.011), "{histogram:?}");
    assert_eq!(inner(&numbers([5.0; 9].into_iter())).histogram(2), [1.0, 0.0]);
}

#[test]
fn different_values_are_counted_within_a_tenth_and_merge_exactly() {
    for count in [0, 1, 5, 100, 2_000, 3_000, 50_000, 2_000_000] {
        let mut whole = Distinct::default();
        let mut parts = [Distinct::default(), Distinct::default()];
        for number in 0..count {
            let hash = scattered(number);
            whole.add(hash);
            parts[(number % 2) as usize].add(hash);
            parts[0].add(hash);
        }
        let [mut one, other] = parts;
        one.merge(&other);
        assert_eq!(one, whole);
        let off = whole.count().abs_diff(count) as f64;
        assert!(off <= 1.0_f64.max(count as f64 * 0.1), "{} for {count}", whole.count());
        let text = serde_json::to_string(&whole).unwrap();
        assert!(text.len() <= 1026, "{}", text.len());
        assert_eq!(serde_json::from_str::<Distinct>(&text).unwrap(), whole);
    }
    for damaged in ["\"A\"", "\"???\"", "\"__A\"", "3"] {
        assert!(serde_json::from_str::<Distinct>(damaged).is_err(), "{damaged}");
    }
}

#[test]
fn counts_of_frequent_values_are_short_by_no_more_than_they_say() {
    // Value n comes 2,000 / n times, in parts that hold few of each.
    let times = |value: u64| 2_000 / value;
    let mut found = Frequent::default();
    for part in 0..50 {
        let mut one = Frequent::default();
        let of_part = |value: u64| (times(value) + part) / 50;
        let names: Vec<(String, u64)> =
            (1..500).map(|value| (format!("v{value}"), of_part(value))).collect();
        let counted = names.iter().map(|(_, times)| times).sum();
        let present = names.iter().filter(|(_, times)| *times > 0);
        one.add(counted, present.map(|(name, times)| (name.as_str(), *times)));
        found.merge(&one);
    }
    let shares = found.shares();
    assert!(shares.len() <= 32, "{}", shares.len());
    let all = found.counted as f64;
    for value in 1..500 {
        let known = (found.share(&format!("v{value}")) * all).round() as u64;
        assert!(known <= times(value), "{value}");
        assert!(known + found.short >= times(value), "{value}: {known} + {}", found.short);
    }
    assert_eq!(shares[0].0, "v1");
}

#[test]
fn a_value_that_is_long_counts_and_is_not_kept() {
    let long = "x".repeat(65);
    let mut found = Frequent::default();
    found.add(10, [("short", 4), (long.as_str(), 6)]);
    assert_eq!(found.shares(), [("short", 0.4)]);
}

#[test]
fn what_is_distributed_alike_has_not_drifted() {
    let same = numbers(chance(0, 5_000));
    assert_eq!((stability(&same, &same), distance(&same, &same)), (Some(0.0), Some(0.0)));
    let words = texts(&[("a", 70), ("b", 30)], 5);
    assert_eq!(stability(&words, &words), Some(0.0));
    assert_eq!(stability(&words, &texts(&[("a", 700), ("b", 300)], 50)), Some(0.0));
    let again = numbers(chance(50_000, 5_000));
    assert!(stability(&same, &again).unwrap() < 0.03);
    assert!(distance(&same, &again).unwrap() < 0.04);
}

#[test]
fn what_moved_has_drifted_and_by_how_much_is_bounded() {
    let before = numbers(chance(0, 5_000));
    let near = numbers(chance(9_000, 5_000).map(|it| it * 1.05));
    let far = numbers(chance(9_000, 5_000).map(|it| it + 0.3));
    let away = numbers(chance(9_000, 5_000).map(|it| it + 5.0));
    let by = |now| (stability(&before, now).unwrap(), distance(&before, now).unwrap());
    let (near, far, away) = (by(&near), by(&far), by(&away));
    assert!(near.0 < 0.1 && near.0 < far.0 && far.0 < away.0, "{near:?} {far:?} {away:?}");
    assert!(near.1 < far.1 && far.1 < away.1 && (away.1 - 1.0).abs() < 1e-9);
    assert!((far.1 - 0.3).abs() < 0.03 && far.0 > 0.2);
    assert!(away.0 < 20.0, "nothing is endless: {}", away.0);
}

#[test]
fn stability_of_known_shares() {
    let before = texts(&[("a", 50), ("b", 50)], 0);
    let now = texts(&[("a", 80), ("b", 20)], 0);
    // 0.3 ln(0.8/0.5) − 0.3 ln(0.2/0.5)
    assert!((stability(&before, &now).unwrap() - 0.4159).abs() < 1e-4);
    let new = texts(&[("c", 100)], 0);
    assert!(stability(&before, &new).unwrap() > 5.0);
    let nulls = texts(&[("a", 25), ("b", 25)], 50);
    assert!(stability(&before, &nulls).unwrap() > 0.2, "NULL is a share, too");
    let nothing = texts(&[], 100);
    assert!(stability(&before, &nothing).unwrap() > 5.0);
    assert_eq!(distance(&before, &now), None);
    assert_eq!(stability(&before, &numbers(chance(0, 9))), None);
}

#[test]
fn texts_that_name_rows_are_forgotten() {
    let mut column = texts(&[("alice@example.org", 1_500)], 0);
    let mut other = column.clone();
    (0..1_500).for_each(|number| column.distinct.add(scattered(number)));
    (900..2_400).for_each(|number| other.distinct.add(scattered(number)));
    other.merge(&column);
    column.forget_names();
    for forgot in [column, other] {
        let Values::Texts(texts) = &forgot.values else { panic!("{forgot:?}") };
        assert!(texts.shares().is_empty());
        assert!(!serde_json::to_string(&forgot).unwrap().contains("alice"));
    }
}

#[test]
fn a_column_that_changed_its_type_begins_anew() {
    let of = |column: ColumnProfile| Profile { rows: column.rows, columns: vec![column] };
    let mut profile = of(texts(&[("1", 10)], 0));
    profile.merge(&of(numbers(chance(0, 20))));
    assert_eq!((profile.rows, profile.columns[0].rows), (30, 20));
    let another = ColumnProfile { name: "other".to_owned(), ..numbers(chance(0, 5)) };
    profile.merge(&of(another));
    assert_eq!(profile.column("other").map(|column| column.rows), Some(5));
}
