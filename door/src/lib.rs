//! The door of a service: where it listens, over what, who may come in, how much of it, and bodies
//! of bounded size. What is behind the door is the service's own.

mod body;
mod credentials;
mod headers;
mod in_flight;
mod listen;
mod quota;
mod serve;
mod settings;

pub use body::{Unreadable, Unwhole, inflated, whole, whole_within};
pub use credentials::{Credentials, KeyHash, Known, NoHash};
pub use headers::{announced, gzip, key, kind};
pub use in_flight::{InFlight, Room};
pub use listen::{Door, DoorError, Peer, open};
pub use quota::Quotas;
pub use serve::serve;
pub use settings::{Key, Listen, Quota, Tls};
