//! What the trait promises, held against every log; and what only Kafka has.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod both;
mod broker;
mod desk;
mod gaps;
mod groups;
mod law;
mod login;
