//! `GET /api/v1/dlq/letters`: dead letters, the newest first, with the beginning of each payload.

use std::sync::Arc;

use assay_dlq::{LetterView, Portion};
use assay_store::LetterPlace;
use axum::extract::State;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::Serialize;

use crate::http::Service;
use crate::http::admission::{Client, May};
use crate::http::error::Problem;
use crate::http::question::Question;
use crate::http::which::{CONDITIONS, Which, reveals, veiled};

/// Bytes of a payload that a list shows.
const PREVIEW: usize = 256;

/// Payloads that are read for one page where conditions ask for it.
const MOST_READ: u64 = 10_000;

#[derive(Serialize)]
pub(in crate::http) struct Page {
    letters: Vec<LetterView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Payloads that had to be read: `where` and `text` are not in the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned: Option<u64>,
    /// What was asked for and no letter ever named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<String>,
}

pub(in crate::http) async fn letters(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Extension(may): Extension<May>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let known = [&CONDITIONS[..], &["all", "reveal", "limit", "cursor"]].concat();
    let question = Question::of(&uri, &known)?;
    let after: Option<LetterPlace> = question.word("cursor", "cursor of this list")?;
    let limit = question.limit()?;
    let which = Which::of(&service, &question, may).await?;
    let reveal = reveals(&service, &question, (&client, may), "letters").await?;
    let shown = |letter| if reveal { letter } else { veiled(letter) };
    let scans = which.matching.scans();
    let Portion { letters, scanned, next } = match scans {
        // Whoever may not see a value may not ask for it either.
        true => {
            let (filter, matching) = (&which.filter, &which.matching);
            which.index.matching(filter, matching, after, &shown, (limit, MOST_READ)).await?
        }
        false => which.index.page(&which.filter, after.as_ref(), (limit, PREVIEW)).await?,
    };
    let unknown = match letters.is_empty() && next.is_none() {
        true => which.index.unknown(&which.filter).await?,
        false => vec![],
    };
    let letters = letters.into_iter().map(|letter| shown(letter).beginning(PREVIEW)).collect();
    let (next, scanned) = (next.map(|place| place.to_string()), scans.then_some(scanned));
    Ok(Json(Page { letters, next, scanned, unknown }))
}
