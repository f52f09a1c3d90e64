//! The sidecar: the service that people put beside stages which they run already. It takes in
//! lineage events over HTTP and answers what is known.
//!
//! HTTP is thin: a file for each route, and each calls one function of a leaf.

mod http;
mod meters;
mod requests;
mod settings;
mod sidecar;

pub use assay_door::{Listen, Quota};
pub use settings::Settings;
pub use sidecar::{Parts, Sidecar, SidecarError};
