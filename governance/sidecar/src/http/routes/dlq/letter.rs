//! `GET /api/v1/dlq/letters/{id}`: a letter with its whole payload, and its history.

use std::sync::Arc;

use assay_dlq::LetterView;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;

use crate::http::Service;
use crate::http::admission::{Client, May};
use crate::http::error::Problem;
use crate::http::question::Question;
use crate::http::which::{letter_id, no_letter, reveals, veiled};

#[derive(Serialize)]
pub(in crate::http) struct Whole {
    /// With a payload that is JSON as it is, and not as a text.
    letter: Value,
    history: Vec<LetterView>,
    /// Its topic kept it long enough, so that its payload is lost.
    gone: bool,
}

pub(in crate::http) async fn letter(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Extension(may): Extension<May>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Whole>, Problem> {
    let question = Question::of(&uri, &["reveal"])?;
    let parsed = letter_id(&id)?;
    let index = service.letters.caught_up(None).await?;
    let found = index.show(parsed).await?.ok_or_else(no_letter)?;
    let reveal = reveals(&service, &question, (&client, may), &id).await?;
    let shown = |letter| if reveal { letter } else { veiled(letter) };
    let letter = shown(found.letter).value();
    let letter = letter.map_err(|_| Problem::Conflict("the letter can't be shown".to_owned()))?;
    let history = found.history.into_iter().map(shown).collect();
    Ok(Json(Whole { letter, history, gone: found.gone }))
}
