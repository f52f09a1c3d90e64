//! `/api/v1/dlq`: dead letters, and jobs that send them back.

pub(in crate::http) mod discard;
pub(in crate::http) mod export;
pub(in crate::http) mod groups;
pub(in crate::http) mod job;
pub(in crate::http) mod jobs;
pub(in crate::http) mod letter;
pub(in crate::http) mod letters;
pub(in crate::http) mod start;
pub(in crate::http) mod topics;
pub(in crate::http) mod trace;
