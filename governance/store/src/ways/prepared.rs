//! An event as it is put into the store: all that can be made of it without the store.

use std::collections::BTreeSet;

use assay_core::{Run, StageId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Received;
use super::columns::Columns;
use super::said::Said;
use crate::column::{from_json, from_time};
use crate::outbox::subject;
use crate::{Event, EventKind, Store, StoreError};

/// An event and what it says, as texts. Its body is there once, and no tree of it.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) id: Uuid,
    pub(crate) kind: EventKind,
    pub(crate) at: DateTime<Utc>,
    pub(crate) body: String,
    /// The job that it is of, as the outbox orders by it.
    pub(crate) subject: String,
    pub(super) stage: StageId,
    pub(super) run: String,
    /// When, as it is kept.
    pub(super) when: String,
    /// JSON arrays of names.
    pub(super) inputs: String,
    pub(super) outputs: String,
    /// Whether rows went from all of those to all of these.
    pub(super) moves: bool,
    /// JSON rows: another name, and the one that is used.
    pub(super) aliases: Option<String>,
    /// None of an event that tells of no run of a job.
    pub(super) told: Option<ToldRun>,
}

/// What an event tells of a run.
#[derive(Debug)]
pub(super) struct ToldRun {
    pub(super) status: &'static str,
    pub(super) ended: bool,
    pub(super) parent: Option<String>,
    /// JSON rows: side, dataset, 1 when it is a file.
    pub(super) datasets: Option<String>,
    pub(super) columns: Option<Columns>,
    pub(super) reach: Reach,
}

/// How many datasets an event names of each side, and its ways when those are few.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) read: i64,
    pub(super) written: i64,
    /// Input and output; none when there are too many to ask for one by one, or when some are made of
    /// others that the run writes.
    pub(super) pairs: Vec<(String, String)>,
}

/// Above this a question for all ways of a run is cheaper than one for each.
const FEW: usize = 4;

impl Store {
    /// Makes an event ready to be taken in. This needs no database, and may be done anywhere.
    pub fn prepare(&self, received: &Received) -> Result<Prepared, StoreError> {
        let Received { run, event, text } = received;
        let prepared = Prepared::of(run, event, text.clone());
        prepared.map_err(self.failed("take in lineage events"))
    }
}

impl Prepared {
    pub(crate) fn of(
        run: &Run,
        event: &Event,
        text: Option<String>,
    ) -> Result<Prepared, sqlx::Error> {
        let said = Said::of(event);
        let aliases = said.as_ref().map(|said| &said.aliases).filter(|all| !all.is_empty());
        let aliases = aliases.map(from_json).transpose()?;
        let told = said.filter(|_| event.body.get("job").is_some());
        Ok(Prepared {
            id: event.id,
            kind: event.kind,
            at: event.at,
            body: text.map_or_else(|| from_json(&event.body), Ok)?,
            subject: subject(&event.body),
            stage: run.stage.clone(),
            run: event.run.to_string(),
            when: from_time(event.at),
            inputs: from_json(&event.inputs)?,
            outputs: from_json(&event.outputs)?,
            moves: event.kind.moves_rows() && !event.inputs.is_empty() && !event.outputs.is_empty(),
            aliases,
            told: told.map(ToldRun::of).transpose()?,
        })
    }
}

impl ToldRun {
    fn of(said: Said) -> Result<ToldRun, sqlx::Error> {
        let datasets = Some(&said.datasets).filter(|all| !all.is_empty());
        Ok(ToldRun {
            status: said.status,
            ended: said.ended,
            datasets: datasets.map(from_json).transpose()?,
            reach: Reach::of(&said),
            parent: said.parent,
            columns: Columns::of(said.columns),
        })
    }

    /// Whether a run that ended so says how its job goes.
    pub(super) fn completes(&self) -> bool {
        self.ended && matches!(self.status, "complete" | "stated")
    }
}

impl Reach {
    fn of(said: &Said) -> Reach {
        // A dataset may be named as a file and not as one: it is touched once.
        let of = |which| -> BTreeSet<&String> {
            let side = said.datasets.iter().filter(|(side, ..)| *side == which);
            side.map(|(_, dataset, _)| dataset).collect()
        };
        let (inputs, outputs) = (of("in"), of("out"));
        let few = of("mid").is_empty() && inputs.len() * outputs.len() <= FEW;
        let pairs =
            inputs.iter().flat_map(|input| outputs.iter().map(move |output| (input, output)));
        let pair = |(input, output): (&&String, &&String)| (input.to_string(), output.to_string());
        let count = |datasets| i64::try_from(datasets).unwrap_or(i64::MAX);
        Reach {
            read: count(inputs.len()),
            written: count(outputs.len()),
            pairs: if few { pairs.map(pair).collect() } else { vec![] },
        }
    }
}
