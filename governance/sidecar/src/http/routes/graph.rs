//! `GET /api/v1/lineage/graph`: what a dataset was made from, and what is made from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use assay_lineage::draw::{self, Picture};
use assay_lineage::receive::run_id;
use assay_lineage::{Link, Map, Names, Node, Route, walk};
use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::{Question, page};

/// A page of links, with the datasets that they name.
#[derive(Serialize)]
struct Page {
    dataset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<DateTime<Utc>>,
    nodes: Vec<Node>,
    links: Vec<Link>,
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

const KNOWN: [&str; 8] =
    ["dataset", "direction", "depth", "at", "run", "format", "limit", "cursor"];

pub(in crate::http) async fn graph(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let question = Question::of(&uri, &KNOWN)?;
    let names = Names::load(&service.store).await?;
    let dataset = names.find(&service.store, question.needed("dataset")?).await?;
    let (upstream, downstream) = match question.text("direction") {
        None | Some("both") => (true, true),
        Some("upstream") => (true, false),
        Some("downstream") => (false, true),
        Some(_) => {
            let why = "`direction` is upstream, downstream or both";
            return Err(Problem::Question(why.to_owned()));
        }
    };
    let at = match question.text("run").map(run_id) {
        None => question.time("at", service.clock.now())?,
        Some(run) => {
            let known = service.store.lineage_run(run).await?;
            let known =
                known.ok_or_else(|| Problem::Unknown("no event told of this run".to_owned()))?;
            Some(known.last_at)
        }
    };
    let route = Route { upstream, downstream, depth: question.word("depth", "number")?, at };
    let map = walk(&service.store, &names, &dataset, route).await?;
    Ok(match drawn(&question, || Picture::from(&map))? {
        Some(drawn) => drawn,
        None => Json(paged(map, &question)?).into_response(),
    })
}

/// The picture that is asked for; none where it is JSON.
pub(super) fn drawn(
    question: &Question,
    picture: impl FnOnce() -> Picture,
) -> Result<Option<Response>, Problem> {
    let plain = |kind: &'static str, text: String| ([(header::CONTENT_TYPE, kind)], text);
    let (kind, text) = match question.text("format") {
        None | Some("json") => return Ok(None),
        Some("mermaid") => ("text/plain; charset=utf-8", draw::mermaid(&picture())),
        Some("dot") => ("text/plain; charset=utf-8", draw::dot(&picture())),
        Some("svg") => ("image/svg+xml", draw::svg(&picture())),
        Some(_) => {
            let why = "`format` is json, mermaid, dot or svg";
            return Err(Problem::Question(why.to_owned()));
        }
    };
    Ok(Some(plain(kind, text).into_response()))
}

fn paged(map: Map, question: &Question) -> Result<Page, Problem> {
    let Map { dataset, at, mut nodes, links, cut } = map;
    let (links, next) = page(links, question)?;
    // A graph that is one page keeps a dataset that has no link.
    if next.is_some() || question.text("cursor").is_some() {
        let named: BTreeSet<&str> =
            links.iter().flat_map(|link| [&*link.input, &*link.output]).collect();
        nodes.retain(|node| named.contains(node.dataset.as_str()));
    }
    Ok(Page { dataset, at, nodes, links, cut, next })
}
