use std::time::Duration;

use assay_core::Fault;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::Clients;
use crate::LogError;

/// What a call may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// An error of Kafka, with what was heard of the brokers when it says only that time ran out.
pub(super) fn failed(clients: &Clients, doing: &str, error: KafkaError) -> LogError {
    use RDKafkaErrorCode as Code;
    // Settings that make no client make none the next time.
    let settings = matches!(error, KafkaError::ClientCreation(_) | KafkaError::ClientConfig(..));
    let code = match error.rdkafka_error_code() {
        _ if settings => Code::InvalidArgument,
        code => code.unwrap_or(Code::Fail),
    };
    let vague = matches!(
        code,
        Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::PurgeQueue
            | Code::PurgeInflight
    );
    match clients.heard().last().filter(|_| vague) {
        Some((heard, reason)) => of(clients, doing, heard, format!("{error}; {reason}").into()),
        None => of(clients, doing, code, error.into()),
    }
}

/// Whether partitions are between two leaders.
pub(super) fn moving(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::ReplicaNotAvailable
                | Code::UnknownLeaderEpoch
                | Code::FencedLeaderEpoch
                | Code::OffsetNotAvailable
        )
    )
}

/// Whether a broker did not know the topic or the partition.
pub(super) fn unknown(error: &LogError) -> bool {
    use RDKafkaErrorCode as Code;
    let LogError::Failed { source, .. } = error else { return false };
    let code = source.downcast_ref::<KafkaError>().and_then(KafkaError::rdkafka_error_code);
    matches!(
        code,
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
    )
}

/// Whether waiting mends nothing.
pub(super) fn hopeless(error: &KafkaError) -> bool {
    let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
    fatal || error.rdkafka_error_code().is_some_and(|code| fault(code) == Fault::Permanent)
}

/// The brokers did not answer in time.
pub(super) fn timed_out(clients: &Clients, doing: &str) -> LogError {
    let (code, reason) = clients
        .heard()
        .last()
        .unwrap_or((RDKafkaErrorCode::RequestTimedOut, "no broker answered".to_owned()));
    let source = format!("not done after {} s; {reason}", PATIENCE.as_secs());
    of(clients, doing, code, source.into())
}

fn of(
    clients: &Clients,
    doing: &str,
    code: RDKafkaErrorCode,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> LogError {
    LogError::Failed {
        doing: doing.to_owned(),
        log: clients.brokers().to_string(),
        advice: advice(code),
        fault: fault(code),
        source,
    }
}

/// What no second try can mend, as long as nobody changes something.
fn fault(code: RDKafkaErrorCode) -> Fault {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::SecurityDisabled
        | Code::SSL
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::UnsupportedVersion
        | Code::UnsupportedFeature
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::InvalidTopic
        | Code::InvalidConfig
        | Code::InvalidArgument
        | Code::InvalidRequest
        | Code::InvalidReplicationFactor
        | Code::PolicyViolation
        | Code::MessageSizeTooLarge
        | Code::InvalidRecord => Fault::Permanent,
        _ => Fault::Transient,
    }
}

fn advice(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "; correct the user, the password or the mechanism below `kafka.sasl`"
        }
        Code::UnsupportedSASLMechanism => {
            "; choose a mechanism that the brokers allow (`sasl.enabled.mechanisms`)"
        }
        Code::SSL => "; check `kafka.tls.ca_file`, and that the port is one that speaks TLS",
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => {
            "; give the user of `kafka.sasl` this right with kafka-acls.sh"
        }
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::RequestTimedOut
        | Code::OperationTimedOut
        | Code::Resolve => {
            "; check that the brokers run, that `log` names one of them, and whether its port wants \
             TLS: then set `kafka.tls`"
        }
        Code::PolicyViolation | Code::InvalidReplicationFactor | Code::InvalidConfig => {
            "; make the topic with Kafka's own tools: what is there is taken as it is"
        }
        _ => "",
    }
}
