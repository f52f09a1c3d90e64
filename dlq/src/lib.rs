//! Dead letters: rows set aside with the reason, so that they can be put right and sent back.
//!
//! [`Letters`] is the bag that a batch fills. A [`DeadLetterQueue`] keeps bags; [`LogQueue`] keeps
//! them in three topics of a log and finds them there again.

mod begun;
mod cause;
mod choice;
mod dialect;
mod error;
mod fate;
mod forward;
mod headers;
mod index;
mod letter;
mod letters;
mod log_queue;
mod mask;
mod moment;
mod newest;
mod queue;
mod readable;
mod reason;
mod replay;
mod spool;
mod view;

pub use choice::{Choice, NotMeant};
pub use dialect::Dialect;
pub use error::DlqError;
pub use fate::Fate;
pub use forward::{Forward, ForwardError, Forwarded, Forwarding, stage_of_topic};
pub use index::{
    AtPath, CaughtUp, Found, Group, Index, Landing, Matching, Portion, Reading, Step, TopicState,
    Traced, Whole,
};
pub use letter::{DeadLetter, LetterId, MAX_PAYLOAD_BYTES, Origin, PayloadKind, Source};
pub use letters::{Iter, Letters};
pub use log_queue::{DueLetters, Filter, KeptLetters, LogQueue, Shown, Summary};
pub use mask::{MASK, mask};
pub use moment::Moment;
pub use queue::{Closed, DeadLetterQueue, Payloads};
pub use reason::{Reason, TOPICS, UnknownReason};
pub use replay::{Asked, MOST_ATTEMPTS, ReplaySet, SILENCE, Sent};
pub use view::{LetterView, Outcome};
