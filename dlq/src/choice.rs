//! Which letters are meant, and what speaks against it.

use std::collections::{BTreeMap, HashMap, HashSet};

use assay_core::StageId;
use assay_store::{AuditEntry, LetterFilter, LetterWord};

use crate::{Closed, DlqError, Fate, Index, LetterView, view};

/// Letters that are given up together.
const LETTERS: usize = 1000;

/// Words, ids and stages that an error lists.
const SHOWN: usize = 5;

/// The letters of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub stage: StageId,
    pub letters: u64,
}

/// Why letters can't be chosen so.
#[derive(Debug, thiserror::Error)]
pub enum NotMeant {
    #[error("letters of several stages are meant; send one stage's back at a time: {}", .0.join(", "))]
    Several(Vec<String>),
    #[error(
        "letters of other systems have no stage of ours to go back into; choose others by their stage, or send them to a topic"
    )]
    Foreign,
    #[error("{}", .0.join("; "))]
    Ids(Vec<String>),
    #[error(transparent)]
    Letters(#[from] DlqError),
}

impl Index {
    /// The one stage in which the letters failed that fit; none where no letter fits.
    pub async fn one_stage(&self, filter: &LetterFilter) -> Result<Option<Choice>, NotMeant> {
        let mut stages: BTreeMap<String, u64> = BTreeMap::new();
        let groups = self.store.letter_groups(filter, u32::MAX).await.map_err(DlqError::from)?;
        for group in groups {
            let stage = group.cause.stage.ok_or(NotMeant::Foreign)?;
            *stages.entry(stage).or_default() += group.letters;
        }
        let mut all = stages.into_iter();
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some((stage, letters)), None) => {
                let stage = view::stage(&stage).ok_or(NotMeant::Foreign)?;
                Ok(Some(Choice { stage, letters }))
            }
            (first, second) => {
                let all = first.into_iter().chain(second).chain(all);
                let each = |(stage, letters)| format!("{letters} of --stage {stage}");
                Err(NotMeant::Several(all.map(each).take(SHOWN).collect()))
            }
        }
    }

    /// Whether every id that is asked for is one of an open letter that fits.
    pub async fn check_ids(&self, filter: &LetterFilter) -> Result<(), NotMeant> {
        let mut fits: HashSet<String> = HashSet::new();
        if filter.ids.is_empty() {
            return Ok(());
        }
        fits.extend(self.list(filter, usize::MAX, 0).await?.iter().map(|l| l.id.to_string()));
        let missing: Vec<String> =
            filter.ids.iter().filter(|id| !fits.contains(*id)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let ids = missing.iter().take(SHOWN).cloned().collect();
        let known = LetterFilter { ids, closed: true, void: true, ..LetterFilter::default() };
        let mut standing: HashMap<String, LetterView> = HashMap::new();
        for letter in self.list(&known, usize::MAX, 0).await? {
            let best = standing.entry(letter.id.to_string()).or_insert(letter.clone());
            if best.void || best.older {
                *best = letter;
            }
        }
        let told = |id: &String| match standing.get(id) {
            None => format!("there is no dead letter {id}: see `assay dlq list`"),
            Some(letter) if letter.void => {
                format!("letter {id} is void: its row was read again, and did not fail")
            }
            Some(letter) if letter.closed => {
                let fate = letter.outcome.as_ref().map_or("closed", |outcome| outcome.fate.name());
                format!("letter {id} is not open any more: {fate}")
            }
            Some(_) => format!("letter {id} is left out by the other conditions"),
        };
        let mut all: Vec<String> = missing.iter().take(SHOWN).map(told).collect();
        if missing.len() > SHOWN {
            all.push(format!("and {} more", missing.len() - SHOWN));
        }
        Err(NotMeant::Ids(all))
    }

    /// What is asked for and no letter ever named, each with what letters do name.
    pub async fn unknown(&self, filter: &LetterFilter) -> Result<Vec<String>, DlqError> {
        let asked = [
            (LetterWord::Stage, &filter.stage),
            (LetterWord::Dataset, &filter.dataset),
            (LetterWord::Rule, &filter.rule),
            (LetterWord::Class, &filter.class),
            (LetterWord::Group, &filter.fingerprint),
        ];
        let mut unknown = Vec::new();
        for (kind, word) in asked {
            let Some(word) = word else { continue };
            if self.store.is_letter_word(kind, word).await? {
                continue;
            }
            let most = u32::try_from(SHOWN).unwrap_or(u32::MAX);
            let known = self.store.letter_words(kind, most).await?;
            let known = match known.is_empty() {
                true => String::new(),
                false => format!("; letters name {}", known.join(", ")),
            };
            unknown.push(format!("no letter names the {} `{word}`{known}", kind.name()));
        }
        Ok(unknown)
    }

    /// Gives the letters up that fit, and keeps who did so, in that order: nothing is done that is
    /// not kept.
    pub async fn discard(&self, filter: &LetterFilter, entry: &AuditEntry) -> Result<(), DlqError> {
        self.store.record(entry).await?;
        loop {
            let letters = self.list(filter, LETTERS, 0).await?;
            if letters.is_empty() {
                return Ok(());
            }
            let closed = |letter: &LetterView| Closed {
                id: letter.id,
                topic: letter.at.topic.clone(),
                partition: letter.at.partition,
                fate: Fate::Discarded,
                sent_to: None,
            };
            let closed: Vec<Closed> = letters.iter().map(closed).collect();
            // A letter that fails in this very moment is another one.
            let latest = letters.iter().map(|letter| letter.failed_at).max().unwrap_or(entry.at);
            self.queue.discard(&closed, entry.at.max(latest)).await?;
            self.catch_up(&|_| {}).await?;
        }
    }
}
