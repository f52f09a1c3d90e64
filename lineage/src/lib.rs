//! Tells where data came from: OpenLineage run events, and the graph that they add up to.
//!
//! Everything here is pure. The pipeline tells its runs and batches with [`started`], [`batch`] and
//! [`ended`]; the store keeps the events, and [`Graph`] is made from the edges it answers.

mod columns;
mod dataset;
pub mod event;
pub mod facet;
mod graph;
#[cfg(feature = "plans")]
pub mod plans;
mod telling;
mod trace;
mod tree;

pub use columns::{ColumnLineage, Direct, Indirect, InputColumn, OutputColumn};
pub use dataset::{DatasetKind, DatasetRef, Symlink};
pub use graph::Graph;
pub use telling::{batch, data_loss_percent, ended, started};
pub use trace::{Trace, used_as_words};
pub use tree::Tree;
