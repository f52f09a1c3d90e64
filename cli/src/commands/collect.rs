use std::sync::Arc;

use anyhow::{Context, Result};
use assay_collect::{Collector, Durability, Listen, Parts};
use assay_core::{Clock, RandomIds, SystemClock};
use assay_dlq::{Index, LogQueue};
use assay_pipeline::Pipeline;

use crate::app::{open_log, open_store};
use crate::args::{self, CollectArgs};
use crate::config::Config;
use crate::output::number;
use crate::signals::Asked;
use crate::telemetry::{Showing, Shown};

/// The folder of segments, in the data directory; a folder for each pipeline in it.
const FOLDER: &str = "collector";

const STOPPING: &str =
    "stopping: finishing requests and sending what is there; ask again to stop at once";

pub(crate) async fn collect(config: Config, pipeline: &Pipeline, what: &CollectArgs) -> Result<()> {
    let mut settings = config.collector.clone();
    settings.listen = what.listen.map_or(settings.listen, |listen| Listen(listen.0));
    settings.durability = match what.durability {
        Some(args::Durability::Power) => Durability::Power,
        Some(args::Durability::Process) => Durability::Process,
        None => settings.durability,
    };
    let durability = settings.durability;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make {}", config.data_dir.display()))?;
    let log = open_log(&config, &clock).await?;
    let folder = config.data_dir.join(FOLDER).join(&pipeline.name);
    let store = open_store(&config).await?;
    if config.store.is_some() {
        // What it takes in is for stages of the hosts that share the store.
        let queue = Arc::new(LogQueue::new(Arc::clone(&log)));
        Index::new(queue, Arc::new(store.clone())).claim_log().await?;
    }
    let store = Some(store);
    let parts = Parts { settings, log, clock, ids: Arc::new(RandomIds), store, folder };
    // Before anybody can know that there is something to stop.
    let asked = Asked::listen().context("cannot hear signals")?;
    let collector = Collector::start(pipeline, parts).await?;
    let (address, found) = (collector.address(), collector.found());
    eprintln!("listening on {address}, durability {}", durability.name());
    if found > 0 {
        eprintln!("{} events of an earlier process are being sent", number(found));
    }
    let text = collector.metrics();
    let shown = || vec![Shown::of_process(move || std::future::ready(Some(text())))];
    let showing = Showing::start(shown, true);
    let drained = collector.run(asked.stopped(STOPPING)).await?;
    if let Some(showing) = showing {
        showing.end().await;
    }
    eprintln!("stopped: {} events sent", number(drained.sent));
    if drained.kept > 0 {
        eprintln!("{} events are kept here, the next start sends them", number(drained.kept));
    }
    Ok(())
}
