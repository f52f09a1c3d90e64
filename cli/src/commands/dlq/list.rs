use anyhow::Result;
use assay_dlq::{LetterView, mask};
use serde_json::{Value, json};

use super::which::{Which, say_unknown};
use super::{as_known, caught_up, letter_id, no_letter};
use crate::app::App;
use crate::args::DlqListArgs;
use crate::avro_text;
use crate::output::{Grid, json, line, number, short, time};

/// Bytes of a payload that a list shows to programs.
const PREVIEW: usize = 256;

pub(crate) async fn list(app: &App, what: &DlqListArgs, as_json: bool) -> Result<()> {
    let which = Which::of(app, &what.which, what.reason, what.all).await?;
    let limit = if what.limit == 0 { usize::MAX } else { what.limit };
    let letters = which.list(limit, if as_json { PREVIEW } else { 0 }).await?;
    if as_json {
        let letters: Vec<LetterView> = letters.into_iter().map(LetterView::guarded).collect();
        return json(&letters);
    }
    if letters.is_empty() {
        say_unknown(&which.index, &which.filter).await?;
        return line("no dead letters");
    }
    let mut grid = Grid::new(&["letter", "failed", "stage", "reason", "detail"]);
    for letter in &letters {
        grid.row([
            letter.id.to_string(),
            time(letter.failed_at),
            stage_of(letter),
            reason(letter),
            short(&detail(letter), 72),
        ]);
    }
    grid.print()?;
    if which.matching.scans() {
        return line(format!("({} shown)", letters.len()));
    }
    let all = which.index.store().letter_count(&which.filter).await?;
    match all > letters.len() as u64 {
        true => line(format!("({} of {} shown: --limit)", letters.len(), number(all))),
        false => line(format!("({} in all)", number(all))),
    }
}

pub(crate) async fn groups(app: &App, what: &DlqListArgs, as_json: bool) -> Result<()> {
    let which = Which::of(app, &what.which, what.reason, what.all).await?;
    let limit = if what.limit == 0 { u32::MAX } else { u32::try_from(what.limit)? };
    let groups = which.index.groups(&which.filter, limit).await?;
    if as_json {
        return json(&groups);
    }
    if groups.is_empty() {
        say_unknown(&which.index, &which.filter).await?;
        return line("no dead letters");
    }
    let mut grid =
        Grid::new(&["cause", "letters#", "rows#", "stage", "reason", "newest", "detail"]);
    for group in &groups {
        grid.row([
            group.fingerprint.clone(),
            number(group.letters),
            number(group.rows),
            stage_of(&group.example),
            reason(&group.example),
            time(group.newest),
            short(&detail(&group.example), 60),
        ]);
    }
    grid.print()?;
    line("`assay dlq list --group CAUSE` lists the letters of one")
}

pub(crate) async fn topics(app: &App, as_json: bool) -> Result<()> {
    let topics = as_known(app).await?.topics(app.clock.now()).await?;
    if as_json {
        return json(&topics);
    }
    let mut grid = Grid::new(&["topic", "letters#", "rows#", "last hour#", "oldest", "of what"]);
    for topic in &topics {
        let reason = |(reason, letters): &(String, u64)| format!("{} {reason}", number(*letters));
        let reasons: Vec<String> = topic.reasons.iter().take(3).map(reason).collect();
        grid.row([
            topic.topic.clone(),
            number(topic.letters),
            number(topic.rows),
            number(topic.last_hour),
            topic.oldest.map(time).unwrap_or_default(),
            reasons.join(", "),
        ]);
    }
    grid.print()
}

/// The stage that a letter failed in, or who wrote it.
pub(crate) fn stage_of(letter: &LetterView) -> String {
    match (&letter.stage, &letter.wrote) {
        (Some(stage), _) => stage.to_string(),
        (None, Some(wrote)) => wrote.clone(),
        (None, None) => "–".to_owned(),
    }
}

