//! One file for each address: each calls one function of a leaf.

pub(super) mod blame;
pub(super) mod columns;
pub(super) mod datasets;
pub(super) mod diff;
pub(super) mod dlq;
pub(super) mod events;
pub(super) mod graph;
pub(super) mod health;
pub(super) mod impact;
pub(super) mod metrics;
pub(super) mod openapi;
pub(super) mod receive;
pub(super) mod results;
pub(super) mod runs;
pub(super) mod stats;
