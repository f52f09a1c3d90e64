use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a client has to know of a Kafka cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    pub brokers: Brokers,
    pub sasl: Option<Sasl>,
    /// Absent: connections are not encrypted.
    pub tls: Option<Tls>,
}

/// Where the brokers are found: `kafka://host:port`, several of them separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brokers(Vec<String>);

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub username: String,
    pub password: Secret,
}

/// How somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// How connections are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities to trust, in PEM; absent: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The client's own certificate and its key, in PEM.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Brokers {
    /// The broker that names the cluster.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    pub(super) fn list(&self) -> String {
        self.0.join(",")
    }
}

impl FromStr for Brokers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("`{text}` is no log: write kafka://HOST:PORT, several separated by commas");
        let hosts = text.strip_prefix("kafka://").ok_or_else(wrong)?;
        let plain = |broker: &str| {
            let (host, port) = broker.rsplit_once(':')?;
            let named = !host.is_empty() && !host.contains(['/', '@', ' ']);
            (named && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| broker.to_owned())
        };
        hosts
            .split(',')
            .map(|broker| plain(broker.trim()))
            .collect::<Option<_>>()
            .map(Brokers)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}", self.list())
    }
}

impl Mechanism {
    pub(super) fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_read_as_they_are_written_and_nothing_else_is_taken() {
        let two: Brokers = "kafka://one:9092,[::1]:9093".parse().unwrap();
        assert_eq!(two.to_string(), "kafka://one:9092,[::1]:9093");
        assert_eq!(two.first(), "one:9092");
        let wrong = ["", "one:9092", "kafka://", "kafka://one", "kafka://one:x", "kafka://one:1,"];
        for text in
            wrong.into_iter().chain(["kafka://:9092", "kafka://user@one:9092", "http://a:1"])
        {
            assert!(text.parse::<Brokers>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let password = Secret::new("hunter2".to_owned());
        let sasl = Sasl { mechanism: Mechanism::Plain, username: "me".to_owned(), password };
        assert!(!format!("{sasl:?}").contains("hunter2"));
    }
}
