//! Made-up input: the same bytes for the same seed, with defects in it whose number is known.

mod ecommerce;
mod github_events;
mod random;
mod truth;

pub(crate) use ecommerce::{Ecommerce, Message, Shares};
pub(crate) use github_events::{CaughtBy, GithubEvents, Payloads, Shape};
pub(crate) use truth::{Sale, Truth, TruthFile};
