//! Tells where data came from: OpenLineage run events, and the graph that they add up to.
//!
//! The pipeline tells its runs and batches with [`started`], [`batch`] and
//! [`ended`]; the store keeps the events, and [`Graph`] is made from the edges it answers.

mod account;
mod blame;
mod changes;
mod column_walk;
mod columns;
mod dataset;
pub mod draw;
pub mod event;
pub mod facet;
mod graph;
mod names;
mod place;
#[cfg(feature = "plans")]
pub mod plans;
pub mod receive;
mod summary;
mod telling;
mod trace;
mod tree;
mod walk;

pub use account::{Account, Named, Standing, account, latest};
pub use blame::{Blame, Failed, Finding, blame};
pub use changes::{Change, What, changes};
pub use column_walk::{Column, ColumnLink, Reached, Why, column_tree, impact, sources};
pub use columns::{ColumnLineage, Direct, Indirect, InputColumn, OutputColumn};
pub use dataset::{DatasetKind, DatasetRef, Symlink};
pub use graph::Graph;
pub use names::{Names, NotFound};
pub use place::{NoPlace, Place};
pub use summary::{Summary, newest};
pub use telling::{batch, data_loss_percent, ended, started};
pub use trace::{Trace, used_as_words};
pub use tree::Tree;
pub use walk::{Link, Map, Node, Passage, Route, walk};

/// The namespace of the names that our tables have in our catalog.
pub(crate) const CATALOG: &str = "assay";
