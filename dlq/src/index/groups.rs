//! Many letters at a glance: what they died of, and how many wait in which topic.

use std::collections::BTreeMap;

use assay_store::{LetterFilter, LetterGroup};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{Index, row};
use crate::{DlqError, LetterView, Summary};

/// The time over which it is said how many letters come in.
const RATE: TimeDelta = TimeDelta::hours(1);

/// Letters that died of the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    pub fingerprint: String,
    pub letters: u64,
    pub rows: u64,
    pub oldest: DateTime<Utc>,
    pub newest: DateTime<Utc>,
    /// One of them, without its payload.
    pub example: LetterView,
}

/// What lies in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicState {
    pub topic: String,
    /// Letters that are open.
    pub letters: u64,
    pub rows: u64,
    pub oldest: Option<DateTime<Utc>>,
    pub newest: Option<DateTime<Utc>>,
    /// Open letters that failed in the last hour.
    pub last_hour: u64,
    /// Open letters by reason, or by what the letter says where it is not ours; most first.
    pub reasons: Vec<(String, u64)>,
}

impl Index {
    /// The letters that fit by what they died of, most first.
    pub async fn groups(&self, filter: &LetterFilter, limit: u32) -> Result<Vec<Group>, DlqError> {
        let mut groups = Vec::new();
        for found in self.store.letter_groups(filter, limit).await? {
            let fingerprint = Some(found.cause.fingerprint.clone());
            let one = LetterFilter { fingerprint, ..filter.clone() };
            let Some(example) = self.store.letters(&one, None, 1).await?.pop() else { continue };
            groups.push(Group {
                fingerprint: found.cause.fingerprint,
                letters: found.letters,
                rows: found.rows,
                oldest: found.oldest,
                newest: found.newest,
                example: row::view(example),
            });
        }
        Ok(groups)
    }

    /// What lies in each topic that the index knows.
    pub async fn topics(&self, now: DateTime<Utc>) -> Result<Vec<TopicState>, DlqError> {
        let mut topics: BTreeMap<String, TopicState> = BTreeMap::new();
        let known = self.store.letter_topics().await?;
        for topic in known.into_iter().chain(crate::TOPICS.map(str::to_owned)) {
            topics.entry(topic.clone()).or_insert_with(|| TopicState::empty(topic));
        }
        let all = self.store.letter_groups(&LetterFilter::default(), u32::MAX).await?;
        let late = LetterFilter { since: Some(now - RATE), ..LetterFilter::default() };
        let late = self.store.letter_groups(&late, u32::MAX).await?;
        let mut reasons: BTreeMap<(String, String), u64> = BTreeMap::new();
        for group in &all {
            let topic = group.cause.topic.clone();
            let state =
                topics.entry(topic.clone()).or_insert_with(|| TopicState::empty(topic.clone()));
            state.add(group);
            *reasons.entry((topic, said(group))).or_default() += group.letters;
        }
        for group in &late {
            if let Some(state) = topics.get_mut(&group.cause.topic) {
                state.last_hour += group.letters;
            }
        }
        for ((topic, reason), letters) in reasons {
            if let Some(state) = topics.get_mut(&topic) {
                state.reasons.push((reason, letters));
            }
        }
        let mut topics: Vec<TopicState> = topics.into_values().collect();
        topics.iter_mut().for_each(|topic| topic.reasons.sort_by_key(|(_, n)| u64::MAX - n));
        Ok(topics)
    }

    /// Open letters of our topics by topic and reason.
    pub async fn summary(&self) -> Result<Vec<Summary>, DlqError> {
        let mut sums: BTreeMap<(String, Option<String>), Summary> = BTreeMap::new();
        for group in self.store.letter_groups(&ours(), u32::MAX).await? {
            let reason = group.cause.reason.clone();
            let sum = sums.entry((group.cause.topic.clone(), reason.clone())).or_insert(Summary {
                topic: group.cause.topic.clone(),
                reason: reason.and_then(|reason| reason.parse().ok()),
                letters: 0,
                rows: 0,
                oldest: group.oldest,
            });
            sum.letters += group.letters;
            sum.rows += group.rows;
            sum.oldest = sum.oldest.min(group.oldest);
        }
        Ok(sums.into_values().collect())
    }
}

/// Letters of our own topics.
pub(crate) fn ours() -> LetterFilter {
    LetterFilter { topics: crate::TOPICS.map(str::to_owned).to_vec(), ..LetterFilter::default() }
}

fn said(group: &LetterGroup) -> String {
    let cause = &group.cause;
    let said = cause.reason.as_ref().or(cause.class.as_ref()).or(cause.detail.as_ref());
    said.cloned().unwrap_or_else(|| "unknown".to_owned())
}

impl TopicState {
    fn empty(topic: String) -> TopicState {
        TopicState {
            topic,
            letters: 0,
            rows: 0,
            oldest: None,
            newest: None,
            last_hour: 0,
            reasons: Vec::new(),
        }
    }

    fn add(&mut self, group: &LetterGroup) {
        self.letters += group.letters;
        self.rows += group.rows;
        self.oldest = Some(self.oldest.map_or(group.oldest, |at| at.min(group.oldest)));
        self.newest = Some(self.newest.map_or(group.newest, |at| at.max(group.newest)));
    }
}
