//! Pipelines from a file to gold, on real parts in a temporary folder.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod shop;

mod bad_days;
mod clickstream;
mod columns;
mod commits;
mod compaction;
mod day_by_day;
mod definition;
mod evolution;
mod flags;
mod following;
mod going_back;
mod holes;
mod ingest;
mod letters;
mod long_reads;
mod maintenance;
mod messages;
mod partitions;
mod pruning;
mod recompute;
mod replays;
mod rules;
mod troubled;
