use anyhow::Result;
use assay_pipeline::{Compact, Compacted, CompactedPartition, Expire, Expired};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::{CompactArgs, ExpireArgs};
use crate::output::{Grid, bytes, json, line, number, time};

/// Partitions that are shown to a person.
const PARTITIONS: usize = 20;

pub(crate) async fn compact(app: &App, what: &CompactArgs, as_json: bool) -> Result<()> {
    let wanted = Compact {
        partition: what.partition.clone(),
        target_bytes: what.target_size,
        min_files: what.min_files,
    };
    let done = match what.dry_run {
        true => app.lake.compact_plan(&what.table, &wanted).await?,
        false => app.lake.compact(&what.table, &wanted, app.ids.as_ref()).await?,
    };
    if as_json {
        return json(&compacted(&done, what.dry_run));
    }
    if done.partitions.is_empty() {
        line(format!("{}: no partition has small files to merge", done.dataset))?;
    } else {
        show(&done, what.dry_run)?;
    }
    if done.waiting > 0 {
        line(format!(
            "not yet read by every stage that reads {}, so left alone: {}",
            done.dataset,
            counted(done.waiting, "small file"),
        ))?;
    }
    Ok(())
}

fn show(done: &Compacted, dry_run: bool) -> Result<()> {
    let mut grid = Grid::new(&["partition", "rows#", "files#", "size#", "into#", "size after#"]);
    for one in done.partitions.iter().take(PARTITIONS) {
        let name = if one.partition.is_empty() { "(the whole table)" } else { &one.partition };
        let about = if dry_run { "about " } else { "" };
        let into = match one.given_up {
            true => "left as it is: replaced meanwhile".to_owned(),
            false => format!("{about}{}", number(one.into_files)),
        };
        grid.row([
            name.to_owned(),
            number(one.rows),
            number(one.files),
            bytes(one.bytes),
            into,
            if dry_run { "–".to_owned() } else { bytes(one.into_bytes) },
        ]);
    }
    grid.print()?;
    if done.partitions.len() > PARTITIONS {
        line(format!("… and {} more partitions", done.partitions.len() - PARTITIONS))?;
    }
    let merged = || done.partitions.iter().filter(|one| !one.given_up);
    let sum = |of: fn(&CompactedPartition) -> u64| number(merged().map(of).sum());
    line(format!(
        "{}: {} {} files of {} into {}{}, of up to {} each",
        done.dataset,
        if dry_run { "would merge" } else { "merged" },
        sum(|one| one.files),
        counted(merged().count() as u64, "partition"),
        if dry_run { "about " } else { "" },
        sum(|one| one.into_files),
        bytes(done.target_bytes),
    ))
}

fn compacted(done: &Compacted, dry_run: bool) -> Value {
    let partition = |one: &CompactedPartition| {
        json!({
            "partition": one.partition,
            "rows": one.rows,
            "files": one.files,
            "bytes": one.bytes,
            "into_files": one.into_files,
            "into_bytes": one.into_bytes,
            "given_up": one.given_up,
        })
    };
    json!({
        "table": done.dataset,
        "dry_run": dry_run,
        "target_bytes": done.target_bytes,
        "partitions": done.partitions.iter().map(partition).collect::<Vec<_>>(),
        "waiting_files": done.waiting,
    })
}

pub(crate) async fn expire(app: &App, what: &ExpireArgs, as_json: bool) -> Result<()> {
    let wanted = Expire { older_than: what.older_than, keep: what.keep };
    let done = match what.dry_run {
        true => app.lake.expire_plan(&what.table, wanted).await?,
        false => app.lake.expire(&what.table, wanted).await?,
    };
    if as_json {
        return json(&expired(&done, what.dry_run));
    }
    let [(_, first), .., (_, last)] = done.snapshots.as_slice() else {
        return match done.snapshots.first() {
            Some((_, at)) => gone(&done, what.dry_run, &format!("of {}", time(*at))),
            None => line(format!(
                "{}: nothing to expire, {} kept",
                done.dataset,
                counted(done.kept as u64, "snapshot")
            )),
        };
    };
    gone(&done, what.dry_run, &format!("from {} to {}", time(*first), time(*last)))
}

fn gone(done: &Expired, dry_run: bool, when: &str) -> Result<()> {
    line(format!(
        "{}: {} {} {when}, {} kept",
        done.dataset,
        if dry_run { "would expire" } else { "expired" },
        counted(done.snapshots.len() as u64, "snapshot"),
        number(done.kept as u64),
    ))?;
    let files = format!("{}, {}", counted(done.freed.files, "file"), bytes(done.freed.bytes));
    match (done.later, dry_run) {
        (true, _) => line(format!(
            "a reader may still be at their files ({files}), so these stay for now; `assay prune` \
             finds them after 3 days"
        )),
        (false, true) => line(format!("would delete what only they name: {files}")),
        (false, false) => line(format!("deleted what only they named: {files}")),
    }
}

/// `1 file`, `2 files`.
fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

fn expired(done: &Expired, dry_run: bool) -> Value {
    let snapshot = |(id, at): &(i64, _)| json!({"id": id.to_string(), "at": at});
    json!({
        "table": done.dataset,
        "dry_run": dry_run,
        "snapshots": done.snapshots.iter().map(snapshot).collect::<Vec<_>>(),
        "kept": done.kept,
        "files": done.freed.files,
        "bytes": done.freed.bytes,
        "files_deleted": !dry_run && !done.later,
    })
}
