//! The store as its callers see it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod audit;
mod belongings;
mod columns;
mod halts;
mod home;
mod imported;
mod in_postgres;
mod letters;
mod lineage;
mod migrating;
mod opening;
mod outbox;
mod pauses;
mod processes;
mod profiles;
mod pruning;
mod readers;
mod runs;
mod sample;
mod telling;
mod version_1;
mod ways;
mod working;
