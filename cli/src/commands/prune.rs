use std::collections::BTreeSet;

use anyhow::{Context, Result};
use assay_core::ReaderId;
use assay_pipeline::{DueMessages, REPLAYS_STAY, due_messages, prune_messages};
use assay_store::{Action, AuditEntry, Belonging, Kind};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::{App, TEMPORARY};
use crate::args::PruneArgs;
use crate::exit::Usage;
use crate::output::{Grid, bytes, json, line, number, time};
use crate::scratch::left_in;

/// What of one kind goes, and what of it stays although it is as old.
#[derive(Debug, Serialize)]
struct Swept {
    what: String,
    /// How long it is kept, in words.
    kept_for: String,
    count: u64,
    /// Absent where nobody weighs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    oldest: Option<DateTime<Utc>>,
    kept: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why_kept: Option<String>,
}

pub(crate) async fn prune(app: &App, what: &PruneArgs, as_json: bool) -> Result<()> {
    // Of another host's lake nobody here knows what its stages have read.
    let lake = app.lake.identity(app.ids.next()).await?;
    let place = app.lake.root().display().to_string();
    app.store.belongs_to(Belonging::Lake, (&lake, &place), false).await?;
    if let Some(reader) = &what.forget {
        forget(app, what, reader).await?;
    }
    let mut swept = sweep(app, true).await?;
    let mut given_back = 0;
    if !what.dry_run {
        if swept.iter().any(|swept| swept.count > 0) {
            // First, so that whatever happens next, it is known who began it.
            app.store.record(&entry(app, what, &swept)).await?;
            swept = sweep(app, false).await?;
        }
        given_back = app.store.reclaim().await? + app.log.reclaim().await?;
    }
    if as_json {
        return json(&json!({
            "dry_run": what.dry_run, "swept": swept, "bytes_given_back": given_back,
        }));
    }
    show(&swept, what.dry_run)?;
    match what.dry_run {
        true => line("\nNothing was deleted."),
        false => line(format!("\n{} were given back to the disk.", bytes(given_back))),
    }
}

/// Nothing is kept any more for a stage that has read into a database.
async fn forget(app: &App, what: &PruneArgs, reader: &str) -> Result<()> {
    let entry = AuditEntry {
        at: app.clock.now(),
        who: app.config.who.clone(),
        action: Action::Prune,
        subject: reader.to_owned(),
        reason: what.reason.clone(),
        details: json!({"forgotten": true}),
    };
    if app.store.forget_database_reader(&ReaderId(reader.to_owned()), &entry).await? {
        return Ok(());
    }
    let known = app.store.database_readers().await?;
    let known: BTreeSet<String> = known.into_iter().map(|(reader, _)| reader.0).collect();
    let known = match known.is_empty() {
        true => "no stage does so".to_owned(),
        false => known.into_iter().collect::<Vec<_>>().join(", "),
    };
    Err(Usage(format!("{reader} reads into no database that is known here: {known}")).into())
}

/// Everything that is kept for a time, and what of it is past that. Without `dry` it is deleted.
async fn sweep(app: &App, dry: bool) -> Result<Vec<Swept>> {
    let mut swept = messages(app, dry).await?;
    swept.extend(letters(app, dry).await?);
    // Before the jobs themselves, which say whose marks and places they are.
    swept.push(marks_of_jobs(app, dry).await?);
    swept.extend(places_of_jobs(app, dry).await?);
    swept.extend(records(app, dry).await?);
    swept.push(temporary(app, dry)?);
    swept.push(orphans(app, dry).await?);
    Ok(swept)
}

