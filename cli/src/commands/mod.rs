//! One file per command: each calls a crate and prints what it answers.

mod audit;
mod change;
mod check;
mod collect;
mod columns;
mod contract;
mod db;
mod demo;
mod dlq;
mod follow;
mod generate;
mod ingest;
mod inspect;
mod keys;
mod lineage;
mod metrics;
mod openmetadata;
mod outbox;
mod pause;
mod prune;
mod quality;
mod query;
mod rewind;
mod run;
pub(crate) mod runs;
mod sending;
mod sidecar;
mod status;
mod table;
mod tables;
mod top;
mod verify;

use std::sync::Arc;

use anyhow::Result;
use assay_pipeline::{Hop, Pipeline, Stage};

use crate::app::App;
use crate::args::{
    Args, Command, DbCommand, Format, GenerateCommand, LineageCommand, TableCommand, VerifyCommand,
};
use crate::config::{Config, Given, LogConfig, Targets};
use crate::exit::Usage;
use crate::shipped;
use crate::telemetry;

pub(crate) use self::sending::Sending;

pub(crate) use self::follow::Seconds;
pub(crate) use self::inspect::ByContract;

const DATA: &str = "assay-data";
const DEMO_DATA: &str = "assay-demo";

pub(crate) async fn run(args: Args) -> Result<()> {
    let json = args.output == Format::Json;
    let drawn = !matches!(args.output, Format::Table | Format::Json);
    let picture = matches!(args.command, Command::Lineage { command: LineageCommand::Show(_) });
    if drawn && !picture {
        return Err(
            Usage("only `assay lineage show` can be drawn: use table or json".to_owned()).into()
        );
    }
    let config = |default: &str| {
        let given = Given {
            data_dir: args.data_dir.as_deref(),
            postgres: args.postgres.as_deref(),
            store: args.store.as_deref(),
        };
        Config::load(args.config.as_deref(), given, default, &args.who)
    };
    // For what does work that is worth a trace; looking is not.
    let working = || config(DATA).inspect(telemetry::start);
    match args.command {
        Command::Check { pipeline } => check::check(&pipeline, json),
        Command::Generate { command: GenerateCommand::GithubEvents(what) } => {
            generate::github_events(&what)
        }
        Command::Generate { command: GenerateCommand::Ecommerce(what) } => {
            generate::ecommerce(App::build(config(DATA)?).await?, &what).await
        }
        Command::Verify { command: VerifyCommand::Ecommerce(what) } => {
            verify::ecommerce(&config(DATA)?, &what, json).await
        }
        Command::Demo(what) => {
            // What it makes up has no place in topics that others read, nor in their catalogs.
            let (log, targets) = (LogConfig::Embedded, Targets::default());
            let config = config(DEMO_DATA)?;
            if config.store.is_some() {
                eprintln!("the demo keeps to its own folder, whatever store is named");
            }
            let config = Config { log, targets, store: None, ..config };
            demo::claim(&config.data_dir)?;
            Box::pin(demo::demo(App::build(config).await?, &what, json)).await
        }
        Command::Ingest(what) => {
            let pipeline = shipped::load(&what.pipeline)?;
            let app = App::build(working()?).await?;
            app.claim_log().await?;
            let sending = Sending::start(&app)?;
            sending.after(ingest::ingest(app, &pipeline, &what, json).await).await
        }
        Command::Collect(what) => {
            let pipeline = shipped::load(&what.pipeline)?;
            collect::collect(working()?, &pipeline, &what).await
        }
        Command::Sidecar(what) => sidecar::sidecar(working()?, &what).await,
        Command::Keys { command } => keys::keys(&config(DATA)?, command, json).await,
        Command::Run(what) => {
            let pipeline = shipped::load(&what.pipeline)?;
            let app = match what.plan {
                true => existing(config(DATA)?).await?,
                false => {
                    let app = App::build(working()?).await?;
                    app.claim_log().await?;
                    app
                }
            };
            let sending = Sending::start(&app)?;
            sending.after(Box::pin(run::run(app, &pipeline, &what, json)).await).await
        }
        Command::Pause(what) => {
            let pipeline = shipped::load(&what.pipeline)?;
            pause::pause(&existing(config(DATA)?).await?, &pipeline, &what, json).await
        }
        Command::Resume(what) => {
            let pipeline = shipped::load(&what.pipeline)?;
            pause::resume(&existing(config(DATA)?).await?, &pipeline, &what, json).await
        }
        Command::Rewind(what) => {
            let pipeline = shipped::load(&what.pipeline)?;
            rewind::rewind(&existing(config(DATA)?).await?, &pipeline, &what, json).await
        }
        Command::Db { command: DbCommand::Migrate(what) } => {
            let pipeline = what.pipeline.as_deref().map(shipped::load).transpose()?;
            db::migrate(&config(DATA)?, pipeline.as_ref(), &what, json).await
        }
        Command::Status => status::status(&existing(config(DATA)?).await?, json).await,
        Command::Top(what) => {
            Box::pin(top::top(&existing(config(DATA)?).await?, &what, json)).await
        }
        Command::Runs(what) => runs::runs(&existing(config(DATA)?).await?, &what, json).await,
        Command::Tables { name } => {
            tables::tables(&existing(config(DATA)?).await?, name.as_ref(), json).await
        }
        Command::Table { command: TableCommand::Compact(what) } => {
            table::compact(&existing(config(DATA)?).await?, &what, json).await
        }
        Command::Table { command: TableCommand::Expire(what) } => {
            table::expire(&existing(config(DATA)?).await?, &what, json).await
        }
        Command::Query(what) => query::query(&existing(config(DATA)?).await?, &what, json).await,
        Command::Contract { command } => contract::contract(command, || config(DATA), json).await,
        Command::Quality { command } => quality::quality(*command, config(DATA)?, json).await,
        Command::Dlq { command } => {
            dlq::dlq(&with_letters(working()?).await?, &command, json).await
        }
        Command::Lineage { command } => {
            lineage::lineage(&config(DATA)?, command, args.output).await
        }
        Command::Outbox { command } => {
            outbox::outbox(&existing(working()?).await?, &command, json).await
        }
        Command::Openmetadata { command } => {
            openmetadata::openmetadata(config(DATA)?, command, json).await
        }
        Command::Prune(what) => prune::prune(&existing(config(DATA)?).await?, &what, json).await,
        Command::Audit(what) => audit::audit(&existing(config(DATA)?).await?, &what, json).await,
        Command::Metrics(what) => {
            metrics::metrics(&existing(config(DATA)?).await?, &what, json).await
        }
    }
}

