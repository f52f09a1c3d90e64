//! `GET /api/v1/lineage/blame`: which runs fed the rows that a run wrote, and how good those were.

use std::sync::Arc;

use assay_lineage::receive::run_id;
use assay_lineage::{Blame, Finding, Names, Standing, Suspect, blame};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::{Question, page};

/// The run that is asked about, with a page of those behind it.
#[derive(Serialize)]
pub(in crate::http) struct Page {
    dataset: String,
    accused: Finding,
    behind: Vec<Finding>,
    /// Where to look first, on whatever page that is.
    first: Vec<Suspect>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    going: Vec<Standing>,
    /// There are more runs behind it than all pages have.
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn accuse(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["dataset", "run", "limit", "cursor"])?;
    let names = Names::load(&service.store).await?;
    let dataset = names.find(&service.store, question.needed("dataset")?).await?;
    let said = question.text("run");
    let now = service.clock.now();
    let found = blame(&service.store, &names, &dataset, said.map(run_id), now).await?;
    let none = || {
        let which = said.map_or_else(|| "no run".to_owned(), |run| format!("the run {run} never"));
        Problem::Unknown(format!("{which} wrote {dataset}, as far as events tell"))
    };
    let Blame { dataset, accused, behind, first, going, cut } = found.ok_or_else(none)?;
    let (behind, next) = page(behind, &question)?;
    Ok(Json(Page { dataset, accused, behind, first, going, cut, next }))
}