/// Files of tables that no snapshot names: of batches that were never committed, and of commits
/// that died before they cleaned up.
async fn orphans(app: &App, dry: bool) -> Result<Swept> {
    let retention = &app.config.retention;
    let found = app.lake.sweep(retention.of_orphans(), dry).await?;
    Ok(Swept {
        what: "files of tables that nothing names".to_owned(),
        kept_for: days(retention.orphans_days),
        count: found.len() as u64,
        bytes: Some(found.iter().map(|orphan| orphan.bytes).sum()),
        oldest: found.iter().map(|orphan| orphan.written_at).min(),
        kept: 0,
        why_kept: None,
    })
}

/// Where jobs stood that sent letters back into Postgres.
async fn places_of_jobs(app: &App, dry: bool) -> Result<Option<Swept>> {
    let Some(postgres) = &app.places.postgres else { return Ok(None) };
    let over: Vec<_> = app.store.replays_over(app.clock.now()).await?.into_iter().collect();
    Ok(Some(Swept {
        what: "places of replays in Postgres".to_owned(),
        kept_for: days(REPLAYS_STAY.unsigned_abs()),
        count: postgres.forget_replays(&over, dry).await?,
        bytes: None,
        oldest: None,
        kept: 0,
        why_kept: None,
    }))
}

async fn messages(app: &App, dry: bool) -> Result<Vec<Swept>> {
    let (places, log, store) = (&app.places, app.log.as_ref(), app.store.as_ref());
    let limit = app.config.retention.topic_bytes();
    let due = match dry {
        true => due_messages(places, log, store, limit).await?,
        false => prune_messages(places, log, store, limit).await?,
    };
    let swept = |due: DueMessages| {
        let mut kept_for = due.retention.map_or_else(
            || "ever".to_owned(),
            |keep| format!("{} hours", number(keep.as_secs() / 3600)),
        );
        kept_for += &at_most(limit);
        let readers: Vec<&str> = due.unread_by.iter().map(String::as_str).collect();
        let why = match readers.is_empty() {
            true => "nobody has read them yet".to_owned(),
            false => format!("not read by {}", readers.join(", ")),
        };
        Swept {
            what: format!("messages of {}", due.topic),
            kept_for,
            count: due.messages,
            bytes: due.bytes,
            oldest: due.oldest,
            kept: due.unread,
            why_kept: (due.unread > 0).then_some(why),
        }
    };
    Ok(due.into_iter().map(swept).collect())
}

async fn letters(app: &App, dry: bool) -> Result<Vec<Swept>> {
    let retention = &app.config.retention;
    let keep = retention.of_letters(app.clock.now(), app.store.last_commits().await?);
    let due = match dry {
        true => app.queue.due(&keep).await?,
        false => app.queue.prune(&keep).await?,
    };
    let kept_for = format!(
        "{}, closed {}, void {}{}",
        days(retention.letters_days),
        retention.closed_letters_days,
        retention.void_letters_days,
        at_most(retention.letters_bytes()),
    );
    let swept = |due: assay_dlq::DueLetters| Swept {
        what: format!("letters of {}", due.topic),
        kept_for: kept_for.clone(),
        count: due.letters + due.closed + due.void,
        bytes: Some(due.bytes),
        oldest: due.oldest,
        kept: due.kept,
        why_kept: (due.kept > 0).then(|| "behind letters that stay".to_owned()),
    };
    Ok(due.into_iter().map(swept).collect())
}

/// How far jobs came in the tables that their letters landed in.
async fn marks_of_jobs(app: &App, dry: bool) -> Result<Swept> {
    let retention = &app.config.retention;
    let over = app.store.replays_over(retention.of_jobs(app.clock.now())).await?;
    let forgotten = app.lake.forget_jobs(&over, dry).await?;
    Ok(Swept {
        what: "marks of jobs in tables".to_owned(),
        kept_for: days(retention.jobs_days),
        count: forgotten.values().sum(),
        bytes: None,
        oldest: None,
        kept: 0,
        why_kept: None,
    })
}