/// The stage of that name, or the one that `run` means by it.
fn stage_named<'p>(pipeline: &'p Pipeline, name: &str) -> Result<&'p Arc<Stage>> {
    if let Some(stage) = pipeline.stages.iter().find(|stage| stage.id.stage == name) {
        return Ok(stage);
    }
    let hop: Option<Hop> = name.parse().ok();
    let covers = |stage: &&Arc<Stage>| hop.is_none_or(|hop| hop.covers(stage));
    let meant: Vec<&Arc<Stage>> = pipeline.stages.iter().filter(covers).collect();
    if let (Some(_), [one]) = (hop, &meant[..]) {
        return Ok(one);
    }
    let known: Vec<&str> = meant.iter().map(|stage| stage.id.stage.as_str()).collect();
    let (pipeline, known) = (&pipeline.name, known.join(", "));
    let told = match hop {
        Some(_) => format!("{name} of {pipeline} is not one stage; name one of {known}"),
        None => format!("{pipeline} has no stage `{name}`; its stages are {known}"),
    };
    Err(Usage(told).into())
}

/// Opens a data directory to look at; looking makes none.
async fn existing(config: Config) -> Result<App> {
    must_exist(&config)?;
    App::build(config).await
}

/// Letters of Kafka are there before anything of ours is: the first look makes their index.
async fn with_letters(config: Config) -> Result<App> {
    match config.log {
        LogConfig::Kafka(_) => App::build(config).await,
        LogConfig::Embedded => existing(config).await,
    }
}

fn must_exist(config: &Config) -> Result<()> {
    // What many hosts share is there without any folder here.
    if config.data_dir.is_dir() || config.store.is_some() {
        return Ok(());
    }
    Err(Usage(format!(
        "there is no data in {}: run `assay demo`, take in a file with `assay ingest`, or name \
         another directory with --data-dir",
        config.data_dir.display()
    ))
    .into())
}
