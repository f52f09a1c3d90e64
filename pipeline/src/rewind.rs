//! Moves a stage's reader back, or on behind what is gone: what that would mean, and then doing it.

use std::str::FromStr;

use assay_core::{DraftId, Mark, Position, Slice};
use assay_log::{Ends, Log};
use serde::Serialize;

use crate::lake::{Lake, new_since, position_of};
use crate::postgres::Places;
use crate::source::{SourceError, check_last_records};
use crate::stage::{Reads, Stage};
use crate::target::{TargetError, Targets};

/// Where a reader shall stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Before everything that the source still has.
    Beginning,
    /// Slices whose place is gone: before everything that is still there; the others stay.
    Kept,
    /// Where it stood when this snapshot of the target was the newest.
    Snapshot(i64),
    /// At these places; slices that are not named stay where they are.
    Places(Vec<(Slice, u64)>),
}

/// What moving a reader back means, slice by slice.
#[derive(Debug, Clone, Serialize)]
pub struct Rewinding {
    pub stage: String,
    pub slices: Vec<Back>,
    /// What tells rows apart that are written already; empty: they will be there twice.
    pub known_by: Vec<String>,
    /// Whether whole days are made anew, so that nothing can be there twice.
    pub replaces: bool,
    #[serde(skip)]
    from: Position,
    #[serde(skip)]
    to: Position,
}

/// One slice that moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Back {
    pub slice: String,
    pub from: u64,
    pub to: u64,
    /// Messages or rows that will be read again.
    pub again: u64,
    /// Messages that were deleted before they were read: they are left out.
    pub gone: u64,
    pub unit: &'static str,
}

/// Why a reader can't be moved there.
#[derive(Debug, thiserror::Error)]
pub enum RewindError {
    #[error("{stage} has read nothing yet: there is no way back")]
    Nothing { stage: String },
    #[error("{target} has no snapshot {snapshot}: see `assay tables {target}`")]
    NoSnapshot { target: String, snapshot: i64 },
    #[error("{stage} reads no `{slice}`; it reads {known}")]
    NoSlice { stage: String, slice: Slice, known: String },
    #[error("{slice} stands at {from}, and {to} is ahead of it: going there would leave rows out")]
    Ahead { slice: Slice, from: u64, to: u64 },
    #[error("{slice} is kept from {start} on; what came before {start} is gone")]
    Gone { slice: Slice, start: u64 },
    #[error(
        "{target} is in Postgres, and the position of {stage} can't be moved back: send again what \
         was lost. `--to kept` goes on behind what is gone"
    )]
    Database { stage: String, target: String },
    #[error("{stage} stands there already")]
    There { stage: String },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "beginning" || text == "start" {
            return Ok(Destination::Beginning);
        }
        if text == "kept" {
            return Ok(Destination::Kept);
        }
        if let Ok(snapshot) = text.parse() {
            return Ok(Destination::Snapshot(snapshot));
        }
        let place = |part: &str| {
            let (slice, at) = part.split_once('=')?;
            Some((Slice::from_name(slice.trim()), at.trim().parse().ok()?))
        };
        let places: Option<Vec<_>> = text.split(',').map(place).collect();
        places.map(Destination::Places).ok_or_else(|| {
            "write `beginning`, `kept`, a snapshot of the table written, or places such as \
             `raw_metrics_avro/0=120,raw_metrics_avro/1=98`"
                .to_owned()
        })
    }
}

/// What moving the stage's reader there would mean. Nothing is moved.
pub async fn plan_rewind(
    places: &Places,
    log: &dyn Log,
    stage: &Stage,
    to: &Destination,
) -> Result<Rewinding, RewindError> {
    let lake = places.lake.as_ref();
    let (target, name) = (&stage.writes.dataset, stage.id.to_string());
    if stage.writes.postgres.is_some() && *to != Destination::Kept {
        return Err(RewindError::Database { stage: name, target: target.to_string() });
    }
    let from = standing(places, stage).await?;
    if from.0.is_empty() {
        return Err(RewindError::Nothing { stage: name });
    }
    let wanted = match to {
        Destination::Beginning => Position::default(),
        Destination::Kept => kept(log, stage, &from).await?,
        Destination::Snapshot(snapshot) => {
            lake.position_at(target, &stage.reader(), *snapshot).await?.ok_or_else(|| {
                RewindError::NoSnapshot { target: target.to_string(), snapshot: *snapshot }
            })?
        }
        Destination::Places(places) => placed(&name, &from, places)?,
    };
    let mut plan = Rewinding {
        stage: name,
        slices: Vec::new(),
        known_by: stage.deduplicate.clone(),
        replaces: stage.aggregate.is_some(),
        to: from.clone(),
        from,
    };
    for (slice, mark) in plan.from.0.clone() {
        let back = back(lake, log, stage, &slice, &mark, wanted.mark(&slice)).await?;
        if let Some((back, mark)) = back {
            plan.slices.push(back);
            plan.to.0.insert(slice, mark);
        }
    }
    match plan.slices.is_empty() {
        true => Err(RewindError::There { stage: plan.stage }),
        false => Ok(plan),
    }
}

