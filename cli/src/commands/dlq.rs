use anyhow::Result;
use assay_core::{RunId, StageId};
use assay_dlq::{Filter, LetterId, LetterView};
use serde_json::json;

use crate::app::App;
use crate::args::DlqListArgs;
use crate::avro_text;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, short, time};

pub(crate) async fn list(app: &App, what: &DlqListArgs, as_json: bool) -> Result<()> {
    let letters = app.queue.list(&filter(what)?).await?;
    if as_json {
        return json(&letters);
    }
    if letters.is_empty() {
        return line("no dead letters");
    }
    let mut grid = Grid::new(&["letter", "failed", "stage", "reason", "detail"]);
    for letter in &letters {
        grid.row([
            letter.id.to_string(),
            time(letter.failed_at),
            stage_of(letter),
            reason(letter),
            short(letter.detail.as_deref().unwrap_or("–"), 72),
        ]);
    }
    grid.print()?;
    match letters.len() == what.limit {
        true => line(format!("({} shown; there may be more: --limit)", letters.len())),
        false => line(format!("({} in all)", letters.len())),
    }
}

fn filter(what: &DlqListArgs) -> Result<Filter> {
    let stage = what.stage.as_ref().map(|text| {
        let parts = text.split_once('/').ok_or_else(|| {
            Usage(format!("`{text}` is not a stage of a pipeline: write pipeline/stage"))
        });
        parts.map(|(pipeline, stage)| StageId {
            pipeline: pipeline.to_owned(),
            stage: stage.to_owned(),
        })
    });
    let run = what.run.as_ref().map(|text| {
        text.parse::<RunId>().map_err(|_| Usage(format!("`{text}` is not the id of a run")))
    });
    Ok(Filter {
        topic: what.topic.clone(),
        stage: stage.transpose()?,
        dataset: what.dataset.clone(),
        reason: what.reason,
        rule: what.rule.clone(),
        run: run.transpose()?,
        limit: if what.limit == 0 { usize::MAX } else { what.limit },
        ..Filter::default()
    })
}

pub(crate) fn stage_of(letter: &LetterView) -> String {
    letter.stage.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string)
}

pub(crate) fn reason(letter: &LetterView) -> String {
    letter.reason.map_or_else(|| "–".to_owned(), |reason| reason.name().to_owned())
}

pub(crate) async fn show(app: &App, id: &str, as_json: bool) -> Result<()> {
    let parsed: LetterId = id.parse().map_err(|_| {
        Usage(format!("`{id}` is not the id of a dead letter: see `assay dlq list`"))
    })?;
    let shown = app.queue.show(parsed).await?;
    let shown = shown
        .ok_or_else(|| Usage(format!("there is no dead letter {id}: see `assay dlq list`")))?;
    let letter = &shown.letter;
    if as_json {
        return json(&json!({"letter": letter, "history": shown.history}));
    }
    let say = |name: &str, text: String| line(format!("{name:12} {text}"));
    say("letter", letter.id.to_string())?;
    say("reason", reason(letter))?;
    say("detail", letter.detail.clone().unwrap_or_default())?;
    if !letter.rules.is_empty() {
        say("rules", letter.rules.join(", "))?;
    }
    say("stage", stage_of(letter))?;
    say("dataset", letter.dataset.as_ref().map(ToString::to_string).unwrap_or_default())?;
    say("origin", letter.origin.as_ref().map(|origin| origin.0.clone()).unwrap_or_default())?;
    if let Some(source) = &letter.source {
        say("read from", source.to_string())?;
    }
    say("lies at", letter.at.to_string())?;
    say("failed", format!("{} (attempt {})", time(letter.failed_at), letter.attempt))?;
    if let Some(run) = letter.run {
        say("run", run.to_string())?;
    }
    if let Some(contract) = &letter.contract {
        say("contract", format!("version {contract}"))?;
    }
    if letter.count > 1 {
        say("stands for", format!("{} equal rows", letter.count))?;
    }
    line(format!("payload      {} bytes", number(letter.payload_bytes)))?;
    line(avro_text::payload(letter))
}
