//! Letters that are sent to a topic.

use std::sync::Arc;

use anyhow::Result;
use assay_core::Counts;
use assay_dlq::{Asked, Index, stage_of_topic};
use assay_pipeline::{Forwarder, ReplayError};
use assay_store::{Action, AuditEntry, Replay, ReplayOptions};
use serde_json::json;

use super::replay::{begun, end};
use super::which::{Which, say_unknown};
use crate::app::App;
use crate::args::DlqReplayArgs;
use crate::output::{json as print_json, line, number};
use crate::progress::Progress;

pub(super) async fn replay(
    app: &App,
    what: &DlqReplayArgs,
    (which, any): (&Which, bool),
    topic: &str,
    as_json: bool,
) -> Result<()> {
    let index = &which.index;
    Forwarder::check_transform(what.transform.as_deref())?;
    let options = ReplayOptions {
        rate: what.rate,
        transform: what.transform.clone(),
        to: Some(index.forward_to(topic, &which.filter).await.map_err(ReplayError::from)?),
        ..ReplayOptions::default()
    };
    let letters = match any {
        true => index.store().letter_count(&which.filter).await?,
        false => 0,
    };
    if letters == 0 || (!what.dry_run && !what.yes) {
        return match (as_json, letters) {
            (true, _) => print_json(&json!({"letters": letters, "to": topic})),
            (false, 0) => {
                say_unknown(index, &which.filter).await?;
                line("no letter is meant")
            }
            (false, _) => line(format!(
                "{} letters would be sent to topic {topic}. --dry-run says what would become of \
                 them, --yes does it.",
                number(letters)
            )),
        };
    }
    let asked = Asked {
        stage: stage_of_topic(topic),
        letters: which.filter.clone(),
        limit: what.limit,
        options,
        dry: what.dry_run,
        who: app.config.who.clone(),
        reason: what.reason.clone().unwrap_or_default(),
    };
    let (id, at) = (app.ids.next(), app.clock.now());
    let entry = AuditEntry {
        at,
        who: asked.who.clone(),
        action: Action::Replay,
        subject: format!("topic {topic} job {id}"),
        reason: asked.reason.clone(),
        details: json!({"which": asked.letters, "options": asked.options}),
    };
    let job = index.start(&asked, id, at, (!asked.dry).then_some(&entry)).await?;
    begun(&job)?;
    if !asked.dry && !as_json {
        line(format!("job {id}: {} letters to topic {topic}", number(job.letters)))?;
    }
    carry_out(app, index, &job, as_json).await
}

pub(super) fn forwarder<'a>(app: &'a App, index: &'a Index) -> Forwarder<'a> {
    Forwarder { index, clock: app.clock.as_ref(), stop: &app.stop }
}

pub(super) async fn carry_out(app: &App, index: &Index, job: &Replay, as_json: bool) -> Result<()> {
    let progress = Arc::new(Progress::new(as_json));
    if !job.dry {
        app.drain_when_asked();
    }
    progress.begin(&job.stage.to_string());
    let heard = |counts: &Counts| progress.at(counts);
    let outcome = forwarder(app, index).carry_out(job.id, app.ids.next(), &heard).await;
    progress.end();
    end(index, job, outcome, as_json).await
}
