//! Which letters a command means.

use anyhow::Result;
use assay_core::StageId;
use assay_dlq::{Index, LetterView, Matching, NotMeant, Reason, TOPICS};
use assay_store::LetterFilter;

use super::{caught_up, letter_id};
use crate::app::App;
use crate::args::WhichArgs;
use crate::exit::Usage;
use crate::output::number;
use crate::progress::Counting;

/// The letters that a person chose, and the index that knows them.
pub(super) struct Which {
    pub(super) index: Index,
    pub(super) filter: LetterFilter,
    pub(super) matching: Matching,
}

impl Which {
    pub(super) async fn of(
        app: &App,
        what: &WhichArgs,
        reason: Option<Reason>,
        closed: bool,
    ) -> Result<Which> {
        let stage = what.stage.as_deref().map(stage_id).transpose()?;
        let run = what.run.as_ref().map(|text| {
            let run = text.parse::<assay_core::RunId>();
            run.map_err(|_| Usage(format!("`{text}` is not the id of a run")))
        });
        let now = app.clock.now();
        let topics = match &what.topic {
            Some(topic) => vec![topic.clone()],
            None => TOPICS.map(str::to_owned).to_vec(),
        };
        let filter = LetterFilter {
            topics,
            ids: Vec::new(),
            stage: stage.map(|stage| stage.to_string()),
            dataset: what.dataset.as_ref().map(ToString::to_string),
            reason: reason.map(|reason| reason.name().to_owned()),
            rule: what.rule.clone(),
            class: what.class.clone(),
            run: run.transpose()?.map(|run| run.to_string()),
            attempt: what.attempt,
            fingerprint: what.group.clone(),
            since: what.since.map(|moment| moment.time(now)),
            until: what.until.map(|moment| moment.time(now)),
            closed,
            free: false,
            void: false,
            unparked: false,
            more_ids: 0,
        };
        let matching = Matching { path: what.path.clone(), text: what.text.clone() };
        let foreign = what.topic.as_deref().filter(|topic| !TOPICS.contains(topic));
        Ok(Which { index: caught_up(app, foreign).await?, filter, matching })
    }

    /// Only these letters, whatever their topics; each has to be there, and open.
    pub(super) async fn only(&mut self, ids: &[String]) -> Result<()> {
        for id in ids {
            self.filter.ids.push(letter_id(id)?.to_string());
        }
        if !ids.is_empty() {
            self.filter.topics.clear();
        }
        self.index.check_ids(&self.filter).await.map_err(usage)
    }

    /// The letters themselves, newest first, with the beginning of their payloads.
    pub(super) async fn list(&self, limit: usize, keep: usize) -> Result<Vec<LetterView>> {
        if !self.matching.scans() {
            return Ok(self.index.list(&self.filter, limit, keep).await?);
        }
        let counting = Counting::new("payloads read");
        let progress = |read| counting.at(read);
        let (filter, matching) = (&self.filter, &self.matching);
        let found =
            self.index.search(filter, matching, &LetterView::json, (limit, keep), &progress);
        let found = found.await?;
        drop(counting);
        let (letters, scanned) = (found.letters, number(found.scanned));
        eprintln!("payloads are not in the index: {scanned} of them were read");
        Ok(letters)
    }

    /// Turns what only payloads tell into the ids of the letters that match.
    pub(super) async fn resolve(&mut self) -> Result<bool> {
        if !self.matching.scans() {
            return Ok(true);
        }
        let letters = self.list(usize::MAX, 0).await?;
        self.filter.ids = letters.iter().map(|letter| letter.id.to_string()).collect();
        self.matching = Matching::default();
        // No id would mean all of them.
        Ok(!self.filter.ids.is_empty())
    }
}

/// Says what was asked for and no letter ever named: where nothing is found it may be misspelt.
pub(super) async fn say_unknown(index: &Index, filter: &LetterFilter) -> Result<()> {
    for told in index.unknown(filter).await? {
        eprintln!("{told}");
    }
    Ok(())
}

/// What a person can put right.
pub(super) fn usage(error: NotMeant) -> anyhow::Error {
    match error {
        NotMeant::Letters(error) => error.into(),
        other => Usage(other.to_string()).into(),
    }
}

pub(super) fn stage_id(text: &str) -> Result<StageId, Usage> {
    let parts = text.split_once('/').ok_or_else(|| {
        Usage(format!("`{text}` is not a stage of a pipeline: write pipeline/stage"))
    })?;
    Ok(StageId { pipeline: parts.0.to_owned(), stage: parts.1.to_owned() })
}