async fn records(app: &App, dry: bool) -> Result<Vec<Swept>> {
    let retention = &app.config.retention;
    let now = app.clock.now();
    let limit = retention.store_bytes(now);
    let fits_since = match limit {
        Some((bytes, before)) => app.store.fits_since(bytes, before).await?,
        None => None,
    };
    let since = retention.of_store(now, fits_since);
    let due = match dry {
        true => app.store.due(&since).await?,
        false => app.store.prune(&since).await?,
    };
    let of_all = at_most(limit.map(|(bytes, _)| bytes));
    let kept_for = |kind: Kind| match kind {
        Kind::Reports | Kind::Profiles | Kind::Windows => days(retention.reports_days) + &of_all,
        Kind::Runs => days(retention.runs_days) + &of_all,
        Kind::Events | Kind::Edges | Kind::Ways | Kind::ColumnWays | Kind::LineageRuns => {
            days(retention.lineage_days) + &of_all
        }
        Kind::JobLetters | Kind::Jobs => days(retention.jobs_days),
        Kind::Audit => days(retention.audit_days),
    };
    let swept = |due: assay_store::Due| Swept {
        what: due.kind.name().to_owned(),
        kept_for: kept_for(due.kind),
        count: due.rows,
        bytes: Some(due.bytes),
        oldest: due.oldest,
        kept: due.kept,
        why_kept: (due.kept > 0).then(|| due.kind.why_kept().to_owned()),
    };
    Ok(due.into_iter().map(swept).collect())
}

fn temporary(app: &App, dry: bool) -> Result<Swept> {
    let retention = &app.config.retention;
    let folder = app.data_dir().join(TEMPORARY);
    let doing = || format!("cannot look for left-over files in {}", folder.display());
    let left = left_in(&folder, retention.of_temporary(app.clock.now())).with_context(doing)?;
    let swept = Swept {
        what: "temporary files".to_owned(),
        kept_for: days(retention.temporary_days),
        count: left.len() as u64,
        bytes: Some(left.iter().map(|left| left.bytes).sum()),
        oldest: left.iter().map(|left| left.touched_at).min(),
        kept: 0,
        why_kept: None,
    };
    if !dry {
        for left in left {
            left.remove().with_context(doing)?;
        }
    }
    Ok(swept)
}

/// What is about to go, for the audit.
fn entry(app: &App, what: &PruneArgs, swept: &[Swept]) -> AuditEntry {
    let going = swept.iter().filter(|swept| swept.count > 0);
    let details: serde_json::Map<String, Value> = going
        .map(|one| (one.what.clone(), json!({"count": one.count, "bytes": one.bytes})))
        .collect();
    AuditEntry {
        at: app.clock.now(),
        who: app.config.who.clone(),
        action: Action::Prune,
        subject: "data folder".to_owned(),
        reason: what.reason.clone(),
        details: Value::Object(details),
    }
}

fn show(swept: &[Swept], dry: bool) -> Result<()> {
    let deleted = if dry { "to delete#" } else { "deleted#" };
    let mut grid = Grid::new(&["what", "kept for", deleted, "size#", "oldest"]);
    for one in swept {
        grid.row([
            one.what.clone(),
            one.kept_for.clone(),
            number(one.count),
            one.bytes.map_or_else(|| "–".to_owned(), bytes),
            one.oldest.map_or_else(|| "–".to_owned(), time),
        ]);
    }
    grid.print()?;
    let mut kept = swept.iter().filter(|one| one.kept > 0).peekable();
    if kept.peek().is_some() {
        line("\nAs old or too much, and kept:")?;
    }
    for one in kept {
        let why = one.why_kept.as_deref().unwrap_or_default();
        line(format!("{:>8} {}: {why}", number(one.kept), one.what))?;
    }
    Ok(())
}

/// The limit by size beside the one by age.
fn at_most(limit: Option<u64>) -> String {
    limit.map(|limit| format!(", {}", bytes(limit))).unwrap_or_default()
}

fn days(days: u32) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{} days", number(u64::from(days))) }
}