pub(crate) fn reason(letter: &LetterView) -> String {
    letter.reason.map_or_else(|| "–".to_owned(), |reason| reason.name().to_owned())
}

fn detail(letter: &LetterView) -> String {
    let text = match (&letter.detail, &letter.class) {
        (Some(detail), Some(class)) => format!("{detail} ({class})"),
        (Some(detail), None) => detail.clone(),
        (None, Some(class)) => class.clone(),
        (None, None) => "–".to_owned(),
    };
    match &letter.outcome {
        Some(outcome) if letter.closed => format!("{}: {text}", outcome.fate),
        _ if letter.older => format!("died again: {text}"),
        _ => text,
    }
}

pub(crate) async fn show(app: &App, id: &str, reveal: bool, as_json: bool) -> Result<()> {
    let parsed = letter_id(id)?;
    let shown = caught_up(app, None).await?.show(parsed).await?.ok_or_else(|| no_letter(id))?;
    let letter = &shown.letter;
    if as_json {
        let history: Vec<LetterView> = match reveal {
            true => shown.history.clone(),
            false => shown.history.iter().cloned().map(LetterView::guarded).collect(),
        };
        let mut value = json!({"letter": letter, "history": history, "gone": shown.gone});
        if !reveal && !letter.sensitive.is_empty() {
            value["letter"]["key"] = Value::Null;
            value["letter"]["payload"] = Value::from(masked(letter));
        }
        return json(&value);
    }
    let say = |name: &str, text: String| line(format!("{name:12} {text}"));
    say("letter", letter.id.to_string())?;
    say("reason", reason(letter))?;
    say("detail", letter.detail.clone().unwrap_or_default())?;
    if let Some(class) = &letter.class {
        say("error", class.clone())?;
    }
    if !letter.rules.is_empty() {
        say("rules", letter.rules.join(", "))?;
    }
    say("stage", stage_of(letter))?;
    say("dataset", letter.dataset.as_ref().map(ToString::to_string).unwrap_or_default())?;
    say("origin", letter.origin.as_ref().map(|origin| origin.0.clone()).unwrap_or_default())?;
    if let Some(source) = &letter.source {
        say("read from", source.to_string())?;
    }
    say("lies at", format!("{} ({})", letter.at, letter.dialect.name()))?;
    say("failed", format!("{} (attempt {})", time(letter.failed_at), letter.attempt))?;
    for earlier in shown.history.iter().filter(|other| other.older) {
        say("before", format!("{} (attempt {})", time(earlier.failed_at), earlier.attempt))?;
    }
    if let Some(outcome) = letter.outcome.as_ref().filter(|_| letter.closed) {
        say("closed", format!("{}, {}: `assay dlq trace {id}`", time(outcome.at), outcome.fate))?;
    }
    if let Some(run) = letter.run {
        say("run", run.to_string())?;
    }
    if let Some(contract) = &letter.contract {
        say("contract", format!("version {contract}"))?;
    }
    if letter.count > 1 {
        say("stands for", format!("{} equal rows", letter.count))?;
    }
    if !reveal && !letter.sensitive.is_empty() {
        say("masked", format!("{}: --reveal shows them", letter.sensitive.join(", ")))?;
    }
    line(format!("payload      {} bytes", number(letter.payload_bytes)))?;
    line(match (shown.gone, reveal) {
        (true, _) => "(gone: its topic kept it long enough)".to_owned(),
        (false, true) => avro_text::payload(letter),
        (false, false) => masked(letter),
    })
}

/// The payload without what the contract shows to few.
fn masked(letter: &LetterView) -> String {
    if letter.sensitive.is_empty() {
        return avro_text::payload(letter);
    }
    match letter.json() {
        Some(mut value) => {
            mask(&mut value, &letter.sensitive);
            serde_json::to_string_pretty(&value).unwrap_or_default()
        }
        None => "(it can't be taken apart, so nothing of it is shown: --reveal)".to_owned(),
    }
}
