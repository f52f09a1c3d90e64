//! `POST /api/v1/dlq/jobs`: makes a job that sends letters back, for a worker to carry out.

use std::sync::Arc;

use assay_dlq::{Asked, stage_of_topic};
use assay_store::{Action, AuditEntry, Replay, ReplayOptions};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http::Service;
use crate::http::admission::{Client, May};
use crate::http::body::{because, read};
use crate::http::error::Problem;
use crate::http::which::Which;

/// Letters of one commit.
const MOST_IN_BATCH: u32 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    ids: Vec<String>,
    which: Option<Map<String, Value>>,
    #[serde(default)]
    reason: String,
    /// Also letters that were parked after too many attempts.
    #[serde(default)]
    parked: bool,
    /// Find out what would become of them, and change nothing.
    #[serde(default)]
    dry_run: bool,
    limit: Option<u64>,
    /// The topic that they are sent to; absent: back into their stage.
    to: Option<String>,
    #[serde(default)]
    options: Map<String, Value>,
}

pub(in crate::http) async fn start(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Extension(may): Extension<May>,
    request: Request,
) -> Result<Response, Problem> {
    let body: Body = read(&service, request).await?;
    let reason = if body.dry_run { body.reason } else { because(body.reason)? };
    let mut options = options(body.options, body.dry_run)?;
    if body.limit == Some(0) {
        return Err(Problem::Question("`limit` is 1 or more".to_owned()));
    }
    let mut which = Which::named(&service, (&body.ids, body.which.as_ref()), may).await?;
    which.filter.unparked = body.ids.is_empty() && !body.parked;
    let any = which.resolve().await?;
    let stage = match &body.to {
        _ if !any => None,
        Some(topic) => {
            options.to = Some(which.index.forward_to(topic, &which.filter).await?);
            let letters = service.store.letter_count(&which.filter).await?;
            (letters > 0).then(|| stage_of_topic(topic))
        }
        None => which.index.one_stage(&which.filter).await?.map(|choice| choice.stage),
    };
    let Some(stage) = stage else {
        let unknown = which.index.unknown(&which.filter).await?;
        return Ok(Json(json!({"letters": 0, "unknown": unknown})).into_response());
    };
    let (id, at, who) = (service.ids.next(), service.clock.now(), client.0);
    let entry = AuditEntry {
        at,
        who: who.clone(),
        action: Action::Replay,
        subject: format!("{stage} job {id}"),
        reason: reason.clone(),
        details: json!({"which": which.filter, "options": options}),
    };
    let asked = Asked {
        stage,
        letters: which.filter,
        limit: body.limit,
        options,
        dry: body.dry_run,
        who,
        reason,
    };
    let audited = (!asked.dry).then_some(&entry);
    let job: Replay = which.index.leave_to_workers(&asked, id, at, audited).await?;
    if job.letters == 0 {
        // All of them are in flight for other jobs.
        return Ok(Json(json!({"letters": 0, "skipped": job.skipped})).into_response());
    }
    let place = [(header::LOCATION, format!("/api/v1/dlq/jobs/{id}"))];
    Ok((StatusCode::ACCEPTED, place, Json(super::jobs::told(&service, job).await?)).into_response())
}

/// How letters are sent; an option that is not known is a mistake.
fn options(given: Map<String, Value>, dry: bool) -> Result<ReplayOptions, Problem> {
    let wrong = |told: String| Problem::Question(format!("`options`: {told}"));
    let known = serde_json::to_value(ReplayOptions::default()).unwrap_or_default();
    let names = || known.as_object().into_iter().flat_map(Map::keys);
    if let Some(name) = given.keys().find(|name| !names().any(|known| known == *name)) {
        let names: Vec<&str> = names().map(String::as_str).collect();
        return Err(wrong(format!("`{name}` is none of {}", names.join(", "))));
    }
    let chosen = given.contains_key("stop_percent");
    let mut options: ReplayOptions =
        serde_json::from_value(given.into()).map_err(|error| wrong(error.to_string()))?;
    if options.batch == 0 || options.rate == Some(0) {
        return Err(wrong("`batch` and `rate` are 1 or more".to_owned()));
    }
    if options.batch > MOST_IN_BATCH {
        return Err(wrong(format!("`batch` is {MOST_IN_BATCH} or less: it is one commit")));
    }
    if !(0.0..=100.0).contains(&options.stop_percent) {
        return Err(wrong("`stop_percent` is between 0 and 100".to_owned()));
    }
    // What SQL says depends on the columns, which the worker knows.
    let patch = options.transform.as_deref().filter(|text| text.trim_start().starts_with('{'));
    if let Some(Err(error)) = patch.map(serde_json::from_str::<Value>) {
        return Err(wrong(format!("`transform` is no JSON: {error}")));
    }
    // A dry run is to say of all of them what would become of them.
    if dry && !chosen {
        options.stop_percent = 100.0;
    }
    Ok(options)
}
