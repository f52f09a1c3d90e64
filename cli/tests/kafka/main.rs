//! The binary on a broker of its own.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod anew;
mod bad_line;
mod broker;
mod clicks;
mod collector;
#[path = "../collector/office.rs"]
#[allow(dead_code, reason = "it is there for another test, which uses all of it")]
mod counter;
mod lag;
mod letters;
mod login;
mod messages;
mod office;
mod pipeline;
mod proxy;
mod topic;
mod workers;

/// Whether there is time for bad days that last longer, as in CI.
fn long() -> bool {
    std::env::var_os("ASSAY_BAD_DAYS").is_some()
}
