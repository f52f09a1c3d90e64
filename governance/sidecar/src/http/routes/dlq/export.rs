//! `GET /api/v1/dlq/export`: letters with their payloads, a line of JSON for each, as they are read.

use std::io;
use std::sync::Arc;

use assay_dlq::{LetterView, Matching, Reading};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use futures::stream::try_unfold;

use crate::http::Service;
use crate::http::admission::{Client, May};
use crate::http::error::Problem;
use crate::http::question::Question;
use crate::http::which::{CONDITIONS, Which, reveals, veiled};

/// What is left to be written.
struct Rest {
    reading: Reading,
    matching: Matching,
    reveal: bool,
}

pub(in crate::http) async fn export(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Extension(may): Extension<May>,
    uri: Uri,
) -> Result<Response, Problem> {
    let question = Question::of(&uri, &[&CONDITIONS[..], &["all", "reveal"]].concat())?;
    let which = Which::of(&service, &question, may).await?;
    let reveal = reveals(&service, &question, (&client, may), "export").await?;
    let reading = which.index.reading(&which.filter, None);
    let rest = Rest { reading, matching: which.matching, reveal };
    // A client that gets half of it sees that, since the connection breaks.
    let lines = try_unfold(rest, |mut rest| async move {
        let lines = rest.lines().await.inspect_err(|error| {
            tracing::error!(%error, "an export of dead letters broke off");
        });
        Ok::<_, io::Error>(lines?.map(|lines| (lines, rest)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

impl Rest {
    /// Some lines more; none at the end.
    async fn lines(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let letters = self.reading.next().await.map_err(io::Error::other)?;
            if letters.is_empty() {
                return Ok(None);
            }
            let mut lines = Vec::new();
            for letter in letters {
                let letter = if self.reveal { letter } else { veiled(letter) };
                if self.matching.holds(&letter, &LetterView::json) {
                    serde_json::to_writer(&mut lines, &letter.value()?)?;
                    lines.push(b'\n');
                }
            }
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
    }
}
