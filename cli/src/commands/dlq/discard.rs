use anyhow::Result;
use assay_dlq::{Closed, Fate};
use assay_store::{Action, AuditEntry};
use serde_json::json;

use super::which::Which;
use crate::app::App;
use crate::args::DlqDiscardArgs;
use crate::exit::Usage;
use crate::output::{counted, json as print_json, line};

/// Letters that are given up together.
const LETTERS: usize = 1000;

pub(crate) async fn discard(app: &App, what: &DlqDiscardArgs, as_json: bool) -> Result<()> {
    let mut which = Which::of(app, &what.which, None, false).await?;
    which.only(&what.ids)?;
    let any = which.resolve().await?;
    // What fails from now on is not what was looked at.
    let at = app.clock.now();
    if what.ids.is_empty() {
        which.filter.until.get_or_insert(at);
    }
    let all = if any { which.index.store().letter_count(&which.filter).await? } else { 0 };
    if all < what.ids.len() as u64 {
        let (open, asked) = (all, what.ids.len());
        let told = format!("{open} of {asked} letters are there and open: see `assay dlq list`");
        return Err(Usage(told).into());
    }
    let done = (what.yes || !what.ids.is_empty()) && all > 0;
    if done {
        // What is wanted is kept before it is done, so nothing is done that is not kept.
        let entry = AuditEntry {
            at,
            who: app.config.who.clone(),
            action: Action::Discard,
            subject: match &what.ids[..] {
                [one] => one.clone(),
                _ => counted(all, "letter"),
            },
            reason: what.reason.clone(),
            details: json!({"letters": all, "which": which.filter}),
        };
        app.store.record(&entry).await?;
        loop {
            let letters = which.index.list(&which.filter, LETTERS, 0).await?;
            if letters.is_empty() {
                break;
            }
            let closed = |letter: &assay_dlq::LetterView| Closed {
                id: letter.id,
                topic: letter.at.topic.clone(),
                partition: letter.at.partition,
                fate: Fate::Discarded,
            };
            let closed: Vec<Closed> = letters.iter().map(closed).collect();
            // A letter that fails in this very moment is another one.
            let latest = letters.iter().map(|letter| letter.failed_at).max().unwrap_or(at);
            which.index.queue().discard(&closed, at.max(latest)).await?;
            which.index.catch_up(&|_| {}).await?;
        }
    }
    if as_json {
        return print_json(&json!({"letters": all, "discarded": done}));
    }
    line(match (all, done) {
        (0, _) => "no letter is meant".to_owned(),
        (_, true) => format!("given up: {}; `dlq list --all` has them", counted(all, "letter")),
        (_, false) => format!("{} would be given up. Add --yes to do it.", counted(all, "letter")),
    })
}
