//! The sidecar: the service that people put beside stages which they run already. It takes in
//! lineage events over HTTP, answers what is known, and is where dead letters are looked at and sent
//! back from; who carries that out is a worker elsewhere.
//!
//! HTTP is thin: a file for each route, and each calls one function of a leaf.

mod http;
mod letters;
mod meters;
mod requests;
mod settings;
mod sidecar;

pub use assay_door::{Listen, Quota};
pub use settings::Settings;
pub use sidecar::{Parts, ReadResults, Sidecar, SidecarError};
