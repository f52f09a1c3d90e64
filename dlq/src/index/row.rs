//! A letter as the index keeps it, and back.

use assay_core::DraftId;
use assay_store::{LetterCause, LetterRecord, LetterRow, LetterState};
use uuid::Uuid;

use crate::view::stage;
use crate::{Dialect, LetterId, LetterView, Origin, Outcome, PayloadKind, Source};

pub(super) fn draft(draft: Option<DraftId>) -> String {
    draft.map(|draft| draft.to_string()).unwrap_or_default()
}

pub(super) fn row(letter: &LetterView, cause: &LetterCause) -> LetterRow {
    let source = letter.source.as_ref();
    LetterRow {
        id: letter.id.to_string(),
        attempt: letter.attempt,
        draft: draft(letter.draft),
        topic: letter.at.topic.clone(),
        part: letter.at.partition,
        place: letter.at.offset,
        fingerprint: cause.fingerprint.clone(),
        run: letter.run.map(|run| run.to_string()),
        detail: letter.detail.clone(),
        contract: letter.contract.clone(),
        origin: letter.origin.as_ref().map(|origin| origin.0.clone()),
        source_topic: source.map(|source| source.topic.clone()),
        source_part: source.map(|source| source.partition),
        source_place: source.map(|source| source.offset),
        failed_at: letter.failed_at,
        first_failed_at: letter.first_failed_at,
        rows_held: letter.count,
        payload_kind: letter.payload_kind.map(|kind| kind.name().to_owned()),
        payload_bytes: letter.payload_bytes,
    }
}

/// The letter without its payload and key.
pub(crate) fn view(record: LetterRecord) -> LetterView {
    let LetterRecord { letter: row, cause, state, closed } = record;
    let source = || {
        Some(Source {
            topic: row.source_topic.clone()?,
            partition: row.source_part?,
            offset: row.source_place?,
        })
    };
    let outcome = closed.and_then(|closed| {
        Some(Outcome {
            fate: closed.fate.parse().ok()?,
            at: closed.at,
            draft: closed.draft.parse().ok(),
            job: closed.job.and_then(|job| job.parse().ok()),
            sent_to: closed.sent_to.and_then(|place| serde_json::from_str(&place).ok()),
        })
    });
    LetterView {
        source: source(),
        id: row.id.parse().unwrap_or(LetterId(Uuid::nil())),
        attempt: row.attempt,
        void: state == LetterState::Void,
        closed: state == LetterState::Closed,
        older: state == LetterState::Older,
        outcome,
        dialect: Dialect::from_name(&cause.dialect),
        at: Source { topic: row.topic, partition: row.part, offset: row.place },
        draft: row.draft.parse().ok(),
        stage: cause.stage.as_deref().and_then(stage),
        dataset: cause.dataset.and_then(|dataset| dataset.parse().ok()),
        origin: row.origin.map(Origin),
        run: row.run.and_then(|run| run.parse().ok()),
        reason: cause.reason.and_then(|reason| reason.parse().ok()),
        rules: cause.rules,
        detail: row.detail,
        class: cause.class,
        wrote: cause.wrote,
        contract: row.contract,
        failed_at: row.failed_at,
        first_failed_at: row.first_failed_at,
        count: row.rows_held,
        key: None,
        sensitive: Vec::new(),
        payload_kind: row.payload_kind.as_deref().and_then(PayloadKind::from_name),
        payload_bytes: row.payload_bytes,
        payload: None,
        payload_truncated: false,
    }
}
