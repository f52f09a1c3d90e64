use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use assay_core::{Clock, Fault, SystemClock};
use assay_log::{NewRecord, TopicSpec};
use bytes::Bytes;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use crate::app::App;
use crate::args::{EcommerceArgs, GenerateArgs};
use crate::generate::{Ecommerce, GithubEvents, Message, Shape, Shares, Truth, TruthFile};

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

/// Where the generator of a shop leaves what must become of its events.
pub(crate) const TRUTH: &str = "ecommerce.truth";

/// The topic of the pipeline `ecommerce`.
const EVENTS: &str = "events_raw";
const PARTITIONS: u32 = 3;
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// At most so many go to the log at once.
const AT_ONCE: u64 = 500;

/// How often events that have happened are sent.
const TICK: Duration = Duration::from_millis(50);

/// Sends events of a shop, and writes down what must become of them.
pub(crate) async fn ecommerce(app: App, what: &EcommerceArgs) -> Result<()> {
    app.stop_on_ctrl_c();
    let retention = Some(KEPT_FOR);
    let topic = TopicSpec { name: EVENTS.to_owned(), partitions: PARTITIONS, retention };
    app.log.create(&topic).await?;
    let path = what.truth.clone().unwrap_or_else(|| app.data_dir().join(TRUTH));
    let sent_before = sent_before(&path)?;
    let mut truth = TruthFile::open(&path)?;
    let shares = Shares { defects: what.defects, late: what.late, duplicates: what.duplicates };
    let count = match (what.count, what.follow) {
        (Some(count), _) => count,
        (None, true) => u64::MAX,
        (None, false) => 1000,
    };
    let span =
        |events: u64| TimeDelta::microseconds((events as f64 / what.rate * 1_000_000.0) as i64);
    let begun = app.clock.now();
    let first = if what.follow { begun } else { what.until.unwrap_or(begun) - span(count) };
    let mut events = Ecommerce::new(what.seed, first, shares, PARTITIONS).behind(sent_before);
    let mut sent = 0;
    while sent < count && !app.stop.asked() {
        let now = app.clock.now();
        let due = match what.follow {
            true => ((now - begun).as_seconds_f64() * what.rate) as u64,
            false => count,
        };
        let many = due.min(count).saturating_sub(sent).min(AT_ONCE);
        if many == 0 {
            app.stop.sleep(TICK).await;
            continue;
        }
        let batch: Vec<Message> =
            (sent..sent + many).map(|place| events.next(first + span(place), now)).collect();
        truth.will_send(batch.iter().map(|message| message.fate.clone()))?;
        if !send(&app, &batch, now).await? {
            break;
        }
        truth.sent(batch.len())?;
        sent += many;
    }
    eprintln!("{sent} events sent to {EVENTS}; what must become of them is in {}", path.display());
    Ok(())
}

/// When the latest of the events happened that the truth file knows.
fn sent_before(path: &Path) -> Result<Option<DateTime<Utc>>> {
    let mut truth = Truth::default();
    if path.exists() {
        truth.read(path)?;
    }
    Ok(truth.latest())
}

/// Appends until the log has them, however long it is away; false when asked to stop meanwhile.
async fn send(app: &App, batch: &[Message], now: DateTime<Utc>) -> Result<bool> {
    let generated = Bytes::from(now.to_rfc3339());
    let record = |message: &Message| NewRecord {
        partition: Some(message.partition),
        key: Some(Bytes::from(message.key.clone())),
        value: Some(Bytes::from(message.value.clone())),
        headers: vec![("t_generated".to_owned(), generated.clone())],
    };
    let mut pause = Duration::from_millis(200);
    while !app.stop.asked() {
        match app.log.append(EVENTS, batch.iter().map(record).collect()).await {
            Ok(_) => return Ok(true),
            Err(error) if error.fault() == Fault::Transient => {
                tracing::warn!(%error, "the log takes nothing now: trying again");
                app.stop.sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}
