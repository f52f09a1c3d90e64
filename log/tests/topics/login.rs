//! Who may come in, and how connections are encrypted.

use std::path::PathBuf;

use assay_core::{Fault, SystemClock};
use assay_log::{KafkaLog, KafkaSettings, Log, LogError, Mechanism, Sasl, Secret, Tls};

use crate::desk::{broker, certificate};

/// Where the broker's other listeners are, from its plain one.
const SASL: u16 = 2;
const CERTIFICATE: u16 = 3;

/// Asks at one of the listeners; none when there is no broker.
async fn ask(listener: u16, sasl: Option<Sasl>, tls: Option<Tls>) -> Option<Result<(), LogError>> {
    let mut address = broker()?;
    address.set_port(address.port() + listener);
    let brokers = format!("kafka://{address}").parse().unwrap();
    let log = KafkaLog::open(&KafkaSettings { brokers, sasl, tls }, &SystemClock).unwrap();
    Some(log.topics().await.map(|_| ()))
}

fn user(mechanism: Mechanism, name: &str, password: &str) -> Option<Sasl> {
    let password = Secret::new(password.to_owned());
    Some(Sasl { mechanism, username: name.to_owned(), password })
}

fn trusting(authority: &str) -> Option<Tls> {
    Some(Tls { ca_file: Some(certificate(authority)), client: None })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_log_in_by_every_mechanism_over_tls() {
    let users = [
        user(Mechanism::Plain, "alice", "alice-secret"),
        user(Mechanism::ScramSha256, "carol", "carol-secret"),
        user(Mechanism::ScramSha512, "carol", "carol-secret"),
    ];
    for user in users {
        let Some(answer) = ask(SASL, user, trusting("ca.pem")).await else { return };
        answer.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_permanent_and_is_not_shown() {
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha512] {
        let user = user(mechanism, "carol", "not-hers");
        let Some(answer) = ask(SASL, user, trusting("ca.pem")).await else { return };
        let error = answer.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.fault(), Fault::Permanent, "{text}");
        assert!(text.contains("correct the user, the password or the mechanism"), "{text}");
        assert!(!text.contains("not-hers"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_did_not_sign_is_permanent_and_named_by_its_setting() {
    let user = user(Mechanism::Plain, "alice", "alice-secret");
    let Some(answer) = ask(SASL, user, trusting("stranger.pem")).await else { return };
    let error = answer.unwrap_err();
    assert_eq!(error.fault(), Fault::Permanent, "{error}");
    assert!(error.to_string().contains("check `kafka.tls.ca_file`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_the_client_opens_what_wants_one() {
    let client: Option<(PathBuf, PathBuf)> =
        Some((certificate("client.pem"), certificate("client.key")));
    let tls = Tls { client, ..trusting("ca.pem").unwrap() };
    let Some(answer) = ask(CERTIFICATE, None, Some(tls)).await else { return };
    answer.unwrap();
    let refused = ask(CERTIFICATE, None, trusting("ca.pem")).await.unwrap();
    assert!(refused.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_tls_at_a_port_that_wants_it_is_told_so() {
    let Some(answer) = ask(SASL, None, None).await else { return };
    let text = answer.unwrap_err().to_string();
    assert!(text.contains("whether its port wants TLS"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_said_at_once() {
    let brokers = "kafka://127.0.0.1:1".parse().unwrap();
    let settings = KafkaSettings { brokers, sasl: None, tls: trusting("no-such-file.pem") };
    let error = KafkaLog::open(&settings, &SystemClock).err().unwrap();
    assert_eq!(error.fault(), Fault::Permanent, "{error}");
    assert!(error.to_string().contains("no-such-file.pem"), "{error}");
}
