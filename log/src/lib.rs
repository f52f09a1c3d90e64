//! The log: topics of records that are kept in order and read again from any place.
//!
//! Everything speaks to [`Log`]. [`EmbeddedLog`] keeps the topics in one SQLite file that several
//! processes write and read at the same time. [`KafkaLog`] keeps them in Apache Kafka.

mod embedded;
mod error;
mod kafka;
mod log;
mod membership;
mod placement;
mod record;
mod topic;

pub use embedded::EmbeddedLog;
pub use error::LogError;
pub use kafka::{Brokers, KafkaLog, KafkaSettings, Mechanism, Sasl, Secret, Tls};
pub use log::{Fetch, Head, Keep, Log};
pub use membership::Membership;
pub use record::{MAX_RECORD_BYTES, NewRecord, Record};
pub use topic::{Ends, TopicInfo, TopicSpec};
