//! Segments: files of records that were accepted and are not sent yet.
//!
//! The collector's folder has numbered segments, which record `sent` says how far they went, and
//! who the collector is. A segment begins with a header; frames follow, each with the records of
//! one request, a checksum and their sequence numbers. A process writes new segments only: what an
//! earlier one left is read as far as it is whole.

mod error;
mod folder;
mod frame;
mod header;
mod journal;
mod lanes;
mod message;
mod reader;
mod records;
mod tail;
mod traces;

pub use error::SegmentError;
pub(crate) use folder::{Folder, Identity, Place};
pub(crate) use header::Header;
pub use journal::Durability;
pub(crate) use journal::{Journal, Limits};
pub(crate) use lanes::MessageSize;
pub(crate) use message::Message;
pub(crate) use reader::{Damage, Read, Reader};
pub(crate) use records::Records;
pub(crate) use traces::Traces;
