use anyhow::Result;
use assay_store::{Action, AuditEntry};
use serde_json::json;

use super::which::{Which, say_unknown};
use crate::app::App;
use crate::args::DlqDiscardArgs;
use crate::output::{counted, json as print_json, line};

pub(crate) async fn discard(app: &App, what: &DlqDiscardArgs, as_json: bool) -> Result<()> {
    let mut which = Which::of(app, &what.which, None, false).await?;
    which.only(&what.ids).await?;
    let any = which.resolve().await?;
    // What fails from now on is not what was looked at.
    let at = app.clock.now();
    if what.ids.is_empty() {
        which.filter.until.get_or_insert(at);
    }
    let all = if any { which.index.store().letter_count(&which.filter).await? } else { 0 };
    let done = (what.yes || !what.ids.is_empty()) && all > 0;
    if done {
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
        which.index.discard(&which.filter, &entry).await?;
    }
    if all == 0 {
        say_unknown(&which.index, &which.filter).await?;
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
