//! Tells where data came from: OpenLineage run events, and the graph that they add up to.
//!
//! The pipeline tells its runs and batches with [`started`], [`batch`] and
//! [`ended`]; the store keeps the events, and [`Graph`] is made from the edges it answers.

mod account;
mod columns;
mod dataset;
pub mod event;
pub mod facet;
mod graph;
mod place;
#[cfg(feature = "plans")]
pub mod plans;
pub mod receive;
mod summary;
mod telling;
mod trace;
mod tree;

pub use account::{Account, Named, Standing, account, latest};
pub use columns::{ColumnLineage, Direct, Indirect, InputColumn, OutputColumn};
pub use dataset::{DatasetKind, DatasetRef, Symlink};
pub use graph::Graph;
pub use place::{NoPlace, Place};
pub use summary::{Summary, newest};
pub use telling::{batch, data_loss_percent, ended, started};
pub use trace::{Trace, used_as_words};
pub use tree::Tree;

/// The namespace of the names that our tables have in our catalog.
pub(crate) const CATALOG: &str = "assay";
