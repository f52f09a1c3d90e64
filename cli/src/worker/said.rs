use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use assay_core::{Counts, StageId};
use assay_pipeline::Sign;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Known, State};
use crate::output::number;

/// One line for each stage on a terminal; log lines elsewhere.
pub(super) enum Said {
    Lines(BTreeMap<StageId, ProgressBar>),
    Log,
    Nothing,
}

impl Said {
    pub(super) fn new(stages: &[&StageId], quiet: bool) -> Said {
        if !std::io::stderr().is_terminal() {
            return Said::Log;
        }
        if quiet {
            return Said::Nothing;
        }
        let all = MultiProgress::new();
        let line = |stage: &&StageId| {
            let bar = all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:24} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(stage.to_string());
            bar.set_message("starting");
            bar.enable_steady_tick(Duration::from_millis(250));
            ((*stage).clone(), bar)
        };
        Said::Lines(stages.iter().map(line).collect())
    }

    /// A batch is being read.
    pub(super) fn reads(&self, stage: &StageId, counts: &Counts) {
        if let Said::Lines(bars) = self
            && let Some(bar) = bars.get(stage)
        {
            let rows = counts.written + counts.rejected + counts.duplicates + counts.filtered;
            bar.set_message(format!("reading: {} rows in the batch", number(rows)));
        }
    }

    pub(super) fn says(&self, stage: &StageId, sign: Sign<'_>, known: &Known, news: bool) {
        match self {
            Said::Nothing => {}
            Said::Log if news => log(stage, sign, known),
            Said::Log => {}
            Said::Lines(bars) => {
                if let Some(bar) = bars.get(stage) {
                    bar.set_message(told(known));
                }
            }
        }
    }

    pub(super) fn end(&self) {
        if let Said::Lines(bars) = self {
            bars.values().for_each(ProgressBar::finish_and_clear);
        }
    }
}

fn told(known: &Known) -> String {
    let following = &known.following;
    let last = known.last_commit_at.map(|at| format!(", the last at {}", at.format("%H:%M:%S")));
    let done = format!(
        "{} rows in {} commits{}",
        number(following.counts.written),
        number(following.batches),
        last.unwrap_or_default()
    );
    match (known.state, &known.pause, &known.last_error) {
        (State::Paused, Some(pause), _) => {
            format!("paused by {}: {}; {done}", pause.who, pause.reason)
        }
        (State::Retrying, _, Some(error)) => format!("trying again: {}; {done}", error.message),
        _ => done,
    }
}

fn log(stage: &StageId, sign: Sign<'_>, known: &Known) {
    match sign {
        Sign::Owns(partitions) => {
            tracing::info!(%stage, partitions = ?partitions, "reads these partitions");
        }
        Sign::Waits => tracing::info!(%stage, "waits for what is new"),
        Sign::Paused(pause) => {
            tracing::warn!(%stage, by = pause.who, reason = pause.reason, "paused: `assay resume` lets it go on");
        }
        Sign::Committed(report, took) => {
            let counts = &report.counts;
            tracing::info!(
                %stage,
                run = %report.run.id,
                batch = %report.draft,
                read = counts.read,
                written = counts.written,
                rejected = counts.rejected,
                filtered = counts.filtered,
                duplicates = counts.duplicates,
                verdict = report.verdict_name(),
                milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "committed"
            );
        }
        Sign::FencedOff => {
            tracing::warn!(%stage, "another worker was faster: the batch was dropped");
        }
        Sign::Fails(_) => {
            let message = known.last_error.as_ref().map(|error| error.message.as_str());
            tracing::warn!(%stage, error = message, "that may work later: trying again until it does");
        }
    }
}
