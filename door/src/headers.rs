//! What the headers of a request say of it.

use axum::http::{HeaderMap, header};

/// The key that a client shows, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.
pub fn key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|said| {
        let (scheme, key) = said.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| text("x-api-key"))
}

/// The bytes that a body says it has; a chunked one does not.
pub fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body was packed with gzip. An encoding that is not known is the error.
pub fn gzip(headers: &HeaderMap) -> Result<bool, String> {
    let Some(said) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    match said.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => Err(other.chars().take(100).collect()),
    }
}

/// The kind of the body in small letters, without what stands behind it.
pub fn kind(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}
