//! The words that all of Assay must agree on: datasets, contracts, rules, runs, reports, positions.
//!
//! This crate knows no runtime, no network and no arrow. A type lives here only when every other
//! crate would otherwise have to invent it again; all else lives in the crate that owns its verb.

mod clock;
pub mod contract;
mod dataset;
mod dimension;
mod document;
mod fault;
mod foreign;
mod imported;
mod position;
pub mod profile;
mod report;
mod rule;
mod run;
mod spelling;
mod text_format;
mod trace;

pub use clock::{Clock, Ids, RandomIds, SystemClock};
pub use contract::Contract;
pub use dataset::{DatasetName, InvalidDatasetName, Layer};
pub use dimension::{Dimension, DimensionScore};
pub use document::{Document, Mistake, Mistakes};
pub use fault::Fault;
pub use foreign::{Panicked, hush_survived_panics, surviving, surviving_future};
pub use imported::{
    CountedUnit, ImportedOutcome, ImportedResult, ImportedScan, SeveralDatasets, name_dataset,
};
pub use position::{DraftId, Mark, Position, ReaderId, Slice};
pub use profile::{Profile, Remembered};
pub use report::{
    Column, ContractRef, Counts, Evaluated, Outcome, Quality, Report, RuleResult, Verdict,
    WindowScore,
};
pub use rule::{
    Bound, Check, Drift, DriftBy, Lag, Limit, OnFail, Rule, Season, Severity, Threshold, Volume,
};
pub use run::{Governed, Run, RunId, RunStatus, StageId};
pub use spelling::distance;
pub use text_format::TextFormat;
pub use trace::{TRACEPARENT, TRACESTATE, TraceContext};
