use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use assay_core::{Clock, SystemClock};
use chrono::NaiveTime;

use crate::args::GenerateArgs;
use crate::generate::{GithubEvents, Shape};

/// Writes made-up events, a line each. What was planted is said on standard error.
pub(crate) fn github_events(what: &GenerateArgs) -> Result<()> {
    let today = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let until = what.until.unwrap_or(today);
    let shape = Shape { hours: what.hours, actors: what.actors, payloads: what.payloads };
    let mut events = GithubEvents::new(what.count, what.seed, what.defects, until).shaped(shape);
    match &what.out {
        Some(path) => write_file(path, &mut events)?,
        None => write(&mut BufWriter::new(std::io::stdout().lock()), &mut events)?,
    }
    let truth = events.truth();
    let planted: Vec<String> =
        truth.planted.iter().map(|(defect, count)| format!("{count} {}", defect.name())).collect();
    let planted = if planted.is_empty() { "none".to_owned() } else { planted.join(", ") };
    eprintln!("{} lines, {} of them good; defects: {planted}", truth.lines, truth.good);
    Ok(())
}

pub(crate) fn write_file(path: &Path, events: &mut GithubEvents) -> Result<()> {
    let doing = || format!("cannot write {}", path.display());
    let file = File::create(path).with_context(doing)?;
    write(&mut BufWriter::new(file), events).with_context(doing)
}

fn write(out: &mut impl Write, events: &mut GithubEvents) -> Result<()> {
    for line in events {
        out.write_all(&line)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
