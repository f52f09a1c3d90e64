//! The store as its callers see it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod opening;
mod processes;
mod runs;
mod sample;
mod telling;
