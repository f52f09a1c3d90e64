//! The metrics, alerts and dashboards on a real Prometheus, Pushgateway and Alertmanager.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod exposition;
mod office;
mod pushing;
mod servers;
mod web;
