//! The pipelines that come with the binary, and folders beside them.

use std::path::Path;

use anyhow::Result;
use assay_pipeline::{Folder, Pipeline};

use crate::exit::Usage;

macro_rules! shipped {
    ($pipeline:literal, $path:literal) => {
        ($path, include_str!(concat!("../../pipelines/", $pipeline, "/", $path)))
    };
}

const GITHUB_EVENTS: &[(&str, &str)] = &[
    shipped!("github_events", "pipeline.yaml"),
    shipped!("github_events", "schemas/github_event.avsc"),
    shipped!("github_events", "contracts/bronze.github_events.odcs.yaml"),
    shipped!("github_events", "contracts/silver.github_events_parsed.odcs.yaml"),
    shipped!("github_events", "contracts/silver.github_events.odcs.yaml"),
    shipped!("github_events", "contracts/gold.user_activity.odcs.yaml"),
    shipped!("github_events", "models/bronze_github_events.sql"),
    shipped!("github_events", "models/silver_github_events_parsed.sql"),
    shipped!("github_events", "models/silver_github_events.sql"),
    shipped!("github_events", "models/gold_user_activity.sql"),
];

const ECOMMERCE: &[(&str, &str)] = &[
    shipped!("ecommerce", "pipeline.yaml"),
    shipped!("ecommerce", "contracts/bronze.events_raw.odcs.yaml"),
    shipped!("ecommerce", "contracts/silver.events_clean.odcs.yaml"),
    shipped!("ecommerce", "contracts/silver.event_traces.odcs.yaml"),
    shipped!("ecommerce", "contracts/gold.kpi_1m.odcs.yaml"),
    shipped!("ecommerce", "models/bronze_events_raw.sql"),
    shipped!("ecommerce", "models/events_clean.sql"),
    shipped!("ecommerce", "models/event_traces.sql"),
    shipped!("ecommerce", "models/kpi_1m.sql"),
    shipped!("ecommerce", "migrations/0001_tables.sql"),
    shipped!("ecommerce", "migrations/0002_views.sql"),
];

const SHIPPED: &[(&str, &[(&str, &str)])] =
    &[("github_events", GITHUB_EVENTS), ("ecommerce", ECOMMERCE)];

/// The pipeline that a person means: a shipped name, or a folder.
pub(crate) fn load(name: &str) -> Result<Pipeline> {
    Ok(Pipeline::load(&folder(name)?)?)
}

/// The names of the pipelines that come with the binary.
pub(crate) fn names() -> Vec<String> {
    SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// The pipeline with the folder that it is in.
pub(crate) fn opened(name: &str) -> Result<(Folder, Pipeline)> {
    let folder = folder(name)?;
    let pipeline = Pipeline::load(&folder)?;
    Ok((folder, pipeline))
}

/// The contracts of a shipped pipeline, each with its place.
pub(crate) fn contracts(name: &str) -> Option<Vec<(String, String)>> {
    let (name, files) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
    let contracts = files.iter().filter(|(path, _)| path.ends_with(".odcs.yaml"));
    Some(contracts.map(|(path, text)| (format!("{name}/{path}"), (*text).to_owned())).collect())
}

fn folder(name: &str) -> Result<Folder> {
    if let Some((name, files)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok(Folder::Shipped { name, files });
    }
    let path = Path::new(name);
    if path.join("pipeline.yaml").is_file() {
        return Ok(Folder::Disk(path.to_path_buf()));
    }
    let known = names();
    let what = match path.is_dir() {
        true => format!("the folder {name} has no pipeline.yaml"),
        false => format!("there is no pipeline `{name}`"),
    };
    let fix =
        format!("name a folder with a pipeline.yaml, or a shipped pipeline: {}", known.join(", "));
    Err(Usage(format!("{what}; {fix}")).into())
}
