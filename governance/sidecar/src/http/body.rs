//! Bodies of requests that ask for something to be done.

use assay_door::{announced, kind, whole_within};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::Service;
use super::error::Problem;

/// The body, which is one JSON object; a member that is not known is a mistake.
pub(super) async fn read<T: DeserializeOwned>(
    service: &Service,
    request: Request,
) -> Result<T, Problem> {
    check_kind(request.headers())?;
    let limit = service.settings.body_mb << 20;
    if announced(request.headers()).is_some_and(|announced| announced > limit) {
        return Err(Problem::TooLarge { limit });
    }
    let (body, _room) = whole_within(request.into_body(), limit, &service.in_flight).await?;
    serde_json::from_slice(&body).map_err(|error| Problem::Question(format!("the body: {error}")))
}

/// Why something is done, in the words of whoever asks: it is kept.
pub(super) fn because(reason: String) -> Result<String, Problem> {
    match reason.trim().is_empty() {
        true => Err(Problem::Question("`reason` says why, in your words".to_owned())),
        false => Ok(reason),
    }
}

/// JSON, or nothing said. What a page in a browser sends names the page, and is not for us: it
/// could send to a port of this machine unasked.
pub(super) fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::ORIGIN) {
        return Err(Problem::Page);
    }
    match kind(headers) {
        None => Ok(()),
        Some(kind) if kind == "application/json" || kind == "text/json" => Ok(()),
        Some(kind) if kind.starts_with("application/") && kind.ends_with("+json") => Ok(()),
        Some(kind) => Err(Problem::ContentType(kind.chars().take(100).collect())),
    }
}
