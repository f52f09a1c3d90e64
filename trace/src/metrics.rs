//! The metrics of `/metrics` as OTLP has them: the same names, labels, numbers and buckets.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
    metric::Data, number_data_point::Value,
};

type Labels = BTreeMap<String, String>;

/// One family of the text.
#[derive(Default)]
struct Family {
    help: String,
    kind: String,
    /// Its samples: what the name has behind the family's, labels, value.
    samples: Vec<(String, Labels, f64)>,
}

/// When the numbers began to count, and when they were looked at, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
}

/// Metrics from the text that Prometheus scrapes. Totals count from `since`; when that is not
/// known the field says so.
pub(crate) fn metrics_of(text: &str, since: Option<SystemTime>, now: SystemTime) -> Vec<Metric> {
    let span = Span { from: since.map_or(0, nanoseconds), to: nanoseconds(now) };
    families(text).into_iter().map(|(name, family)| metric(name, family, span)).collect()
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# ") {
            let mut words = said.splitn(3, ' ');
            let (what, name, rest) = (words.next(), words.next(), words.next());
            let (Some(name), Some(rest)) = (name, rest) else { continue };
            let family = families.entry(name.to_owned()).or_default();
            match what {
                Some("HELP") => family.help = unescaped(rest),
                Some("TYPE") => {
                    family.kind = rest.to_owned();
                    current = name.to_owned();
                }
                _ => {}
            }
        } else if let Some((name, labels, value)) = sample(line)
            && let Some(part) = name.strip_prefix(current.as_str())
            && let Some(family) = families.get_mut(&current)
        {
            family.samples.push((part.to_owned(), labels, value));
        }
    }
    families
}

/// `name{label="value"} 1.5`
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            rest = rest.trim_start_matches(',');
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, quoted) = rest.split_once("=\"")?;
            let close = closing(quoted)?;
            labels.insert(label.to_owned(), unescaped(&quoted[..close]));
            rest = &quoted[close + 1..];
        }
    }
    let value = rest.split_ascii_whitespace().next()?;
    Some((name, labels, value.parse().ok()?))
}

/// Where the quote is that ends a value.
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        plain.push(match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    plain
}

fn metric(name: String, family: Family, span: Span) -> Metric {
    let Family { help, kind, samples } = family;
    let point = |(_, labels, value): (String, Labels, f64)| NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let temporality = AggregationTemporality::Cumulative as i32;
    let data = match kind.as_str() {
        "counter" => Data::Sum(Sum {
            data_points: samples.into_iter().map(point).collect(),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        "histogram" => Data::Histogram(Histogram {
            data_points: histograms(samples, span),
            aggregation_temporality: temporality,
        }),
        _ => Data::Gauge(Gauge {
            data_points: samples
                .into_iter()
                .map(point)
                .map(|point| NumberDataPoint { start_time_unix_nano: 0, ..point })
                .collect(),
        }),
    };
    Metric { name, description: help, data: Some(data), ..Metric::default() }
}

/// What Prometheus says of one histogram: how many are at or below each bound, and of all.
#[derive(Default)]
struct Buckets {
    upto: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

/// A point for each set of labels. Where Prometheus counts all below a bound, OTLP counts those
/// between two.
fn histograms(samples: Vec<(String, Labels, f64)>, span: Span) -> Vec<HistogramDataPoint> {
    let mut points: BTreeMap<Labels, Buckets> = BTreeMap::new();
    for (part, mut labels, value) in samples {
        let bound = labels.remove("le");
        let buckets = points.entry(labels).or_default();
        match (part.as_str(), bound.and_then(|bound| bound.parse::<f64>().ok())) {
            ("_bucket", Some(bound)) if bound.is_finite() => buckets.upto.push((bound, value)),
            ("_sum", _) => buckets.sum = value,
            ("_count", _) => buckets.count = value,
            _ => {}
        }
    }
    points.into_iter().map(|(labels, buckets)| histogram(labels, &buckets, span)).collect()
}

fn histogram(labels: Labels, buckets: &Buckets, span: Span) -> HistogramDataPoint {
    let counts = || buckets.upto.iter().map(|(_, count)| *count);
    let between = counts().chain([buckets.count]).zip(std::iter::once(0.0).chain(counts()));
    HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: whole(buckets.count),
        sum: Some(buckets.sum),
        bucket_counts: between.map(|(upto, below)| whole(upto - below)).collect(),
        explicit_bounds: buckets.upto.iter().map(|(bound, _)| *bound).collect(),
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    let attribute = |(key, value)| KeyValue {
        key,
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    labels.into_iter().map(attribute).collect()
}

fn nanoseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count is whole and never negative"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP a_total How many \\ of a
# TYPE a_total counter
a_total{stage="x",why="a \"b\",\\c\nd}"} 12
a_total{stage="y"} 0
# HELP b_seconds How long
# TYPE b_seconds histogram
b_seconds_bucket{stage="x",le="0.1"} 2
b_seconds_bucket{stage="x",le="1"} 2
b_seconds_bucket{stage="x",le="+Inf"} 5
b_seconds_sum{stage="x"} 7.5
b_seconds_count{stage="x"} 5
# HELP c What it is
# TYPE c gauge
c -1.5
"#;

    fn label(attributes: &[KeyValue], name: &str) -> String {
        let found = attributes.iter().find(|attribute| attribute.key == name).unwrap();
        match found.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(any_value::Value::StringValue(text)) => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_numbers_and_buckets_as_the_text_has() {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let metrics = metrics_of(TEXT, Some(since), since + Duration::from_secs(1));
        let [a, b, c] = &metrics[..] else { panic!("{metrics:?}") };
        assert_eq!((a.name.as_str(), a.description.as_str()), ("a_total", "How many \\ of a"));
        let Some(Data::Sum(sum)) = &a.data else { panic!("{a:?}") };
        assert!(sum.is_monotonic);
        assert_eq!(sum.aggregation_temporality, AggregationTemporality::Cumulative as i32);
        let [first, second] = &sum.data_points[..] else { panic!("{sum:?}") };
        assert_eq!(label(&first.attributes, "why"), "a \"b\",\\c\nd}");
        assert_eq!(first.value, Some(Value::AsDouble(12.0)));
        assert_eq!(second.value, Some(Value::AsDouble(0.0)));
        let times = (first.start_time_unix_nano, first.time_unix_nano);
        assert_eq!(times, (1_000_000_000, 2_000_000_000));

        let Some(Data::Histogram(histogram)) = &b.data else { panic!("{b:?}") };
        let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
        assert_eq!(point.explicit_bounds, [0.1, 1.0]);
        assert_eq!(point.bucket_counts, [2, 0, 3]);
        assert_eq!((point.count, point.sum), (5, Some(7.5)));
        assert_eq!(label(&point.attributes, "stage"), "x");
        assert_eq!(point.attributes.len(), 1);

        let Some(Data::Gauge(gauge)) = &c.data else { panic!("{c:?}") };
        assert_eq!(gauge.data_points[0].value, Some(Value::AsDouble(-1.5)));
    }

    #[test]
    fn totals_that_are_older_than_the_process_name_no_beginning() {
        let metrics = metrics_of(TEXT, None, SystemTime::UNIX_EPOCH + Duration::from_secs(2));
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert_eq!(sum.data_points[0].start_time_unix_nano, 0);
    }

    proptest::proptest! {
        #[test]
        fn no_text_stops_it(text in "[a-z#{}\"\\\\=, \n0-9]{0,200}") {
            metrics_of(&text, None, SystemTime::UNIX_EPOCH);
        }
    }
}
