//! Exports traces and metrics over OTLP, where that is asked for: beside the work, never in its way.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use assay_core::{Clock, Ids, RandomIds, SystemClock};
use assay_metrics::Observed;
use assay_store::Store;
use assay_trace::Export;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::config::Config;
use crate::known::Known;

/// Of this process; spans are made in every corner of it.
static EXPORT: OnceLock<(Export, Duration)> = OnceLock::new();

/// How long the end of a process waits for the last metrics to go out.
const LAST: Duration = Duration::from_secs(2);

/// Begins to export as the settings say. What stands against it is told, and the work goes on.
pub(crate) fn start(config: &Config) {
    let Some(otlp) = &config.otlp else { return };
    let started = otlp.as_ref().map_err(Clone::clone).and_then(|otlp| {
        let instance = RandomIds.next().to_string();
        let settings = assay_trace::Settings { instance, ..otlp.settings.clone() };
        let export = Export::start(&settings, now()).map_err(|error| error.to_string())?;
        Ok((export, otlp.every))
    });
    match started {
        // A process has one configuration, so nobody comes second.
        Ok(export) => drop(EXPORT.set(export)),
        Err(error) => tracing::warn!(error, "nothing is exported over OTLP"),
    }
}

/// Sends what was recorded last.
pub(crate) async fn end() {
    if let Some((export, _)) = EXPORT.get() {
        export.end().await;
    }
}

type Text = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// What `/metrics` answers, or would.
pub(crate) struct Shown {
    /// It counts from the beginning of this process on.
    of_process: bool,
    text: Box<dyn Fn() -> Text + Send + Sync>,
}

/// Exports what is shown, now and then.
pub(crate) struct Showing {
    over: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Shown {
    pub(crate) fn of_process<F>(text: impl Fn() -> F + Send + Sync + 'static) -> Shown
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        Shown { of_process: true, text: Box::new(move || Box::pin(text())) }
    }

    /// The totals of a data folder, which are older than any process.
    pub(crate) fn of_store(app: &App) -> Shown {
        let known = Arc::new(Known::of(app));
        let text = move || -> Text {
            let known = Arc::clone(&known);
            Box::pin(async move {
                let text = known.observed().await.and_then(|observed| {
                    assay_metrics::render(&observed).map_err(anyhow::Error::from)
                });
                text.inspect_err(|error| {
                    tracing::debug!(error = format!("{error:#}"), "no metrics to export now");
                })
                .ok()
            })
        };
        Shown { of_process: false, text: Box::new(text) }
    }

    /// What a sidecar knows of a store without a lake.
    pub(crate) fn of_sidecar((store, clock): (Store, Arc<dyn Clock>)) -> Shown {
        let text = move || -> Text {
            let (store, clock) = (store.clone(), Arc::clone(&clock));
            Box::pin(async move {
                let observed = Observed::of(&store, clock.now()).await.ok()?;
                assay_metrics::render(&observed).ok()
            })
        };
        Shown { of_process: false, text: Box::new(text) }
    }
}

impl Showing {
    /// None when metrics are not exported, or not wanted. Without `regularly` only at the end.
    pub(crate) fn start(shown: impl FnOnce() -> Vec<Shown>, regularly: bool) -> Option<Showing> {
        let (export, every) = EXPORT.get().filter(|(export, _)| export.takes_metrics())?;
        let shown = shown();
        let (over, mut told) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut ended = false;
            while !ended {
                ended = tokio::select! {
                    _ = &mut told => true,
                    () = tokio::time::sleep(*every), if regularly => false,
                };
                for shown in &shown {
                    if let Some(text) = (shown.text)().await {
                        export.metrics(&text, now(), shown.of_process).await;
                    }
                }
            }
        });
        Some(Showing { over, task })
    }

    /// Exports once more, for as long as that may take.
    pub(crate) async fn end(self) {
        let Showing { over, mut task } = self;
        drop(over);
        if tokio::time::timeout(LAST, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the newest metrics were not exported: the OTLP receiver is too slow");
        }
    }
}

fn now() -> SystemTime {
    SystemClock.now().into()
}
