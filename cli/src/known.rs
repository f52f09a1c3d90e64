//! What all metrics of a data folder are made of.

use std::sync::Arc;

use anyhow::Result;
use assay_core::Clock;
use assay_dlq::Index;
use assay_log::Log;
use assay_metrics::{DeadLetters, Lag, Observed};
use assay_pipeline::{Places, behind};
use assay_store::Store;

use crate::app::App;

/// Where it is looked for.
pub(crate) struct Known {
    clock: Arc<dyn Clock>,
    places: Arc<Places>,
    log: Arc<dyn Log>,
    store: Arc<Store>,
    index: Index,
}

impl Known {
    pub(crate) fn of(app: &App) -> Known {
        Known {
            clock: Arc::clone(&app.clock),
            places: Arc::clone(&app.places),
            log: Arc::clone(&app.log),
            store: Arc::clone(&app.store),
            index: app.index(),
        }
    }

    /// How it is now.
    pub(crate) async fn observed(&self) -> Result<Observed> {
        let now = self.clock.now();
        let mut observed = Observed::of(&self.store, now).await?;
        // A lag is a reader's; what nobody reads yet has none.
        let lag = |behind: assay_pipeline::Behind| {
            Some(Lag {
                group: behind.reader?,
                topic: behind.topic,
                partition: behind.partition,
                messages: behind.messages,
                seconds: behind.seconds,
            })
        };
        let lags = behind(&self.places, self.log.as_ref()).await?;
        observed.lags = lags.into_iter().filter_map(lag).collect();
        let letters = |summary: assay_dlq::Summary| DeadLetters {
            topic: summary.topic,
            reason: summary.reason.map_or_else(|| "unknown".to_owned(), |r| r.name().to_owned()),
            waiting: summary.letters,
            oldest_age_seconds: Some((now - summary.oldest).as_seconds_f64().max(0.0)),
        };
        self.index.catch_up(&|_| {}).await?;
        observed.letters = self.index.summary().await?.into_iter().map(letters).collect();
        Ok(observed)
    }
}
