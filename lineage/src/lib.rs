//! Tells where data came from: OpenLineage run events, and the graph that they add up to.
//!
//! The pipeline tells its runs and batches with [`started`], [`batch`] and [`ended`], which are pure;
//! the store keeps the events, and [`Graph`] is made from the edges it answers. [`Courier`] sends
//! what the store's outbox holds to OpenMetadata and to whoever else takes OpenLineage events.

mod account;
mod assertion;
mod blame;
mod changes;
mod columns;
mod courier;
mod dataset;
pub mod draw;
pub mod event;
pub mod facet;
mod graph;
pub mod http;
mod impact;
mod known_columns;
mod names;
mod openlineage;
pub mod openmetadata;
mod place;
#[cfg(feature = "plans")]
pub mod plans;
pub mod receive;
mod requests;
mod summary;
mod target;
mod telling;
mod trace;
mod traced;
mod tree;
mod walk;

pub use account::{Account, Named, Standing, account, latest};
pub use blame::{Blame, Failed, Finding, Suspect, blame};
pub use changes::{Change, What, changes};
pub use columns::{ColumnLineage, Direct, Indirect, InputColumn, OutputColumn};
pub use courier::{Courier, Passed, Persistence};
pub use dataset::{DatasetKind, DatasetRef, Symlink};
pub use graph::Graph;
pub use impact::{Column, ColumnLink, Reached, Why, column_picture, column_tree, impact, sources};
pub use known_columns::must_have;
pub use names::{Names, NotFound};
pub use openlineage::OpenLineage;
pub use openmetadata::OpenMetadata;
pub use place::{NoPlace, Place};
pub use requests::{Requests, api_requests};
pub use summary::{Summary, newest};
pub use target::{Refusal, Target};
pub use telling::{batch, data_loss_percent, ended, started};
pub use trace::{Trace, used_as_words};
pub use traced::part_of;
pub use tree::Tree;
pub use walk::{Link, Map, Node, Passage, Route, walk};

/// The namespace of the names that our tables have in our catalog.
pub(crate) const CATALOG: &str = "assay";
