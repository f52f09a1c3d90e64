//! Where traces and metrics are exported to: `otlp` in the file, and the environment variables that
//! OpenTelemetry has for it, which win.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_core::{Document, Mistakes};
use schemars::JsonSchema;
use serde::Deserialize;

/// `otlp` in the file of settings. Headers hold secrets: they come from the environment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtlpKeys {
    /// `http://HOST:4318`, a receiver of OTLP over HTTP.
    endpoint: Option<String>,
    service_name: Option<String>,
    traces: Option<bool>,
    metrics: Option<bool>,
    /// The share of the traces that begin here which are recorded.
    #[schemars(range(min = 0.0, max = 1.0))]
    sample: Option<f64>,
    #[schemars(range(min = 0.1, max = 60.0))]
    timeout_seconds: Option<f64>,
    /// How often a service exports its metrics.
    #[schemars(range(min = 1.0, max = 3600.0))]
    every_seconds: Option<f64>,
    /// What else is said of the process, such as `deployment.environment.name`.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// What is exported, and where to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OtlpConfig {
    pub(crate) settings: assay_trace::Settings,
    pub(crate) every: Duration,
}

/// Nothing; or where to; or why that can't be.
pub(crate) type Otlp = Option<Result<OtlpConfig, String>>;

const TIMEOUT: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_secs(60);

/// Finds mistakes of the file, whatever the environment says.
pub(super) fn check(document: &Document, keys: &OtlpKeys) -> Result<(), Mistakes> {
    match &keys.endpoint {
        Some(url) if !address(url) => {
            let what = format!("`{url}` is no address");
            Err(document.mistake("/otlp/endpoint", what, "write http://HOST:4318").into())
        }
        _ => Ok(()),
    }
}

/// `variable` answers what the environment says.
pub(super) fn read(keys: &OtlpKeys, variable: &dyn Fn(&str) -> Option<String>) -> Otlp {
    let said = |name: &str| variable(name).map(|value| value.trim().to_owned());
    let said = |name: &str| said(name).filter(|value| !value.is_empty());
    if said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    let url = |signal: &str, wanted: Option<bool>| {
        let upper = signal.to_ascii_uppercase();
        let none = said(&format!("OTEL_{upper}_EXPORTER")).is_some_and(|value| value == "none");
        if none || wanted == Some(false) {
            return None;
        }
        let base = || said("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| keys.endpoint.clone());
        let beside = |base: String| format!("{}/v1/{signal}", base.trim_end_matches('/'));
        let own = said(&format!("OTEL_EXPORTER_OTLP_{upper}_ENDPOINT"));
        own.or_else(|| base().map(beside))
    };
    let (traces, metrics) = (url("traces", keys.traces), url("metrics", keys.metrics));
    if traces.is_none() && metrics.is_none() {
        return None;
    }
    if let Some(odd) = traces.iter().chain(&metrics).find(|url| !address(url)) {
        return Some(Err(format!("`{odd}` is no address: write http://HOST:4318")));
    }
    if let Some(other) = said("OTEL_EXPORTER_OTLP_PROTOCOL").filter(|way| way != "http/protobuf") {
        return Some(Err(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL is `{other}`, and only http/protobuf is spoken here \
             (port 4318 of a collector)"
        )));
    }
    let milliseconds = |name: &str| {
        let number = said(name)?.parse().ok().filter(|number| *number > 0);
        number.map(Duration::from_millis)
    };
    let seconds = |given: Option<f64>, default| given.map_or(default, Duration::from_secs_f64);
    let timeout = milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT");
    let every = milliseconds("OTEL_METRIC_EXPORT_INTERVAL");
    let resource = said("OTEL_RESOURCE_ATTRIBUTES").map(|list| pairs(&list)).unwrap_or_default();
    let named = resource.into_iter().find(|(name, _)| name == "service.name");
    let service = said("OTEL_SERVICE_NAME").or(named.map(|(_, value)| value));
    let sampled_otherwise = said("OTEL_TRACES_SAMPLER").is_some();
    let settings = assay_trace::Settings {
        traces,
        metrics,
        headers: said("OTEL_EXPORTER_OTLP_HEADERS").map(|list| pairs(&list)).unwrap_or_default(),
        timeout: timeout.unwrap_or(seconds(keys.timeout_seconds, TIMEOUT)),
        service: service.or(keys.service_name.clone()).unwrap_or_else(|| "assay".to_owned()),
        instance: String::new(),
        attributes: keys.attributes.clone().into_iter().collect(),
        sample: keys.sample.filter(|_| !sampled_otherwise),
    };
    Some(Ok(OtlpConfig { settings, every: every.unwrap_or(seconds(keys.every_seconds, EVERY)) }))
}

/// What the environment of this process says.
pub(super) fn of_process(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// `name=value,other=value`, the values percent-encoded.
fn pairs(list: &str) -> Vec<(String, String)> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        Some((name.trim().to_owned(), decoded(value.trim())))
    };
    list.split(',').filter_map(pair).filter(|(name, _)| !name.is_empty()).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        let pair = others.first_chunk::<2>().filter(|_| *first == b'%');
        let digits = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(keys: &OtlpKeys, variables: &[(&str, &str)]) -> Otlp {
        read(keys, &|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn file(endpoint: &str) -> OtlpKeys {
        OtlpKeys { endpoint: Some(endpoint.to_owned()), ..OtlpKeys::default() }
    }

    #[test]
    fn without_an_endpoint_nothing_is_exported() {
        assert_eq!(with(&OtlpKeys::default(), &[("OTEL_SERVICE_NAME", "x")]), None);
        assert_eq!(with(&file("http://a:4318"), &[("OTEL_SDK_DISABLED", "true")]), None);
        let off = OtlpKeys { traces: Some(false), metrics: Some(false), ..file("http://a:4318") };
        assert_eq!(with(&off, &[]), None);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let settings = |keys: &OtlpKeys, variables: &[(&str, &str)]| {
            with(keys, variables).unwrap().unwrap().settings
        };
        let plain = settings(&file("http://a:4318/"), &[]);
        assert_eq!(plain.traces.as_deref(), Some("http://a:4318/v1/traces"));
        assert_eq!(plain.metrics.as_deref(), Some("http://a:4318/v1/metrics"));
        assert_eq!((plain.service.as_str(), plain.timeout), ("assay", TIMEOUT));
        let other = settings(
            &file("http://a:4318"),
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://b"),
                ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c/own"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x = y"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
                ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=mine"),
            ],
        );
        assert_eq!(other.traces.as_deref(), Some("https://b/v1/traces"));
        assert_eq!(other.metrics.as_deref(), Some("http://c/own"));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(other.headers, [header("authorization", "Bearer abc"), header("x", "y")]);
        assert_eq!((other.service.as_str(), other.timeout.as_millis()), ("mine", 1500));
        let none = settings(&file("http://a:4318"), &[("OTEL_TRACES_EXPORTER", "none")]);
        assert!(none.traces.is_none() && none.metrics.is_some());
    }

    #[test]
    fn what_can_t_be_is_said() {
        let why = |variables: &[(&str, &str)]| {
            with(&OtlpKeys::default(), variables).unwrap().unwrap_err()
        };
        let odd = why(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317")]);
        assert!(odd.contains("write http://HOST:4318"), "{odd}");
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a");
        let grpc = why(&[there, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(grpc.contains("only http/protobuf"), "{grpc}");
    }

    #[test]
    fn values_are_percent_encoded() {
        assert_eq!(decoded("a%20b%2"), "a b%2");
        assert_eq!(decoded("%zz%C3%A4"), "%zzä");
    }
}
