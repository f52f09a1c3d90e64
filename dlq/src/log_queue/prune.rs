//! Letters that were kept for long enough go. A topic is cut at its start only, so what has to stay
//! holds back what lies behind it.

use std::collections::{BTreeMap, HashSet};

use assay_core::{DatasetName, DraftId};
use assay_log::{Ends, Keep, Record};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::LogQueue;
use super::close::Closings;
use crate::{DlqError, LetterId, LetterView, TOPICS, view};

/// Which letters have to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetters {
    /// Letters that are open: those that were put from then on.
    pub since: DateTime<Utc>,
    /// Letters that were closed: those that were put from then on.
    pub closed_since: DateTime<Utc>,
    /// Void letters: those that were put from then on.
    pub void_since: DateTime<Utc>,
    /// Up to when the commits of a dataset are settled: a void letter on its way there that was
    /// put before can't become valid any more. Others stay.
    pub settled: BTreeMap<DatasetName, DateTime<Utc>>,
    /// What the letters of one topic may weigh, shared equally by its partitions, where the log
    /// weighs its records; the oldest beyond it go, whatever their age.
    pub bytes: Option<u64>,
    /// What was put from then on stays, whatever it weighs: what makes it valid may still come.
    pub weighed_before: DateTime<Utc>,
}

/// What of one topic goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueLetters {
    pub topic: String,
    /// Letters that count and are open.
    pub letters: u64,
    /// Letters whose rows were taken after all.
    pub closed: u64,
    /// Letters of drafts that were never committed.
    pub void: u64,
    pub bytes: u64,
    pub oldest: Option<DateTime<Utc>>,
    /// As old or too much, and behind letters that stay.
    pub kept: u64,
    /// The first offset that stays, of each partition.
    #[serde(skip)]
    cuts: BTreeMap<u32, u64>,
}

/// A record that may go as long as everything before it may.
struct Old {
    offset: u64,
    bytes: u64,
    at: DateTime<Utc>,
    what: What,
}

#[derive(Clone)]
enum What {
    Letter(Option<DraftId>),
    Closed(Option<DraftId>, LetterId),
    Void,
    /// Says that a draft was committed.
    Marker(DraftId),
    /// Says that a draft closed letters.
    Closing(Option<DraftId>, Vec<LetterId>),
}

impl What {
    fn is_letter(&self) -> bool {
        !matches!(self, What::Marker(_) | What::Closing(..))
    }
}

/// One partition: what may go from its start on.
#[derive(Default)]
struct Lane {
    old: Vec<Old>,
    /// The records before this offset are too much.
    too_much: u64,
    /// Whether something was met that stays.
    blocked: bool,
    kept: u64,
}

/// What the records that stay rest on.
#[derive(Default)]
struct Rest {
    /// Drafts that have letters or have closed some.
    letters: HashSet<DraftId>,
    /// Letters that would be open again without what closes them.
    closed: HashSet<LetterId>,
    /// Drafts that have a marker.
    markers: HashSet<DraftId>,
}

impl LogQueue {
    /// What pruning would delete now, topic by topic.
    pub async fn due(&self, keep: &KeptLetters) -> Result<Vec<DueLetters>, DlqError> {
        let committed = self.committed().await?;
        let closings = self.closings(&committed).await?;
        let mut lanes = self.weighed(keep.bytes).await?;
        let mut rest = Rest::default();
        for topic in TOPICS {
            self.scan(topic, |record| {
                let lane = lanes.entry((topic, record.partition)).or_default();
                lane.take(record, kind(topic, record, &committed, &closings), keep, &mut rest);
            })
            .await?;
        }
        hold_markers(&mut lanes, &mut rest);
        Ok(TOPICS.into_iter().map(|topic| sum(topic, &lanes)).collect())
    }

    /// The partitions, each with what of it is too much.
    async fn weighed(
        &self,
        bytes: Option<u64>,
    ) -> Result<BTreeMap<(&'static str, u32), Lane>, DlqError> {
        let mut lanes = BTreeMap::new();
        let Some(bytes) = bytes else { return Ok(lanes) };
        for topic in TOPICS {
            let ends = self.ends(topic).await?;
            let each = bytes / (ends.len() as u64).max(1);
            let keep = Keep { bytes: Some(each), ..Keep::default() };
            for Ends { partition, .. } in ends {
                let head = self.log.head(topic, partition, keep).await;
                let head = head.map_err(|source| DlqError::Log {
                    doing: format!("weigh the letters of topic `{topic}`"),
                    source,
                })?;
                let lane = Lane { too_much: head.until, ..Lane::default() };
                lanes.insert((topic, partition), lane);
            }
        }
        Ok(lanes)
    }

    /// Deletes what is due, and says what that was. Room is given back by the log.
    pub async fn prune(&self, keep: &KeptLetters) -> Result<Vec<DueLetters>, DlqError> {
        let due = self.due(keep).await?;
        for due in &due {
            for (partition, cut) in &due.cuts {
                let deleted = self.log.delete_before(&due.topic, *partition, *cut).await;
                deleted.map_err(|source| DlqError::Log {
                    doing: format!("delete old letters of topic `{}`", due.topic),
                    source,
                })?;
            }
        }
        Ok(due)
    }
}

