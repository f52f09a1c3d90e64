//! The binary on a broker of its own.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod broker;
mod office;
mod pipeline;
mod workers;
