//! Spans of what a batch goes through, and their way out over OTLP, with the metrics.
//!
//! A [`Span`] costs nothing while nothing is exported: it only hands on the trace that it was given.
//! An [`Export`] sends beside the work; an endpoint that is away or slow neither delays nor fails it.

mod export;
mod metrics;
mod otlp;
mod span;

pub use export::{Export, Settings};
pub use otlp::{NoExport, Otlp};
pub use span::{Kind, Span};
