//! The metrics that Assay shows to Prometheus: their names, what feeds them, and their text.
//!
//! Counters and the histogram are running totals in the store, so they survive every process and
//! count each batch once; gauges are computed from the store's records when they are asked for.

mod exposition;
mod feed;
mod following;
mod listed;
pub mod names;
mod observed;
mod outbox;
mod push;
mod replays;
mod text;

pub use exposition::{CONTENT_TYPE, RenderError, render};
pub use feed::{of_batch, of_halt, of_run};
pub use following::{Durations, Following, render_following};
pub use listed::{Bucket, Listed, Series, Value, list};
pub use observed::{DeadLetters, Lag, Observed};
pub use push::{Gateway, GroupKey, Pushed, push};
pub use push::{GatewayError, NoGateway};
