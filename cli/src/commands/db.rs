use anyhow::Result;
use assay_pipeline::{Migration, Pipeline};

use crate::app::{database, open_postgres};
use crate::args::MigrateArgs;
use crate::config::Config;
use crate::output::{json, line};

/// Brings the schema of the database up to date.
pub(crate) async fn migrate(
    config: &Config,
    pipeline: Option<&Pipeline>,
    what: &MigrateArgs,
    as_json: bool,
) -> Result<()> {
    let postgres = open_postgres(database(config)?, &std::env::temp_dir())?;
    let own = |pipeline: &Pipeline| -> Vec<Migration> { pipeline.migrations.clone() };
    let steps = pipeline.map(own).unwrap_or_default();
    let of = pipeline.map(|pipeline| (pipeline.name.as_str(), &steps[..]));
    let done = postgres.migrate(of, what.dry_run).await?;
    if as_json {
        return json(&done);
    }
    let new: Vec<_> = done.iter().filter(|step| !step.before).collect();
    for step in &new {
        let word = if what.dry_run { "would apply" } else { "applied" };
        line(format!("{word} {} of {}", step.name, step.owner))?;
    }
    match new.is_empty() {
        true => line(format!("{} is up to date", postgres.place())),
        false => Ok(()),
    }
}
