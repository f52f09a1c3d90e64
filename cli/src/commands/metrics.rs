use anyhow::Result;
use assay_metrics::{DeadLetters, Lag, Observed, render};
use assay_pipeline::behind;

use crate::app::App;
use crate::output::line;

pub(crate) async fn metrics(app: &App) -> Result<()> {
    let now = app.clock.now();
    let mut observed = Observed::of(&app.store, now).await?;
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
    let lags = behind(&app.places, app.log.as_ref()).await?;
    observed.lags = lags.into_iter().filter_map(lag).collect();
    let letters = |summary: assay_dlq::Summary| DeadLetters {
        topic: summary.topic,
        reason: summary.reason.map_or_else(|| "unknown".to_owned(), |r| r.name().to_owned()),
        waiting: summary.letters,
        oldest_age_seconds: Some((now - summary.oldest).as_seconds_f64().max(0.0)),
    };
    observed.letters = app.queue.summary().await?.into_iter().map(letters).collect();
    line(render(&observed)?)
}
