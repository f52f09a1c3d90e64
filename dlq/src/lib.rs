//! Dead letters: rows set aside with the reason, so that they can be put right and sent back.
//!
//! [`Letters`] is the bag that a batch fills. A [`DeadLetterQueue`] keeps bags; [`LogQueue`] keeps
//! them in three topics of a log and finds them there again.

mod error;
mod headers;
mod letter;
mod letters;
mod log_queue;
mod newest;
mod queue;
mod reason;
mod spool;
mod view;

pub use error::DlqError;
pub use letter::{DeadLetter, LetterId, MAX_PAYLOAD_BYTES, Origin, PayloadKind, Source};
pub use letters::{Iter, Letters};
pub use log_queue::{DueLetters, Filter, KeptLetters, LogQueue, Shown, Summary};
pub use queue::{DeadLetterQueue, Payloads};
pub use reason::{Reason, TOPICS, UnknownReason};
pub use view::LetterView;
