use std::path::{Path, PathBuf};

use assay_core::{Document, Mistakes};
use assay_log::{KafkaSettings, Mechanism, Sasl, Secret, Tls};
use schemars::JsonSchema;
use serde::Deserialize;

/// Where topics are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogConfig {
    /// In a file of the data directory.
    Embedded,
    Kafka(KafkaSettings),
}

/// How to reach the brokers: `kafka` in the file of settings.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KafkaKeys {
    sasl: Option<SaslKeys>,
    tls: Option<TlsKeys>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SaslKeys {
    mechanism: MechanismKey,
    username: String,
    /// The variable of the environment that has it.
    password_env: Option<String>,
    password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum MechanismKey {
    #[serde(rename = "plain")]
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// Without a key, what the system trusts is trusted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TlsKeys {
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

/// The log that `log` and `kafka` name. Paths are relative to `folder`.
pub(super) fn read(
    document: &Document,
    log: Option<&str>,
    kafka: Option<&KafkaKeys>,
    folder: &Path,
) -> Result<LogConfig, Mistakes> {
    let address = match log {
        Some(address) if address != "embedded" => address,
        _ if kafka.is_some() => {
            let what = "`kafka` says how to reach brokers, and the log is the embedded one";
            return Err(document.mistake("/kafka", what, "write `log: kafka://HOST:PORT`").into());
        }
        _ => return Ok(LogConfig::Embedded),
    };
    let mut mistakes = Mistakes::default();
    let mut keep = |pointer: &str, what: String, fix: &str| {
        mistakes.0.push(document.mistake(pointer, what, fix));
    };
    let brokers = address.parse();
    if brokers.is_err() {
        let fix = "write `embedded`, or kafka://HOST:PORT, several separated by commas";
        keep("/log", format!("`{address}` is no log"), fix);
    }
    if document.value().pointer("/retention/topic_mb").is_some() {
        let fix = "leave it out, and set `retention.bytes` of the topics in Kafka";
        keep("/retention/topic_mb", "`topic_mb` is for the embedded log".to_owned(), fix);
    }
    let sasl = kafka.and_then(|kafka| kafka.sasl.as_ref()).and_then(|keys| {
        keys.read(folder).map_err(|(what, fix)| keep("/kafka/sasl", what, fix)).ok()
    });
    let tls = kafka.and_then(|kafka| kafka.tls.as_ref()).map(|keys| keys.read(folder));
    if matches!(tls, Some(None)) {
        let what = "a certificate and its key are named together".to_owned();
        keep("/kafka/tls", what, "write both `certificate_file` and `key_file`, or none");
    }
    match brokers {
        Ok(brokers) if mistakes.0.is_empty() => {
            Ok(LogConfig::Kafka(KafkaSettings { brokers, sasl, tls: tls.flatten() }))
        }
        _ => Err(mistakes),
    }
}

impl SaslKeys {
    fn read(&self, folder: &Path) -> Result<Sasl, (String, &'static str)> {
        let password = match (&self.password_env, &self.password_file) {
            (Some(name), None) => std::env::var_os(name)
                .and_then(|value| value.into_string().ok())
                .ok_or_else(|| (format!("the variable {name} is not set"), "set it"))?,
            (None, Some(path)) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    let what = format!("cannot read the password from {}: {error}", path.display());
                    (what, "correct `password_file`")
                })?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            _ => {
                let what = "a password comes from one place".to_owned();
                return Err((what, "write `password_env` or `password_file`"));
            }
        };
        let mechanism = match self.mechanism {
            MechanismKey::Plain => Mechanism::Plain,
            MechanismKey::ScramSha256 => Mechanism::ScramSha256,
            MechanismKey::ScramSha512 => Mechanism::ScramSha512,
        };
        Ok(Sasl { mechanism, username: self.username.clone(), password: Secret::new(password) })
    }
}

impl TlsKeys {
    /// None when one of a pair is missing.
    fn read(&self, folder: &Path) -> Option<Tls> {
        let path = |path: &PathBuf| folder.join(path);
        let ca_file = self.ca_file.as_ref().map(path);
        let client = match (&self.certificate_file, &self.key_file) {
            (None, None) => None,
            (certificate, key) => Some((path(certificate.as_ref()?), path(key.as_ref()?))),
        };
        Some(Tls { ca_file, client })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Given};

    use super::*;

    fn load(text: &str) -> Result<LogConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
        let file = folder.path().join("assay.yaml");
        std::fs::write(&file, text).unwrap();
        let loaded = Config::load(Some(&file), Given::default(), "default", "me");
        loaded.map(|config| config.log).map_err(|error| error.to_string())
    }

    #[test]
    fn a_log_is_the_embedded_one_unless_brokers_are_named() {
        assert_eq!(load("memory_mb: 100\n").unwrap(), LogConfig::Embedded);
        assert_eq!(load("log: embedded\n").unwrap(), LogConfig::Embedded);
        let LogConfig::Kafka(plain) = load("log: kafka://a:9092,b:9092\n").unwrap() else {
            panic!()
        };
        assert_eq!((plain.brokers.first(), plain.sasl, plain.tls), ("a:9092", None, None));
    }

    #[test]
    fn a_password_comes_from_a_file_and_files_are_beside_the_settings() {
        let text = "log: kafka://a:9092\nkafka:\n  sasl:\n    mechanism: scram-sha-512\n    \
                    username: me\n    password_file: secret\n  tls:\n    ca_file: ca.pem\n";
        let LogConfig::Kafka(kafka) = load(text).unwrap() else { panic!() };
        let sasl = kafka.sasl.unwrap();
        assert_eq!(sasl.password, Secret::new("hunter2".to_owned()));
        assert_eq!(sasl.mechanism, Mechanism::ScramSha512);
        let authorities = kafka.tls.unwrap().ca_file.unwrap();
        assert!(authorities.is_absolute() && authorities.ends_with("ca.pem"));
    }

    #[test]
    fn all_mistakes_come_at_once_with_their_lines() {
        let text = "log: kafka:/a\nretention:\n  topic_mb: 5\nkafka:\n  sasl:\n    mechanism: plain\n    \
                    username: me\n    password_env: NO_SUCH_VARIABLE\n  tls:\n    key_file: k\n";
        let error = load(text).unwrap_err();
        for part in [
            "yaml:1: `kafka:/a` is no log",
            "yaml:3: `topic_mb` is for the embedded log",
            "yaml:5: the variable NO_SUCH_VARIABLE is not set",
            "yaml:9: a certificate and its key",
        ] {
            assert!(error.contains(part), "{part} is not in:\n{error}");
        }
        let error = load("kafka: {}\n").unwrap_err();
        assert!(error.contains("yaml:1: `kafka` says how to reach brokers"), "{error}");
        let error = load("log: kafka://a:1\nkafka:\n  sasl:\n    mechanism: md5\n").unwrap_err();
        assert!(error.contains("yaml:4"), "{error}");
    }
}
