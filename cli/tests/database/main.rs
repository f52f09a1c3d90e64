//! What the stream rests on beside its own work: the database's keys, what the log still has, and
//! the store that follows.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod gaps;
mod keys;
mod office;
mod psql;
mod telling;
