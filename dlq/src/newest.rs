use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use assay_core::DraftId;

use crate::{LetterId, LetterView};

/// What makes two records the same letter: copies of void drafts stay apart, others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity {
    id: LetterId,
    attempt: u32,
    void_draft: Option<DraftId>,
}

impl Identity {
    pub(crate) fn of(letter: &LetterView) -> Identity {
        Identity {
            id: letter.id,
            attempt: letter.attempt,
            void_draft: letter.draft.filter(|_| letter.void),
        }
    }
}

/// The newest letters of all that are offered, copies taken as one, in memory for no more.
pub(crate) struct Newest {
    limit: usize,
    letters: HashMap<Identity, LetterView>,
    by_age: BTreeSet<(DateTime<Utc>, Identity)>,
}

impl Newest {
    pub(crate) fn new(limit: usize) -> Newest {
        Newest { limit, letters: HashMap::new(), by_age: BTreeSet::new() }
    }

    pub(crate) fn offer(&mut self, letter: LetterView) {
        let identity = Identity::of(&letter);
        if let Some(known) = self.letters.get(&identity) {
            if known.failed_at >= letter.failed_at {
                return;
            }
            self.by_age.remove(&(known.failed_at, identity));
        }
        self.by_age.insert((letter.failed_at, identity));
        self.letters.insert(identity, letter);
        if self.letters.len() > self.limit
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.letters.remove(&oldest);
        }
    }

    /// The letters, newest first.
    pub(crate) fn into_letters(mut self) -> Vec<LetterView> {
        let newest_first = self.by_age.iter().rev();
        newest_first.filter_map(|(_, identity)| self.letters.remove(identity)).collect()
    }
}
