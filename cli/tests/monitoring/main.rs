//! The metrics, alerts and dashboards on a real Prometheus, Pushgateway and Alertmanager.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod alertmanager;
mod alerts;
mod compose;
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
