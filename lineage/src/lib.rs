//! Tells where data came from: OpenLineage run events, and the graph that they add up to.
//!
//! The pipeline tells its runs and batches with [`started`], [`batch`] and [`ended`], which are pure;
//! the store keeps the events, and [`Graph`] is made from the edges it answers. [`Courier`] sends
//! what the store's outbox holds to OpenMetadata and to whoever else takes OpenLineage events.

mod courier;
mod dataset;
pub mod event;
pub mod facet;
mod graph;
pub mod http;
mod openlineage;
pub mod openmetadata;
mod target;
mod telling;
mod tree;

pub use courier::{Courier, Passed, Persistence};
pub use dataset::{DatasetKind, DatasetRef, Symlink};
pub use graph::Graph;
pub use openlineage::OpenLineage;
pub use openmetadata::OpenMetadata;
pub use target::{Refusal, Target};
pub use telling::{batch, data_loss_percent, ended, started};
pub use tree::Tree;
