use std::path::Path;

use anyhow::Result;
use assay_core::Counts;
use assay_pipeline::{IngestSummary, Input, Pipeline, prune_messages};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::IngestArgs;
use crate::output::{json, line, number};
use crate::progress::Progress;
use crate::pusher::Pusher;

pub(crate) async fn ingest(
    app: App,
    pipeline: &Pipeline,
    what: &IngestArgs,
    as_json: bool,
) -> Result<()> {
    app.stop_on_ctrl_c();
    let input = match what.file == Path::new("-") {
        true => Input::Stdin,
        false => Input::File(what.file.clone()),
    };
    let pusher = Pusher::start(&app, true, false);
    let taken = take_in(&app, pipeline, &input, as_json).await;
    app.share_letters().await;
    if let Some(pusher) = pusher {
        pusher.end().await;
    }
    let summary = taken?;
    if as_json {
        return json(&value(&summary));
    }
    let counts = &summary.counts;
    if counts.read == 0 {
        return line(format!("{} has no lines: nothing to take in", what.file.display()));
    }
    line(format!(
        "{} lines: {} taken in as {} messages, {} set aside",
        number(counts.read),
        number(counts.written),
        number(summary.messages),
        number(counts.rejected)
    ))?;
    for (reason, rows) in &summary.rejected_by {
        line(format!("  {:>8} {reason}", number(*rows)))?;
    }
    if counts.rejected > 0 {
        line("see them with `assay dlq list`")?;
    }
    Ok(())
}

pub(super) fn value(summary: &IngestSummary) -> Value {
    json!({
        "run": summary.run.id,
        "counts": summary.counts,
        "messages": summary.messages,
        "rejected_by": summary.rejected_by,
    })
}

/// Takes an input in, showing how it gets on.
pub(crate) async fn take_in(
    app: &App,
    pipeline: &Pipeline,
    input: &Input,
    quiet: bool,
) -> Result<IngestSummary> {
    make_room(app).await;
    let progress = Progress::new(quiet);
    progress.begin("ingest");
    let show = |counts: &Counts| progress.show("ingest", counts);
    let summary = app.ingest().run(pipeline, input, &show).await;
    progress.end();
    Ok(summary?)
}

/// Before more comes, messages go that are past their limits and that everyone has read.
async fn make_room(app: &App) {
    let limit = app.config.retention.topic_bytes();
    match prune_messages(&app.places, app.log.as_ref(), &*app.store, limit).await {
        Ok(topics) => {
            for due in topics.iter().filter(|due| due.unread > 0) {
                tracing::warn!(
                    topic = due.topic,
                    messages = due.unread,
                    readers = ?due.unread_by,
                    "messages are past their limit and stay, since they are not read yet"
                );
            }
        }
        // There may be no room next time; what comes now still has some.
        Err(error) => tracing::warn!(%error, "old messages can't be deleted"),
    }
}
