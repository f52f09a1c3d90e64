//! The collector from outside: what it answers, and what reaches the log.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod answers;
mod delivery;
mod desk;
mod keys;
mod rough_log;
