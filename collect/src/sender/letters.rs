//! What was accepted and can never be sent is set aside as a dead letter.

use std::path::PathBuf;
use std::sync::Arc;

use assay_core::{DatasetName, RunId, StageId};
use assay_dlq::{
    DeadLetter, DeadLetterQueue, DlqError, LetterId, Letters, LogQueue, Origin, PayloadKind, Reason,
};
use assay_log::Log;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::segment::{Damage, Message};

/// Puts dead letters.
pub(crate) struct DeadLetters {
    queue: LogQueue,
    stage: StageId,
    dataset: DatasetName,
    run: RunId,
    spool: PathBuf,
    /// Fields that the contracts of the pipeline show to few.
    sensitive: Vec<String>,
}

impl DeadLetters {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        stage: StageId,
        dataset: DatasetName,
        run: RunId,
        (spool, sensitive): (PathBuf, Vec<String>),
    ) -> DeadLetters {
        DeadLetters { queue: LogQueue::new(log), stage, dataset, run, spool, sensitive }
    }

    /// Keeps a letter; on return it survives a loss of power.
    pub(crate) async fn put(
        &mut self,
        letter: DeadLetter,
        now: DateTime<Utc>,
    ) -> Result<(), DlqError> {
        let mut letters = Letters::new(&self.spool);
        letters.push(DeadLetter { failed_at: now, first_failed_at: now, ..letter })?;
        self.queue.put(&mut letters, None).await
    }

    /// A record that is too large for the log, as a message of its own.
    pub(crate) fn of_message(&self, message: &Message) -> DeadLetter {
        let bytes = message.schema.pack(message.datums.clone(), message.count(), [0; 16]);
        let place = (message.partition, message.first);
        let origin = Origin(format!("{}/{}/{}", message.collector.simple(), place.0, place.1));
        let detail = format!(
            "an event of {} bytes, more than the log takes: raise the topic's limit and replay it, \
             or lower `max_event_bytes` of the pipeline",
            message.datums.len()
        );
        self.letter(origin, Reason::TooLarge, detail, (bytes.into(), PayloadKind::Avro))
    }

    /// Bytes of a segment that are no events any more.
    pub(crate) fn of_damage(&self, damage: &Damage) -> DeadLetter {
        let place = damage.place;
        let origin = Origin(format!("segment/{}/{}", place.segment, place.offset));
        let detail = format!(
            "{} bytes of segment {} from byte {} on are damaged: look at the disk",
            damage.bytes.len(),
            place.segment,
            place.offset
        );
        self.letter(origin, Reason::Undecodable, detail, (damage.bytes.clone(), PayloadKind::Bytes))
    }

    fn letter(
        &self,
        origin: Origin,
        reason: Reason,
        detail: String,
        (payload, payload_kind): (Bytes, PayloadKind),
    ) -> DeadLetter {
        DeadLetter {
            id: LetterId::of(&self.stage, &origin),
            attempt: 1,
            stage: self.stage.clone(),
            dataset: self.dataset.clone(),
            source: None,
            origin,
            run: self.run,
            reason,
            rules: vec![],
            detail,
            contract: None,
            payload,
            payload_kind,
            key: None,
            failed_at: DateTime::UNIX_EPOCH,
            first_failed_at: DateTime::UNIX_EPOCH,
            count: 1,
            sensitive: self.sensitive.clone(),
        }
    }
}
