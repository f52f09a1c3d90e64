//! The metrics, alerts and dashboards on a real Prometheus, Pushgateway and Alertmanager.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod alertmanager;
mod alerts;
mod business;
/// How OpenMetadata answers, as the tests of lineage have it from recordings.
#[allow(dead_code, reason = "its own tests ask it for more")]
#[path = "../../../lineage/tests/targets/calls/mod.rs"]
mod calls;
mod compose;
#[allow(dead_code, reason = "its own tests ask it for more")]
#[path = "../../../lineage/tests/targets/double.rs"]
mod double;
mod exposition;
mod expression;
mod hook;
mod office;
mod pushing;
mod runbook;
mod servers;
mod stopping;
mod trouble;
mod web;
mod whole;
