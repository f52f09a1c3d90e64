//! Which dead letters a request means, and how much of them whoever asks may see.

use assay_core::{DatasetName, RunId, StageId};
use assay_dlq::{AtPath, Dialect, Index, LetterId, LetterView, Matching, Moment, Reason, TOPICS};
use assay_store::{Action, AuditEntry, Deed, LetterFilter};
use serde_json::{Map, Value, json};

use super::Service;
use super::admission::{Client, May};
use super::error::Problem;
use super::question::Question;

/// The conditions, all of which must hold.
pub(super) const CONDITIONS: [&str; 13] = [
    "topic", "stage", "dataset", "reason", "rule", "class", "group", "run", "attempt", "since",
    "until", "where", "text",
];

/// Letters, and the index that knows them.
pub(super) struct Which {
    pub(super) index: Index,
    pub(super) filter: LetterFilter,
    pub(super) matching: Matching,
}

impl Which {
    pub(super) async fn of(
        service: &Service,
        question: &Question,
        May(role): May,
    ) -> Result<Which, Problem> {
        let now = service.clock.now();
        let own = |text: &str| text.to_owned();
        let moment = |name| -> Result<_, Problem> {
            let at: Option<Moment> =
                question.word(name, "time, as 2026-03-01, 2026-03-01T08:00:00Z or 2h ago: `2h`")?;
            Ok(at.map(|at| at.time(now)))
        };
        let topic = question.text("topic");
        let filter = LetterFilter {
            topics: topic
                .map_or_else(|| TOPICS.map(str::to_owned).to_vec(), |topic| vec![own(topic)]),
            stage: question.text("stage").map(stage).transpose()?,
            dataset: question
                .word::<DatasetName>("dataset", "dataset, as layer.name")?
                .map(|it| it.to_string()),
            reason: question.word::<Reason>("reason", &reasons())?.map(|it| it.name().to_owned()),
            rule: question.text("rule").map(own),
            class: question.text("class").map(own),
            run: question.word::<RunId>("run", "UUID")?.map(|it| it.to_string()),
            attempt: question.word("attempt", "number")?,
            fingerprint: question.text("group").map(own),
            since: moment("since")?,
            until: moment("until")?,
            closed: question.flag("all")?,
            ..LetterFilter::default()
        };
        let path: Option<AtPath> =
            question.word("where", "condition, as `$.actor.login = anna`")?;
        let matching = Matching { path, text: question.text("text").map(own) };
        let foreign = topic.filter(|topic| !TOPICS.contains(topic));
        if let Some(topic) = foreign
            && !role.may(Deed::Change)
            && !service.store.letter_topics().await?.iter().any(|known| known == topic)
        {
            let told = "no such topic of dead letters is known; an operator may take one in";
            return Err(Problem::Unknown(told.to_owned()));
        }
        let index = service.letters.caught_up(foreign).await?;
        Ok(Which { index, filter, matching })
    }

    /// The letters that a body names, by their ids or by conditions.
    pub(super) async fn named(
        service: &Service,
        (ids, which): (&[String], Option<&Map<String, Value>>),
        may: May,
    ) -> Result<Which, Problem> {
        if ids.is_empty() && which.is_none() {
            let told =
                "name letters by `ids`, or by conditions in `which`; {} means all that are open";
            return Err(Problem::Question(told.to_owned()));
        }
        let question = Question::of_object(which.unwrap_or(&Map::new()), &CONDITIONS)?;
        let mut which = Which::of(service, &question, may).await?;
        for id in ids {
            which.filter.ids.push(letter_id(id)?.to_string());
        }
        if !ids.is_empty() {
            which.filter.topics.clear();
            which.index.check_ids(&which.filter).await?;
        }
        Ok(which)
    }

    /// Turns what only payloads tell into the ids of the letters that match; false when none does.
    pub(super) async fn resolve(&mut self) -> Result<bool, Problem> {
        if !self.matching.scans() {
            return Ok(true);
        }
        let matching = std::mem::take(&mut self.matching);
        let all = (usize::MAX, 0);
        let found =
            self.index.search(&self.filter, &matching, &LetterView::json, all, &|_| {}).await?;
        self.filter.ids = found.letters.iter().map(|letter| letter.id.to_string()).collect();
        // No id would mean all of them.
        Ok(!self.filter.ids.is_empty())
    }
}

/// Whether all is to be shown, which not everybody may see. That it was is kept.
pub(super) async fn reveals(
    service: &Service,
    question: &Question,
    (client, May(role)): (&Client, May),
    subject: &str,
) -> Result<bool, Problem> {
    if !question.flag("reveal")? {
        return Ok(false);
    }
    if !role.may(Deed::Reveal) {
        return Err(Problem::Role { role, deed: Deed::Reveal });
    }
    let entry = AuditEntry {
        at: service.clock.now(),
        who: client.0.clone(),
        action: Action::Reveal,
        subject: subject.to_owned(),
        reason: String::new(),
        details: json!({"which": question.all()}),
    };
    service.store.record(&entry).await?;
    Ok(true)
}

/// A letter for those who may not see everything. Of letters of other systems nobody said what that
/// is, so nothing of their payloads is shown.
pub(super) fn veiled(letter: LetterView) -> LetterView {
    match letter.dialect {
        Dialect::Assay if letter.payload_truncated => letter.guarded(),
        Dialect::Assay => letter.masked(),
        _ => LetterView { payload: None, payload_truncated: false, key: None, ..letter },
    }
}

pub(super) fn letter_id(text: &str) -> Result<LetterId, Problem> {
    text.parse().map_err(|_| Problem::Question(format!("`{text}` is not the id of a dead letter")))
}

pub(super) fn no_letter() -> Problem {
    Problem::Unknown("there is no dead letter of that id".to_owned())
}

fn stage(text: &str) -> Result<String, Problem> {
    let parts = text.split_once('/');
    let (pipeline, stage) = parts
        .ok_or_else(|| Problem::Question("`stage` is written as pipeline/stage".to_owned()))?;
    Ok(StageId { pipeline: pipeline.to_owned(), stage: stage.to_owned() }.to_string())
}

fn reasons() -> String {
    format!("reason: write one of {}", Reason::ALL.map(Reason::name).join(", "))
}
