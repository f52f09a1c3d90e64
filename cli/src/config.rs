use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_collect::Settings;
use assay_core::{Document, Mistakes};
use assay_door::Tls;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pusher::{PushConfig, PushKeys};
use crate::retention::Retention;

mod log;
mod otlp;
mod postgres;
mod targets;

pub(crate) use log::LogConfig;
pub(crate) use otlp::Otlp;
pub(crate) use postgres::PostgresConfig;
pub(crate) use targets::Targets;

/// Settings, as the command line, the environment and the file give them, in this order.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Lake and store are below it, and the embedded log.
    pub(crate) data_dir: PathBuf,
    pub(crate) log: LogConfig,
    /// Where streams write.
    pub(crate) postgres: Option<PostgresConfig>,
    /// Where the store is, when it is not in the data directory.
    pub(crate) store: Option<PostgresConfig>,
    /// Who does what is asked for, for the audit.
    pub(crate) who: String,
    /// What queries may hold in memory before they spill.
    pub(crate) memory_bytes: usize,
    /// How long what has been done is kept.
    pub(crate) retention: Retention,
    /// How long a worker that is told to stop may take to commit what it has read.
    pub(crate) drain: Duration,
    /// How events are taken in over HTTP.
    pub(crate) collector: Settings,
    /// How lineage events are taken in over HTTP.
    pub(crate) sidecar: assay_sidecar::Settings,
    /// Where totals are pushed to, if anywhere.
    pub(crate) push: Option<PushConfig>,
    /// Where traces and metrics are exported to.
    pub(crate) otlp: Otlp,
    /// Where lineage is sent.
    pub(crate) targets: Targets,
}

/// What the command line or the environment says, which wins over the file.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given<'g> {
    pub(crate) data_dir: Option<&'g Path>,
    pub(crate) postgres: Option<&'g str>,
    pub(crate) store: Option<&'g str>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the configuration can't be used: {0}")]
    Mistakes(#[from] Mistakes),
}

/// The file, key by key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    data_dir: Option<PathBuf>,
    /// `embedded`, or kafka://HOST:PORT.
    log: Option<String>,
    kafka: Option<log::KafkaKeys>,
    postgres: Option<postgres::PostgresKeys>,
    store: Option<postgres::PostgresKeys>,
    memory_mb: Option<usize>,
    #[serde(default)]
    retention: Retention,
    drain_seconds: Option<u32>,
    #[serde(default)]
    collector: Settings,
    #[serde(default)]
    sidecar: assay_sidecar::Settings,
    pushgateway: Option<PushKeys>,
    #[serde(default)]
    otlp: otlp::OtlpKeys,
    openmetadata: Option<targets::OpenMetadataKeys>,
    #[serde(default)]
    openlineage: Vec<targets::OpenLineageKeys>,
    #[serde(default)]
    outbox: targets::OutboxKeys,
}

const DEFAULT_FILE: &str = "assay.yaml";
const DEFAULT_MEMORY_MB: usize = 128;
const DEFAULT_DRAIN_SECONDS: u32 = 30;

impl Config {
    pub(crate) fn load(
        file: Option<&Path>,
        given: Given<'_>,
        default_dir: &str,
        who: &str,
    ) -> Result<Config, ConfigError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let folder = path.parent().unwrap_or(Path::new(""));
        let (settings, log, push, targets, postgres, store) = match std::fs::read_to_string(path) {
            Ok(text) => {
                // One in which everything is commented out says nothing.
                let says = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
                let text = if text.lines().any(says) { text } else { "{}".to_owned() };
                let document = Document::parse(&path.display().to_string(), &text)?;
                let mut settings: ConfigFile = document.read()?;
                let (log, kafka) = (settings.log.as_deref(), settings.kafka.as_ref());
                let log = log::read(&document, log, kafka, folder)?;
                let database = |at, keys: &Option<postgres::PostgresKeys>, given| {
                    postgres::read(Some((&document, at)), keys.as_ref(), given, folder)
                        .map_err(Mistakes::from)
                };
                let postgres = database("/postgres", &settings.postgres, given.postgres)?;
                let store = database("/store", &settings.store, given.store)?;
                let push = settings.pushgateway.take().map(|keys| keys.read(&document));
                otlp::check(&document, &settings.otlp)?;
                let (catalog, others) = (settings.openmetadata.as_ref(), &settings.openlineage);
                let targets = targets::read(&document, catalog, others, &settings.outbox, folder)?;
                (settings, log, push.transpose()?, targets, postgres, store)
            }
            // Only a file that was asked for must be there.
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                let database =
                    |given| postgres::read(None, None, given, folder).map_err(Mistakes::from);
                let (postgres, store) = (database(given.postgres)?, database(given.store)?);
                let targets = Targets::default();
                (ConfigFile::default(), LogConfig::Embedded, None, targets, postgres, store)
            }
            Err(source) => {
                return Err(ConfigError::Read { path: path.display().to_string(), source });
            }
        };
        let data_dir = match (given.data_dir, settings.data_dir) {
            (Some(given), _) => given.to_path_buf(),
            // A path in a file is relative to the file.
            (None, Some(written)) => folder.join(written),
            (None, None) => PathBuf::from(default_dir),
        };
        let memory_mb = settings.memory_mb.unwrap_or(DEFAULT_MEMORY_MB).max(64);
        Ok(Config {
            data_dir,
            log,
            postgres,
            store,
            who: who.to_owned(),
            memory_bytes: memory_mb << 20,
            retention: settings.retention,
            drain: Duration::from_secs(
                settings.drain_seconds.unwrap_or(DEFAULT_DRAIN_SECONDS).into(),
            ),
            collector: Settings {
                tls: in_folder(settings.collector.tls, folder),
                ..settings.collector
            },
            sidecar: assay_sidecar::Settings {
                tls: in_folder(settings.sidecar.tls, folder),
                ..settings.sidecar
            },
            push,
            otlp: otlp::read(&settings.otlp, &otlp::of_process),
            targets,
        })
    }
}

