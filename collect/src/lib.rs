//! The collector: events that come in over HTTP are safe before they are answered, and reach the
//! topic in order, each once.
//!
//! An event is checked and becomes the record of the topic (`intake`), is written to a segment on
//! the local disk (`segment`), and then answered (`http`). A sender behind the answer packs what the
//! segments hold into messages and appends them to the log (`sender`); what it has sent is deleted.

mod collector;
mod http;
mod intake;
mod meters;
mod segment;
mod sender;
mod settings;

pub use assay_door::{Key, KeyHash, Listen, NoHash, Quota, Tls};
pub use collector::{Collector, CollectorError, Drained, Parts};
pub use segment::{Durability, SegmentError};
pub use settings::Settings;
