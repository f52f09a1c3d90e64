//! Letters one portion after the other, however many there are.

use std::collections::VecDeque;

use assay_store::{LetterFilter, LetterPlace};

use super::{Index, Matching, row};
use crate::{DlqError, LetterView};

/// Letters whose payloads are in memory at once have about this many bytes.
const BYTES: u64 = 16 << 20;
const LETTERS: u32 = 200;

/// Goes through letters with their payloads, newest first. Memory is needed for some of them only.
pub struct Reading {
    index: Index,
    filter: LetterFilter,
    after: Option<LetterPlace>,
    /// Those whose payloads are not read yet.
    next: VecDeque<LetterView>,
}

/// A page of letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    pub letters: Vec<LetterView>,
    /// Payloads that had to be read to find them.
    pub scanned: u64,
    /// Where the next page begins; none behind the last.
    pub next: Option<LetterPlace>,
}

impl Index {
    /// The letters that fit, from behind a place on.
    pub fn reading(&self, filter: &LetterFilter, after: Option<LetterPlace>) -> Reading {
        Reading { index: self.clone(), filter: filter.clone(), after, next: VecDeque::new() }
    }

    /// A page of the letters that fit, with the first `keep` bytes of each payload.
    pub async fn page(
        &self,
        filter: &LetterFilter,
        after: Option<&LetterPlace>,
        (limit, keep): (u32, usize),
    ) -> Result<Portion, DlqError> {
        let records = self.store.letters_behind(filter, after, limit.saturating_add(1)).await?;
        let mut letters: Vec<LetterView> = records.into_iter().map(row::view).collect();
        let more = letters.len() > limit as usize;
        letters.truncate(limit as usize);
        self.fetch(&mut letters, keep).await?;
        let next = letters.last().filter(|_| more).map(place);
        Ok(Portion { letters, scanned: 0, next })
    }

    /// A page of the letters whose payloads match, as `shown` shows them. It reads at most `most`
    /// payloads and then ends, so that one question can't take forever.
    pub async fn matching(
        &self,
        filter: &LetterFilter,
        matching: &Matching,
        after: Option<LetterPlace>,
        shown: &(dyn Fn(LetterView) -> LetterView + Send + Sync),
        (limit, most): (u32, u64),
    ) -> Result<Portion, DlqError> {
        let mut reading = self.reading(filter, after);
        let mut found = Portion { letters: Vec::new(), scanned: 0, next: None };
        loop {
            let letters = reading.next().await?;
            if letters.is_empty() {
                found.next = None;
                return Ok(found);
            }
            for letter in letters {
                if found.scanned >= most || found.letters.len() >= limit as usize {
                    return Ok(found);
                }
                found.scanned += 1;
                found.next = Some(place(&letter));
                let letter = shown(letter);
                if matching.holds(&letter, &LetterView::json) {
                    found.letters.push(letter);
                }
            }
        }
    }
}

impl Reading {
    /// Some letters more; none at the end.
    pub async fn next(&mut self) -> Result<Vec<LetterView>, DlqError> {
        if self.next.is_empty() {
            let store = self.index.store();
            let page = store.letters_behind(&self.filter, self.after.as_ref(), LETTERS).await?;
            if let Some(last) = page.last() {
                self.after = Some(LetterPlace::of(&last.letter));
            }
            self.next = page.into_iter().map(row::view).collect();
        }
        let mut bytes = 0;
        let fits = |letter: &&LetterView| {
            bytes += letter.payload_bytes;
            bytes <= BYTES
        };
        let some = self.next.iter().take_while(fits).count().max(1).min(self.next.len());
        let mut letters: Vec<LetterView> = self.next.drain(..some).collect();
        self.index.fetch(&mut letters, usize::MAX).await?;
        Ok(letters)
    }
}

fn place(letter: &LetterView) -> LetterPlace {
    LetterPlace {
        failed_at: letter.failed_at,
        id: letter.id.to_string(),
        attempt: letter.attempt,
        draft: row::draft(letter.draft),
    }
}
