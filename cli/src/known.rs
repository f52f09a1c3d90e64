//! What all metrics of a data folder are made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use assay_core::Clock;
use assay_metrics::{DeadLetters, Lag, Observed};
use assay_store::Store;

use crate::app::App;
use crate::waiting::Desk;

/// Where it is looked for.
pub(crate) struct Known {
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
    desk: Desk,
    /// Whether the log was away when it was last looked at.
    away: AtomicBool,
}

impl Known {
    pub(crate) fn of(app: &App) -> Known {
        Known {
            clock: Arc::clone(&app.clock),
            store: Arc::clone(&app.store),
            desk: Desk::of(app),
            away: AtomicBool::new(false),
        }
    }

    /// How it is now. While the log is away there are no lags, and letters are those of before.
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
        let waiting = self.desk.waiting().await?;
        let before = self.away.swap(waiting.away.is_some(), Ordering::Relaxed);
        // Once: this is asked for again and again.
        if let Some(error) = waiting.away.filter(|_| !before) {
            tracing::warn!(error, "the log is away: metrics are without what only it knows");
        }
        observed.log_up = Some(waiting.unread.is_some());
        observed.lags = waiting.unread.into_iter().flatten().filter_map(lag).collect();
        let letters = |summary: assay_dlq::Summary| DeadLetters {
            topic: summary.topic,
            reason: summary.reason.map_or_else(|| "unknown".to_owned(), |r| r.name().to_owned()),
            waiting: summary.letters,
            oldest_age_seconds: Some((now - summary.oldest).as_seconds_f64().max(0.0)),
        };
        observed.letters = waiting.letters.into_iter().map(letters).collect();
        Ok(observed)
    }
}
