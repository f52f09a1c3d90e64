use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use assay_core::Fault;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientContext, Statistics};

use super::failure::failed;
use super::settings::{Brokers, KafkaSettings};
use crate::{LogError, MAX_RECORD_BYTES};

/// Beside its key, value and headers a record takes little room in a request.
pub(super) const OVERHEAD_BYTES: usize = 64 << 10;

/// Makes clients that speak to one cluster.
#[derive(Clone)]
pub(super) struct Clients {
    config: ClientConfig,
    brokers: Brokers,
    heard: Heard,
}

/// Remembers what went wrong last between a client and the brokers: a call that runs out of time
/// says only that.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

impl Clients {
    pub(super) fn new(settings: &KafkaSettings) -> Result<Clients, LogError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", settings.brokers.list())
            .set("client.id", "assay")
            .set("security.protocol", protocol(settings))
            .set("socket.nagle.disable", "true")
            // A connection on which nothing is heard is made anew before a call runs out of time.
            .set("socket.timeout.ms", "10000")
            // A broker that comes back is found within a second.
            .set("reconnect.backoff.max.ms", "1000");
        if let Some(sasl) = &settings.sasl {
            config
                .set("sasl.mechanisms", sasl.mechanism.name())
                .set("sasl.username", &sasl.username)
                .set("sasl.password", sasl.password.reveal());
        }
        if let Some(tls) = &settings.tls {
            let mut file = |key: &str, path: &Path| {
                readable(path, settings)?;
                config.set(key, path.display().to_string());
                Ok(())
            };
            if let Some(authorities) = &tls.ca_file {
                file("ssl.ca.location", authorities)?;
            }
            if let Some((certificate, key)) = &tls.client {
                file("ssl.certificate.location", certificate)?;
                file("ssl.key.location", key)?;
            }
        }
        Ok(Clients { config, brokers: settings.brokers.clone(), heard: Heard::default() })
    }

    pub(super) fn brokers(&self) -> &Brokers {
        &self.brokers
    }

    pub(super) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// A client with the settings of all, and its own.
    pub(super) fn make<T: FromClientConfigAndContext<Heard>>(
        &self,
        own: &[(&str, &str)],
    ) -> Result<T, LogError> {
        self.make_with(own, self.heard.clone())
    }

    pub(super) fn make_with<C, T>(&self, own: &[(&str, &str)], context: C) -> Result<T, LogError>
    where
        C: ClientContext,
        T: FromClientConfigAndContext<C>,
    {
        let mut config = self.config.clone();
        for (key, value) in own {
            config.set(*key, *value);
        }
        config
            .create_with_context(context)
            .map_err(|error| failed(self, "make a client of Kafka", error))
    }
}

impl Heard {
    pub(super) fn last(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was heard before the brokers answered explains nothing any more.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Heard {
    fn log(&self, _: RDKafkaLogLevel, what: &str, line: &str) {
        tracing::debug!(target: "assay_log::kafka", what, "{line}");
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "assay_log::kafka", %error, "{reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        // It follows from every other, and says less.
        if code != RDKafkaErrorCode::AllBrokersDown {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((meant(code, reason), reason.to_owned()));
        }
    }
}

/// The same refusal of TLS comes as one of the transport when librdkafka finds the socket ready to
/// be written to before it has read the answer, which is a matter of luck.
fn meant(code: RDKafkaErrorCode, reason: &str) -> RDKafkaErrorCode {
    match code {
        RDKafkaErrorCode::BrokerTransportFailure
            if reason.contains(":SSL routines:") && !reason.contains("unexpected eof") =>
        {
            RDKafkaErrorCode::SSL
        }
        code => code,
    }
}

impl ConsumerContext for Heard {}

/// The most that a request with one record may weigh.
pub(super) fn most_bytes() -> String {
    (MAX_RECORD_BYTES + OVERHEAD_BYTES).to_string()
}

/// librdkafka does not say which file it could not read.
fn readable(path: &Path, settings: &KafkaSettings) -> Result<(), LogError> {
    std::fs::File::open(path).map(|_| ()).map_err(|error| LogError::Failed {
        doing: format!("read {}", path.display()),
        log: settings.brokers.to_string(),
        advice: "; correct the paths below `kafka.tls`",
        fault: Fault::Permanent,
        source: error.into(),
    })
}

fn protocol(settings: &KafkaSettings) -> &'static str {
    match (&settings.sasl, &settings.tls) {
        (None, None) => "plaintext",
        (None, Some(_)) => "ssl",
        (Some(_), None) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_tls_is_told_from_a_connection_that_broke() {
        use RDKafkaErrorCode::{BrokerTransportFailure, SSL, SaslAuthenticationFailed};
        for (code, reason, means) in [
            (
                BrokerTransportFailure,
                "error:0A000086:SSL routines::certificate verify failed (after 2ms)",
                SSL,
            ),
            (
                BrokerTransportFailure,
                "error:0A000126:SSL routines::unexpected eof while reading",
                BrokerTransportFailure,
            ),
            (BrokerTransportFailure, "Connection refused", BrokerTransportFailure),
            (SaslAuthenticationFailed, "SSL routines", SaslAuthenticationFailed),
        ] {
            assert_eq!(meant(code, reason), means, "{reason}");
        }
    }
}
