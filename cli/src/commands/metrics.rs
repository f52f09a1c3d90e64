use anyhow::{Context, Result};
use assay_metrics::{list, render};

use crate::app::App;
use crate::args::MetricsArgs;
use crate::exit::Usage;
use crate::known::Known;
use crate::output::{json, line};
use crate::pusher::push_now;

pub(crate) async fn metrics(app: &App, what: &MetricsArgs, as_json: bool) -> Result<()> {
    if !what.push {
        let observed = Known::of(app).observed().await?;
        return match as_json {
            true => json(&list(&observed)),
            false => line(render(&observed)?),
        };
    }
    let Some(config) = &app.config.push else {
        let told =
            "no Pushgateway is named: write `pushgateway: {url: http://HOST:PORT}` in assay.yaml";
        return Err(Usage(told.to_owned()).into());
    };
    push_now(app, config).await.context("the metrics were not pushed")
}
