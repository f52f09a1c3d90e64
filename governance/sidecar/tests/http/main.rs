//! The sidecar as its clients see it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod asking;
mod blaming;
mod desk;
mod door;
mod engines;
mod letters;
mod receiving;
