use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use assay_core::{DatasetName, DraftId, RunId, StageId};
use assay_log::Record;

use super::LogQueue;
use crate::newest::{Identity, Newest};
use crate::{DlqError, LetterId, LetterView, Reason, TOPICS, view};

/// Bytes of a payload that a list shows.
pub(crate) const PREVIEW: usize = 256;

/// Which letters to list: those that have all that is given here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub topic: Option<String>,
    pub stage: Option<StageId>,
    pub dataset: Option<DatasetName>,
    pub reason: Option<Reason>,
    pub rule: Option<String>,
    pub run: Option<RunId>,
    /// Also letters of drafts that were never committed.
    pub include_void: bool,
    /// Also letters whose rows were taken later.
    pub include_closed: bool,
    /// The newest so many.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Filter {
            topic: None,
            stage: None,
            dataset: None,
            reason: None,
            rule: None,
            run: None,
            include_void: false,
            include_closed: false,
            limit: 100,
        }
    }
}

/// A letter with its whole payload, and all that happened to its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub letter: LetterView,
    /// Every letter of the same id, void ones too, newest first.
    pub history: Vec<LetterView>,
}

/// How many letters of one reason lie in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub topic: String,
    /// Absent for what is not ours.
    pub reason: Option<Reason>,
    pub letters: u64,
    /// Rows that they stand for.
    pub rows: u64,
    /// When the oldest of them failed.
    pub oldest: DateTime<Utc>,
}

/// What the summary keeps of a letter.
struct Counted {
    topic: &'static str,
    reason: Option<Reason>,
    rows: u64,
    failed_at: DateTime<Utc>,
}

impl LogQueue {
    /// Lists letters, newest first, with the beginning of their payloads.
    ///
    /// Memory is needed for the letters that are listed only.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<LetterView>, DlqError> {
        let committed = self.committed().await?;
        let closings = self.closings(&committed).await?;
        let mut newest = Newest::new(filter.limit);
        for topic in TOPICS {
            if filter.topic.as_deref().is_some_and(|wanted| wanted != topic) {
                continue;
            }
            self.scan(topic, |record| {
                let letter = read(topic, record, &committed, PREVIEW);
                let letter = letter.map(|letter| closings.mark(letter));
                letter.filter(|letter| filter.admits(letter)).into_iter().for_each(|letter| {
                    newest.offer(letter);
                });
            })
            .await?;
        }
        Ok(newest.into_letters())
    }

    /// Shows the newest valid letter of that id, or the newest void one when none is valid.
    pub async fn show(&self, id: LetterId) -> Result<Option<Shown>, DlqError> {
        let committed = self.committed().await?;
        let closings = self.closings(&committed).await?;
        let mut history = Newest::new(usize::MAX);
        let mut best: Option<LetterView> = None;
        let rank = |letter: &LetterView| (!letter.void, letter.attempt, letter.failed_at);
        for topic in TOPICS {
            self.scan(topic, |record| {
                if view::id_of(topic, record) != id {
                    return;
                }
                let read = |keep| {
                    read(topic, record, &committed, keep).map(|letter| closings.mark(letter))
                };
                let letter = read(usize::MAX);
                if letter.as_ref().map(rank) > best.as_ref().map(rank) {
                    best = letter;
                }
                if let Some(letter) = read(PREVIEW) {
                    history.offer(letter);
                }
            })
            .await?;
        }
        Ok(best.map(|letter| Shown { letter, history: history.into_letters() }))
    }

    /// Counts the valid letters by topic and reason.
    ///
    /// Copies are found by keeping about a hundred bytes of each letter.
    pub async fn summary(&self) -> Result<Vec<Summary>, DlqError> {
        let committed = self.committed().await?;
        let closings = self.closings(&committed).await?;
        let mut letters: HashMap<Identity, Counted> = HashMap::new();
        for topic in TOPICS {
            self.scan(topic, |record| {
                let letter = read(topic, record, &committed, 0);
                let letter = letter.filter(|letter| !letter.void && !closings.cover(letter));
                let Some(letter) = letter else { return };
                let known = letters.get(&Identity::of(&letter));
                if known.is_none_or(|known| known.failed_at < letter.failed_at) {
                    let LetterView { reason, count: rows, failed_at, .. } = letter;
                    let counted = Counted { topic, reason, rows, failed_at };
                    letters.insert(Identity::of(&letter), counted);
                }
            })
            .await?;
        }
        Ok(sum(letters.into_values()))
    }
}

impl Filter {
    fn admits(&self, letter: &LetterView) -> bool {
        fn fits<T: PartialEq>(wanted: &Option<T>, value: &Option<T>) -> bool {
            wanted.is_none() || wanted == value
        }
        (self.include_void || !letter.void)
            && (self.include_closed || !letter.closed)
            && fits(&self.stage, &letter.stage)
            && fits(&self.dataset, &letter.dataset)
            && fits(&self.reason, &letter.reason)
            && fits(&self.run, &letter.run)
            && self.rule.as_ref().is_none_or(|rule| letter.rules.contains(rule))
    }
}

/// The letter in a record, unless the record says something of others.
pub(super) fn read(
    topic: &str,
    record: &Record,
    committed: &HashSet<DraftId>,
    keep: usize,
) -> Option<LetterView> {
    if view::committed(record).is_some() || view::closing(record).is_some() {
        return None;
    }
    let mut letter = LetterView::of(topic, record, keep);
    letter.void = letter.draft.is_some_and(|draft| !committed.contains(&draft));
    Some(letter)
}

fn sum(letters: impl Iterator<Item = Counted>) -> Vec<Summary> {
    let mut sums: BTreeMap<(&str, Option<Reason>), Summary> = BTreeMap::new();
    for Counted { topic, reason, rows, failed_at } in letters {
        let sum = sums.entry((topic, reason)).or_insert_with(|| Summary {
            topic: topic.to_owned(),
            reason,
            letters: 0,
            rows: 0,
            oldest: failed_at,
        });
        sum.letters += 1;
        sum.rows += rows;
        sum.oldest = sum.oldest.min(failed_at);
    }
    sums.into_values().collect()
}
