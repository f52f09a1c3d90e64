use std::sync::Arc;

use anyhow::{Context, Result};
use assay_core::{Clock, ImportedScan, RandomIds, SystemClock};
use assay_quality::ImportError;
use assay_sidecar::{Listen, Parts, Sidecar};

use crate::app::{open_log, open_store};
use crate::args::SidecarArgs;
use crate::commands::sending::Sending;
use crate::config::Config;
use crate::signals::Asked;
use crate::telemetry::{Showing, Shown};

pub(crate) async fn sidecar(config: Config, what: &SidecarArgs) -> Result<()> {
    let mut settings = config.sidecar.clone();
    settings.listen = what.listen.map_or(settings.listen, |listen| Listen(listen.0));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(&config).await?;
    let store = store.sending_to(&config.targets.names(), clock.now()).await?;
    // Before anybody can know that there is something to stop.
    let asked = Asked::listen().context("cannot hear signals")?;
    // What comes in is also sent on.
    let courier = config.targets.courier(Arc::new(store.clone()), &clock, Arc::new(RandomIds))?;
    let sending = Sending::of(courier, config.targets.grace);
    let (log, ids) = (open_log(&config, &clock).await?, Arc::new(RandomIds));
    let (store_of_it, clock_of_it) = (store.clone(), Arc::clone(&clock));
    let parts =
        Parts { settings, store: store_of_it, log, clock: clock_of_it, ids, results: read_results };
    let sidecar = Sidecar::start(parts).await?;
    eprintln!("listening on {}", sidecar.address());
    let (own, known) = (sidecar.metrics(), (store.clone(), Arc::clone(&clock)));
    let shown = || {
        let own = Shown::of_process(move || std::future::ready(Some(own())));
        vec![own, Shown::of_sidecar(known)]
    };
    let showing = Showing::start(shown, true);
    sidecar.run(asked.stopped("stopping: finishing requests; ask again to stop at once")).await;
    if let Some(showing) = showing {
        showing.end().await;
    }
    sending.after(()).await;
    store.close().await;
    eprintln!("stopped: all that was answered for is kept");
    Ok(())
}

fn read_results(body: &[u8], manifest: Option<&[u8]>) -> Result<Vec<ImportedScan>, String> {
    let manifest = manifest.map(|manifest| ("`manifest`", manifest));
    assay_quality::import("the body", body, manifest).map_err(|error| match error {
        ImportError::NoManifest { .. } => {
            "dbt's results need its manifest: send {\"run_results\": …, \"manifest\": …}".to_owned()
        }
        other => other.to_string(),
    })
}
