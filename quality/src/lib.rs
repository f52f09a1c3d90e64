//! Judges rows by the rules of a contract: which rows break what, what the score is, and why.
//!
//! Judging performs no effect and never fails. A rule that can't be evaluated on a row counts as
//! broken by it and says so in the report.

mod breaker;
mod compile;
mod depth;
mod distinct;
mod expression;
mod finding;
mod format;
mod import;
mod judge;
mod keys;
mod literal;
mod mask;
mod measure;
mod observe;
pub mod planning;
mod profiler;
mod range;
mod report;
mod score;
mod suite;
mod tally;
mod text;
mod wording;

pub use breaker::Breaker;
pub use compile::READABLE;
pub use distinct::SpoolError;
pub use format::is_written_as;
pub use import::{ImportError, import};
pub use judge::{BadRow, Facts, Judged};
pub use keys::{KeyError, KeyHasher, KeySet};
pub use mask::Mask;
pub use profiler::Profiler;
pub use report::{BatchFacts, History, Past, PastLag};
pub use suite::{Asks, Reference, Suite};
pub use tally::Tally;

#[cfg(test)]
mod tests;
