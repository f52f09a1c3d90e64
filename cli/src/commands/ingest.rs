use std::path::Path;

use anyhow::Result;
use assay_core::Counts;
use assay_pipeline::{IngestSummary, Input, Pipeline};
use serde_json::json;

use crate::app::App;
use crate::args::IngestArgs;
use crate::output::{json, line, number};
use crate::progress::Progress;

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
    let summary = take_in(&app, pipeline, &input, as_json).await?;
    if as_json {
        return json(&json!({
            "run": summary.run.id,
            "counts": summary.counts,
            "messages": summary.messages,
            "rejected_by": summary.rejected_by,
        }));
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

/// Takes an input in, showing how it gets on.
pub(crate) async fn take_in(
    app: &App,
    pipeline: &Pipeline,
    input: &Input,
    quiet: bool,
) -> Result<IngestSummary> {
    let progress = Progress::new(quiet);
    progress.begin("ingest");
    let show = |counts: &Counts| progress.show("ingest", counts);
    let summary = app.ingest().run(pipeline, input, &show).await;
    progress.end();
    Ok(summary?)
}
