//! `GET /api/v1/lineage/blame`: which runs fed the rows that a run wrote, and how good those were.

use std::sync::Arc;

use assay_lineage::{Blame, Names, blame};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::Question;

pub(in crate::http) async fn accuse(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Blame>, Problem> {
    let question = Question::of(&uri, &["dataset", "run"])?;
    let names = Names::load(&service.store).await?;
    let dataset = names.find(&service.store, question.needed("dataset")?).await?;
    let run = question.word("run", "UUID")?;
    let found = blame(&service.store, &names, &dataset, run, service.clock.now()).await?;
    let none =
        || Problem::Unknown("no run that is known wrote this dataset, or not that one".to_owned());
    found.map(Json).ok_or_else(none)
}
