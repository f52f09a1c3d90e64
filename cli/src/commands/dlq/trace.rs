use anyhow::Result;
use assay_dlq::{Landing, Outcome, Source, Step};

use super::{caught_up, letter_id, list, no_letter};
use crate::app::App;
use crate::output::{json, line, time};

pub(crate) async fn trace(app: &App, id: &str, as_json: bool) -> Result<()> {
    let parsed = letter_id(id)?;
    let index = caught_up(app, None).await?;
    let traced = index.trace(parsed).await?.ok_or_else(|| no_letter(id))?;
    if as_json {
        return json(&traced);
    }
    line(format!("letter {id}"))?;
    for step in &traced.steps {
        match step {
            Step::Failed { letter } => {
                let (at, attempt) = (time(letter.failed_at), letter.attempt);
                let (reason, stage) = (list::reason(letter), list::stage_of(letter));
                let detail = letter.detail.as_deref().unwrap_or_default();
                line(format!("{at}  attempt {attempt} died in {stage}: {reason}: {detail}"))?;
            }
            Step::Replayed { job, by, reason, state, at } => {
                line(format!("{}  sent back by {by} ({reason}): job {job}, {state}", time(*at)))?;
            }
            Step::Closed { outcome, landing } => {
                let told = closed(outcome, landing.as_ref());
                line(format!("{}  {told}", time(outcome.at)))?;
            }
        }
    }
    match traced.open {
        true => line("it is open: `assay dlq replay` sends it back"),
        false => Ok(()),
    }
}

/// What became of a row, and in which commit or topic.
pub(super) fn closed(outcome: &Outcome, landing: Option<&Landing>) -> String {
    let fate = outcome.fate;
    if let Some(Source { topic, partition, offset }) = &outcome.sent_to {
        return format!("{fate}: topic {topic}, partition {partition}, offset {offset}");
    }
    let Some(Landing { table, snapshot, committed_at, .. }) = landing else {
        return fate.to_string();
    };
    match snapshot {
        Some(snapshot) => {
            format!("{fate}: {table}, snapshot {snapshot}, committed {}", time(*committed_at))
        }
        None => format!("{fate}: {table}, committed {}", time(*committed_at)),
    }
}
