//! GitHub events as the public archives have them, one JSON object a line.

mod defect;
mod payload;
mod people;
mod resources;
mod sizes;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use self::payload::{KINDS, Kind, Scene};
use self::people::{Actor, Repo};
use super::random::Random;

pub(crate) use self::defect::{CaughtBy, Defect};
pub(crate) use self::sizes::Payloads;

/// How many good lines are remembered, to be repeated.
const REMEMBERED: usize = 32;

/// What the events are like, beside their number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The time that the events are spread over.
    pub(crate) hours: u32,
    /// How many actors there are at most; without it, about as many as fit the number of events.
    pub(crate) actors: Option<u64>,
    pub(crate) payloads: Payloads,
}

impl Default for Shape {
    /// Two or three days of activity.
    fn default() -> Self {
        Shape { hours: 36, actors: None, payloads: Payloads::default() }
    }
}

/// Lines (without their line ends) that are the same for the same arguments.
#[derive(Debug, Clone)]
pub(crate) struct GithubEvents {
    count: u64,
    defects: f64,
    from: DateTime<Utc>,
    shape: Shape,
    random: Random,
    /// Ranks of actors and repositories are drawn from this many octaves.
    octaves: u64,
    id: u64,
    remembered: Vec<Vec<u8>>,
    truth: Truth,
}

/// What was made so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) lines: u64,
    /// Lines without a defect.
    pub(crate) good: u64,
    pub(crate) planted: BTreeMap<Defect, u64>,
}

impl Truth {
    /// Lines that this step has to set aside.
    pub(crate) fn caught_by(&self, step: CaughtBy) -> u64 {
        let here = self.planted.iter().filter(|(defect, _)| defect.caught_by() == step);
        here.map(|(_, count)| count).sum()
    }
}

impl GithubEvents {
    /// Prepares `count` lines whose events end right before `from`; `defects` is the share of
    /// lines, 0 to 1, that have one, kind after kind in turn.
    pub(crate) fn new(count: u64, seed: u64, defects: f64, from: DateTime<Utc>) -> Self {
        // Other arguments give other ids, or the events of two files would be taken for the same.
        let mut random = Random::seeded(Random::of(seed) ^ from.timestamp() as u64);
        let id = 20_000_000_000 + random.below(60_000) * 1_000_000;
        let octaves = u64::from((count / 20).max(8).ilog2());
        let defects = if defects.is_finite() { defects.clamp(0.0, 1.0) } else { 0.0 };
        let (remembered, truth) = (Vec::new(), Truth::default());
        let shape = Shape::default();
        GithubEvents { count, defects, from, shape, random, octaves, id, remembered, truth }
    }

    /// The same of another shape.
    pub(crate) fn shaped(self, shape: Shape) -> Self {
        GithubEvents { shape, ..self }
    }

    /// Tells what has been made up to now.
    pub(crate) fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The defect of the next line: spread evenly, so that their number is exact.
    fn due(&self) -> Option<Defect> {
        let upto = |lines: u64| (lines as f64 * self.defects) as u64;
        let planted = upto(self.truth.lines);
        let turn = planted % Defect::ALL.len() as u64;
        (upto(self.truth.lines + 1) > planted).then(|| Defect::ALL[turn as usize])
    }

    fn event(&mut self, kind: &Kind) -> Value {
        let hours = self.shape.hours;
        let behind = u128::from(self.truth.lines) * u128::from(hours) * 3600;
        let seconds = (behind / u128::from(self.count.max(1))) as i64;
        let at = self.from - TimeDelta::hours(hours.into()) + TimeDelta::seconds(seconds);
        self.id += self.random.between(1, 4);

        let late = self.truth.lines > self.count / 2;
        let rank = self.random.rank(self.octaves);
        let rank = self.shape.actors.map_or(rank, |actors| rank % actors.max(1));
        let actor = Actor::ranked(rank, late);
        let repo = Repo::ranked(self.random.rank(self.octaves));
        let random = &mut self.random;
        let mut scene = Scene { random, actor: &actor, repo: &repo, at };
        let payload = (kind.payload)(&mut scene);
        let payload = self.shape.payloads.shape(payload, &mut scene);

        let mut event = Map::new();
        event.insert("id".into(), self.id.to_string().into());
        event.insert("type".into(), kind.name.into());
        event.insert("actor".into(), actor.in_event());
        event.insert("repo".into(), repo.in_event());
        event.insert("payload".into(), payload);
        event.insert("public".into(), json!(!self.random.one_in(250)));
        event.insert("created_at".into(), time(at).into());
        if repo.organised {
            event.insert("org".into(), repo.owner.in_organisation());
        }
        event.into()
    }

    /// An event of a kind drawn by its frequency.
    fn any(&mut self) -> Value {
        let all = KINDS.iter().map(|kind| kind.weight).sum();
        let drawn = self.random.below(all);
        let mut upto = 0;
        let kind = KINDS.iter().find(|kind| {
            upto += kind.weight;
            drawn < upto
        });
        self.event(kind.unwrap_or(&KINDS[0]))
    }

    fn good(&mut self) -> Vec<u8> {
        let line = self.any().to_string().into_bytes();
        self.truth.good += 1;
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(line.clone());
        } else if self.random.one_in(16) {
            let place = self.random.below(REMEMBERED as u64) as usize;
            self.remembered[place] = line.clone();
        }
        line
    }

    fn bad(&mut self, defect: Defect) -> Option<Vec<u8>> {
        Some(match defect {
            Defect::Repeated => {
                let place = self.random.below(self.remembered.len() as u64) as usize;
                self.remembered.get(place)?.clone()
            }
            Defect::TwoValues => format!("{}{}", self.any(), self.any()).into_bytes(),
            Defect::TextPushSize => defect.plant(self.event(&KINDS[0]), &mut self.random),
            _ => defect.plant(self.any(), &mut self.random),
        })
    }
}

impl Iterator for GithubEvents {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.truth.lines == self.count {
            return None;
        }
        let bad = self.due().and_then(|defect| Some((defect, self.bad(defect)?)));
        let line = match bad {
            Some((defect, line)) => {
                *self.truth.planted.entry(defect).or_default() += 1;
                line
            }
            None => self.good(),
        };
        self.truth.lines += 1;
        Some(line)
    }
}

/// A time as GitHub writes it.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
