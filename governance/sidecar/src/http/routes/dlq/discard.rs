//! `POST /api/v1/dlq/discard`: gives letters up, with a reason.

use std::sync::Arc;

use assay_store::{Action, AuditEntry};
use axum::extract::{Request, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::Service;
use crate::http::admission::{Client, May};
use crate::http::body::{because, read};
use crate::http::error::Problem;
use crate::http::which::Which;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    ids: Vec<String>,
    which: Option<Map<String, Value>>,
    reason: String,
    /// Only say how many letters are meant.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
pub(in crate::http) struct Done {
    letters: u64,
    discarded: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<String>,
}

pub(in crate::http) async fn discard(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Extension(may): Extension<May>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let asked: Asked = read(&service, request).await?;
    let reason = because(asked.reason)?;
    let mut which = Which::named(&service, (&asked.ids, asked.which.as_ref()), may).await?;
    let any = which.resolve().await?;
    // What fails from now on is not what was looked at.
    let at = service.clock.now();
    if asked.ids.is_empty() {
        which.filter.until.get_or_insert(at);
    }
    let letters = if any { service.store.letter_count(&which.filter).await? } else { 0 };
    if letters == 0 || asked.dry_run {
        let unknown = if letters == 0 { which.index.unknown(&which.filter).await? } else { vec![] };
        return Ok(Json(Done { letters, discarded: false, unknown }));
    }
    let subject = match &asked.ids[..] {
        [one] => one.clone(),
        _ => format!("{letters} letters"),
    };
    let details = json!({"letters": letters, "which": which.filter});
    let entry = AuditEntry { at, who: client.0, action: Action::Discard, subject, reason, details };
    // Begun is done, also when the client does not wait.
    let done = tokio::spawn(async move { which.index.discard(&which.filter, &entry).await });
    done.await.map_err(|_| Problem::Busy)??;
    Ok(Json(Done { letters, discarded: true, unknown: vec![] }))
}