/// Certificate and key, whose paths are relative to the file that they stand in.
fn in_folder(tls: Option<Tls>, folder: &Path) -> Option<Tls> {
    tls.map(|tls| Tls { certificate: folder.join(&tls.certificate), key: folder.join(&tls.key) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Config, Given};

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assay.yaml");
        std::fs::write(&file, "data_dir: here\n").unwrap();
        let load = |given: Option<&str>| {
            Config::load(
                Some(&file),
                Given { data_dir: given.map(Path::new), ..Given::default() },
                "default",
                "me",
            )
            .unwrap()
            .data_dir
        };
        assert_eq!(load(Some("there")), Path::new("there"));
        assert_eq!(load(None), folder.path().join("here"));
        std::fs::write(&file, "memory_mb: 100\n").unwrap();
        assert_eq!(load(None), Path::new("default"));
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assay.yaml");
        std::fs::write(&file, "memory_mb: 100\ndata-dir: x\n").unwrap();
        let error =
            Config::load(Some(&file), Given::default(), "default", "me").unwrap_err().to_string();
        assert!(error.contains("assay.yaml:2: unknown key `data-dir`"), "{error}");
    }

    #[test]
    fn a_pushgateway_is_named_by_plain_http() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assay.yaml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Config::load(Some(&file), Given::default(), "default", "me").map(|config| config.push)
        };
        assert!(load("memory_mb: 100\n").unwrap().is_none());
        let push = load("pushgateway:\n  url: http://127.0.0.1:9091\n").unwrap().unwrap();
        assert_eq!((push.environment.as_str(), push.every.as_secs()), ("default", 15));
        let error = load("pushgateway:\n  url: https://push\n").unwrap_err().to_string();
        assert!(error.contains("assay.yaml:2: `https://push`"), "{error}");
        let error = load("pushgateway:\n  url: http://a\n  timeout_seconds: 0\n").unwrap_err();
        assert!(error.to_string().contains("assay.yaml:3: `timeout_seconds`"), "{error}");
    }

    #[test]
    fn what_is_not_said_of_retention_is_as_it_was_and_nothing_goes_on_its_first_day() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assay.yaml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Config::load(Some(&file), Given::default(), "default", "me")
                .map(|config| config.retention)
        };
        let default = load("memory_mb: 100\n").unwrap();
        let shorter = load("retention:\n  reports_days: 30\n").unwrap();
        assert_eq!((shorter.reports_days, shorter.runs_days), (30, default.runs_days));
        assert_eq!(load("retention: {}\n").unwrap(), default);

        assert_eq!((default.letters_bytes(), default.topic_bytes()), (None, None));
        let sizes = load("retention: {letters_mb: 2, store_mb: 3}\n").unwrap();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(sizes.letters_bytes(), Some(2 << 20));
        let (store, before) = sizes.store_bytes(now).unwrap();
        assert_eq!((store, now - before), (3 << 20, chrono::TimeDelta::days(2)));
        let error = load("retention:\n  letters_mb: 0\n").unwrap_err().to_string();
        assert!(error.contains("assay.yaml:2: `letters_mb`"), "{error}");

        let error = load("retention:\n  audit_days: 0\n").unwrap_err().to_string();
        assert!(error.contains("assay.yaml:2: `audit_days`"), "{error}");
        let error = load("retention:\n  reports: 30\n").unwrap_err().to_string();
        assert!(error.contains("assay.yaml:2: unknown key `reports`"), "{error}");
    }
}
