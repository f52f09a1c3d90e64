//! `GET /openapi.json`: what can be asked, for programs.

use axum::http::header;
use axum::response::{IntoResponse, Response};

pub(in crate::http) const OPENAPI: &str = include_str!("../openapi.json");

pub(in crate::http) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
