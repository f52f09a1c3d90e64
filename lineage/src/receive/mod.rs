//! Lineage events of others: what of a body is an event, and how it is kept.

mod check;
mod intake;
mod merge;
mod read;

pub use check::Fault;
pub(crate) use check::time;
pub use intake::{Intake, Unkept};
pub(crate) use merge::{replace, taken_back};
pub(crate) use read::id_of;
pub use read::{Body, Unreadable, read, run_id};
