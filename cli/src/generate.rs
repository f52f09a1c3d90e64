//! Made-up input: the same bytes for the same seed, with defects in it whose number is known.

mod github_events;
mod random;

pub(crate) use github_events::{CaughtBy, GithubEvents, Payloads, Shape};