/// Does what was planned, unless the reader has moved since.
pub async fn rewind(
    places: &Places,
    stage: &Stage,
    plan: &Rewinding,
    id: DraftId,
    reason: &str,
) -> Result<(), RewindError> {
    let mut to = plan.to.clone();
    for (slice, mark) in &mut to.0 {
        if plan.from.mark(slice) != Some(mark) {
            mark.draft = Some(id);
        }
    }
    let way = (&plan.from, &to);
    let (dataset, reader) = (&stage.writes.dataset, stage.reader());
    match stage.writes.postgres.is_some() {
        true => places.target(&stage.writes).move_reader(&reader, way).await?,
        false => places.lake.rewind(dataset, &reader, way, id, reason).await?,
    }
    Ok(())
}

/// Where the stage's reader stands.
async fn standing(places: &Places, stage: &Stage) -> Result<Position, RewindError> {
    let (target, reader) = (&stage.writes.dataset, stage.reader());
    if stage.writes.postgres.is_some() {
        return Ok(places.target(&stage.writes).position(&reader).await?);
    }
    // Not as a target: a table that was rolled back is just what one may want to mend.
    Ok(match places.lake.table(target).await? {
        Some(table) => position_of(target, &table, &reader)?,
        None => Position::default(),
    })
}

/// The same position, with slices whose place is gone before what is still there. Rows behind a gap
/// are late or not as they would have been without it.
async fn kept(log: &dyn Log, stage: &Stage, from: &Position) -> Result<Position, RewindError> {
    let Reads::Topic(topic) = &stage.reads else { return Ok(from.clone()) };
    let name = topic.dataset.name();
    let ends = log.ends(name).await.map_err(SourceError::from)?;
    let mut kept = from.clone();
    for (slice, mark) in &mut kept.0 {
        let (start, end) = held_of(name, &ends, slice);
        let alone = from.only(|other| other == slice);
        let other = mark.at > end || anew(check_last_records(log, name, &ends, &alone).await)?;
        if mark.at < start || other {
            // What collectors had sent is known of this topic, and not of one that was made anew.
            let collectors = if other { Default::default() } else { mark.collectors.clone() };
            let event_time = mark.event_time;
            *mark = Mark { at: start, event_time, collectors, ..Mark::default() };
        }
    }
    Ok(kept)
}

/// Whether that says that the topic is another one than was read.
fn anew(checked: Result<(), SourceError>) -> Result<bool, SourceError> {
    match checked {
        Ok(()) => Ok(false),
        Err(SourceError::Refused { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn placed(stage: &str, from: &Position, places: &[(Slice, u64)]) -> Result<Position, RewindError> {
    let mut wanted = from.clone();
    for (slice, at) in places {
        let Some(mark) = wanted.0.get_mut(slice) else {
            let known: Vec<&str> = from.0.keys().map(Slice::as_str).collect();
            let (stage, slice) = (stage.to_owned(), slice.clone());
            return Err(RewindError::NoSlice { stage, slice, known: known.join(", ") });
        };
        if mark.at != *at {
            // What collectors had sent up to there is not known, so it is learned anew.
            *mark = Mark { at: *at, ..Mark::default() };
        } else {
            // Who names the place says that it is the right one, whatever record stands there.
            mark.fingerprint = None;
        }
    }
    Ok(wanted)
}

/// One slice's way back; none when it stays where it is.
async fn back(
    lake: &Lake,
    log: &dyn Log,
    stage: &Stage,
    slice: &Slice,
    now: &Mark,
    wanted: Option<&Mark>,
) -> Result<Option<(Back, Mark)>, RewindError> {
    let ((start, end), unit) = match &stage.reads {
        Reads::Topic(topic) => {
            let name = topic.dataset.name();
            let ends = log.ends(name).await.map_err(SourceError::from)?;
            (held_of(name, &ends, slice), "messages")
        }
        Reads::Table(_) => ((0, now.at), "rows"),
    };
    let mark = match wanted {
        Some(mark) => mark.clone(),
        None => Mark { at: start, ..Mark::default() },
    };
    let confirmed = Mark { fingerprint: None, ..now.clone() };
    if mark.at == now.at && (mark != confirmed || now.fingerprint.is_none()) {
        return Ok(None);
    }
    // On behind what is gone, and no further: that leaves out nothing that is there.
    if mark.at > now.at && mark.at > start {
        let (slice, from, to) = (slice.clone(), now.at, mark.at);
        return Err(RewindError::Ahead { slice, from, to });
    }
    if mark.at < start {
        return Err(RewindError::Gone { slice: slice.clone(), start });
    }
    let again = match &stage.reads {
        // A topic that was made anew may be shorter than what was read of the old one.
        Reads::Topic(_) => now.at.min(end).saturating_sub(mark.at),
        Reads::Table(spec) => rows_between(lake, &spec.dataset, mark.at, now.at).await?,
    };
    let slice = slice.to_string();
    let gone = mark.at.saturating_sub(now.at);
    Ok(Some((Back { slice, from: now.at, to: mark.at, again, gone, unit }, mark)))
}

/// The oldest offset that is kept of a partition, and the one behind the newest.
fn held_of(topic: &str, ends: &[Ends], slice: &Slice) -> (u64, u64) {
    let mine = ends.iter().find(|ends| Slice::partition(topic, ends.partition) == *slice);
    mine.map_or((0, 0), |ends| (ends.start, ends.end))
}

async fn rows_between(
    lake: &Lake,
    dataset: &assay_core::DatasetName,
    from: u64,
    to: u64,
) -> Result<u64, RewindError> {
    let table = lake.existing(dataset).await?;
    let Some(snapshot) = table.metadata().current_snapshot() else { return Ok(0) };
    let since = new_since(dataset, &table, snapshot, from).await?.rows;
    Ok(since - new_since(dataset, &table, snapshot, to).await?.rows)
}
