//! What is sent to others, against servers that answer as real ones did.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod bad_days;
mod calls;
mod double;
mod events;
mod recordings;
mod sample;
mod schemas;
mod showing;
mod syncing;