impl Lane {
    fn take(&mut self, record: &Record, seen: Seen, keep: &KeptLetters, rest: &mut Rest) {
        let too_much = record.offset < self.too_much && record.timestamp < keep.weighed_before;
        let past = |since: DateTime<Utc>| too_much || record.timestamp < since;
        let goes = match seen.what {
            What::Letter(_) => past(keep.since),
            What::Closed(..) => past(keep.closed_since),
            What::Void => {
                let settled = seen.dataset.and_then(|dataset| keep.settled.get(&dataset));
                past(keep.void_since) && settled.is_some_and(|settled| record.timestamp < *settled)
            }
            // They go after the letters that need them. Those of a young one may not be seen yet.
            What::Marker(_) | What::Closing(..) => past(keep.void_since),
        };
        if self.blocked || !goes {
            self.kept += u64::from(goes && seen.what.is_letter());
            self.blocked = true;
            rest.take(&seen.what);
            return;
        }
        let old = Old {
            offset: record.offset,
            bytes: weight(record),
            at: record.timestamp,
            what: seen.what,
        };
        self.old.push(old);
    }

    /// Lets everything from a record on stay.
    fn cut(&mut self, place: usize, rest: &mut Rest) {
        for old in self.old.drain(place..) {
            self.kept += u64::from(old.what.is_letter());
            rest.take(&old.what);
        }
    }
}

impl Rest {
    fn take(&mut self, what: &What) {
        match what {
            What::Letter(draft) => self.letters.extend(draft),
            What::Closed(draft, id) => {
                self.letters.extend(draft);
                self.closed.insert(*id);
            }
            // It is void itself without its draft's marker.
            What::Closing(draft, _) => self.letters.extend(draft),
            What::Marker(draft) => {
                self.markers.insert(*draft);
            }
            What::Void => {}
        }
    }

    /// Whether a letter that stays would be void, or open again, without this record.
    fn needs(&self, what: &What) -> bool {
        match what {
            What::Marker(draft) => self.letters.contains(draft) && !self.markers.contains(draft),
            What::Closing(_, ids) => ids.iter().any(|id| self.closed.contains(id)),
            _ => false,
        }
    }
}

/// A marker stays as long as a letter of its draft does, in whatever topic, and what closes a
/// letter as long as the letter. What lies behind them stays too, which may need further ones.
fn hold_markers(lanes: &mut BTreeMap<(&str, u32), Lane>, rest: &mut Rest) {
    loop {
        let mut held = false;
        for lane in lanes.values_mut() {
            if let Some(place) = lane.old.iter().position(|old| rest.needs(&old.what)) {
                lane.cut(place, rest);
                held = true;
            }
        }
        if !held {
            return;
        }
    }
}

struct Seen {
    what: What,
    dataset: Option<DatasetName>,
}

fn kind(topic: &str, record: &Record, committed: &HashSet<DraftId>, closings: &Closings) -> Seen {
    if let Some(draft) = view::committed(record) {
        return Seen { what: What::Marker(draft), dataset: None };
    }
    if let Some(closing) = view::closing(record) {
        let ids = closing.letters.into_iter().map(|(id, _)| id).collect();
        return Seen { what: What::Closing(closing.draft, ids), dataset: None };
    }
    let letter = LetterView::of(topic, record, 0);
    let what = match letter.draft {
        Some(draft) if !committed.contains(&draft) => What::Void,
        draft if closings.cover(&letter) => What::Closed(draft, letter.id),
        draft => What::Letter(draft),
    };
    Seen { what, dataset: letter.dataset }
}

fn weight(record: &Record) -> u64 {
    let part = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (part(&record.key) + part(&record.value) + headers) as u64
}

fn sum(topic: &'static str, lanes: &BTreeMap<(&str, u32), Lane>) -> DueLetters {
    let mut due = DueLetters {
        topic: topic.to_owned(),
        letters: 0,
        closed: 0,
        void: 0,
        bytes: 0,
        oldest: None,
        kept: 0,
        cuts: BTreeMap::new(),
    };
    for ((_, partition), lane) in lanes.iter().filter(|((of, _), _)| *of == topic) {
        due.kept += lane.kept;
        for old in &lane.old {
            match old.what {
                What::Letter(_) => due.letters += 1,
                What::Closed(..) => due.closed += 1,
                What::Void => due.void += 1,
                What::Marker(_) | What::Closing(..) => {}
            }
            due.bytes += old.bytes;
            due.oldest = Some(due.oldest.map_or(old.at, |oldest| oldest.min(old.at)));
        }
        if let Some(last) = lane.old.last() {
            due.cuts.insert(*partition, last.offset + 1);
        }
    }
    due
}

#[cfg(test)]
mod tests;
