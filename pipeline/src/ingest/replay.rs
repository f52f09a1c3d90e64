//! Lines that come back: they are refused again, or go to the topic as they would have gone at
//! first. A message names the job and the number of its letter, so a stage takes it once, however
//! often it is sent.

use apache_avro::types::Value;
use assay_core::{Counts, RunId};
use assay_dlq::{
    Closed, DeadLetter, Fate, LetterId, LetterView, Letters, MOST_ATTEMPTS, Origin, PayloadKind,
    Reason, ReplaySet, Sent, Source,
};
use assay_log::{NewRecord, TopicSpec};
use assay_store::Replay;
use bytes::Bytes;

use super::encode::{RecordEncoder, Wrong};
use super::lines::Line;
use super::pack::message;
use super::{Ingest, IngestError};
use crate::avro::container;
use crate::definition::{IngestSpec, Pipeline};
use crate::runner::Replaying;
use crate::source::{patch, patched};

/// Letters that are sent together.
const LETTERS: u32 = 500;
const BYTES: u64 = 8 << 20;

/// What sending lines back did.
#[derive(Debug, Clone, Default)]
pub struct Resent {
    pub read: u64,
    pub sent: u64,
    pub again: u64,
    /// Letters whose topics do not have them any more.
    pub gone: u64,
    /// Some that were refused again, and why.
    pub samples: Vec<(LetterId, String)>,
}

/// Letters of one step on their way.
struct Step<'a> {
    spec: &'a IngestSpec,
    job: &'a Replay,
    run: RunId,
    patch: Option<serde_json::Value>,
    messages: Vec<NewRecord>,
    sent: Vec<Closed>,
    again: Letters,
}

impl Ingest {
    /// Whether lines can be changed so.
    pub(crate) fn check_transform(text: Option<&str>) -> Result<(), IngestError> {
        merge_patch(text).map(drop)
    }

    /// Sends the lines of a job to the topic that they were refused at. `done` says which letters
    /// the job has dealt with before.
    pub async fn resend(
        &self,
        pipeline: &Pipeline,
        (job, set): (&Replay, &ReplaySet),
        done: &(dyn Fn(&LetterView) -> bool + Sync),
        watch: &dyn Replaying,
    ) -> Result<Resent, IngestError> {
        let missing = || IngestError::NoIngest(pipeline.name.clone());
        let spec = pipeline.ingest.as_ref().ok_or_else(missing)?;
        let transform = merge_patch(job.options.transform.as_deref())?;
        self.topic(spec).await?;
        let (mut at, mut found) = (0, Resent::default());
        let rate = job.options.rate.unwrap_or(u32::MAX).max(1);
        loop {
            set.catch_up().await?;
            let sent = set.next(at, LETTERS.min(rate), BYTES).await?;
            let Some(last) = sent.last() else { return Ok(found) };
            at = last.number + 1;
            let count = sent.len();
            let mut step = Step {
                spec,
                job,
                run: RunId(self.ids.next()),
                patch: transform.clone(),
                messages: Vec::new(),
                sent: Vec::new(),
                again: Letters::new(&self.spool),
            };
            for Sent { number, letter, .. } in sent {
                match letter {
                    Some(letter) if done(&letter) => {}
                    Some(letter) => self.one(number, letter, &mut step, &mut found)?,
                    None => found.gone += 1,
                }
            }
            if !job.dry {
                self.take_effect(set, step).await?;
            }
            let counts = Counts {
                read: found.read,
                written: found.sent,
                rejected: found.again,
                ..Counts::default()
            };
            if job.options.rate.is_some() {
                let time = count as f64 / f64::from(rate);
                self.stop.sleep(std::time::Duration::from_secs_f64(time)).await;
            }
            let many = found.read >= job.options.stop_rows
                && 100.0 * found.again as f64 > job.options.stop_percent * found.read as f64;
            if many {
                let (again, read) = (found.again, found.read);
                return Err(IngestError::Again { again, read });
            }
            if !watch.goes_on(&counts).await || self.stop.draining() {
                let (input, at) = (format!("job {}", job.id), at);
                return Err(IngestError::Interrupted { input, at });
            }
        }
    }

    async fn topic(&self, spec: &IngestSpec) -> Result<(), IngestError> {
        let topic = &spec.topic;
        let hours = topic.retention_hours.map(|hours| u64::from(hours) * 3600);
        let created = TopicSpec {
            name: topic.dataset.name().to_owned(),
            partitions: topic.partitions,
            retention: hours.map(std::time::Duration::from_secs),
        };
        Ok(self.log.create(&created).await?)
    }

    fn one(
        &self,
        number: u64,
        letter: LetterView,
        step: &mut Step<'_>,
        found: &mut Resent,
    ) -> Result<(), IngestError> {
        found.read += 1;
        match step.message(number, &letter) {
            Ok(message) => {
                found.sent += 1;
                step.messages.push(message);
                let topic = letter.at.topic.clone();
                let partition = letter.at.partition;
                let closed =
                    Closed { id: letter.id, topic, partition, fate: Fate::Sent, sent_to: None };
                step.sent.push(closed);
            }
            Err(wrong) => {
                found.again += 1;
                if found.samples.len() < 5 {
                    found.samples.push((letter.id, wrong.detail.clone()));
                }
                step.again.push(self.refused(letter, wrong, step))?;
            }
        }
        Ok(())
    }

    fn refused(&self, letter: LetterView, wrong: Wrong, step: &Step<'_>) -> DeadLetter {
        let attempt = letter.attempt.saturating_add(1);
        let parked = attempt >= MOST_ATTEMPTS;
        let detail = match parked {
            true => format!("{attempt} times: {}", wrong.detail),
            false => wrong.detail,
        };
        DeadLetter {
            id: letter.id,
            attempt,
            stage: step.job.stage.clone(),
            dataset: step.spec.topic.dataset.clone(),
            source: letter.source,
            origin: letter.origin.unwrap_or_else(|| Origin(letter.id.to_string())),
            run: step.run,
            reason: if parked { Reason::AttemptsExhausted } else { wrong.reason },
            rules: vec![],
            detail,
            contract: None,
            payload: letter.payload.unwrap_or_default(),
            payload_kind: letter.payload_kind.unwrap_or(PayloadKind::Bytes),
            key: letter.key,
            failed_at: self.clock.now(),
            first_failed_at: letter.first_failed_at,
            count: letter.count,
            sensitive: letter.sensitive,
        }
    }

    /// Letters are closed last: sent again they are dropped, closed too early they would be lost.
    async fn take_effect(&self, set: &ReplaySet, mut step: Step<'_>) -> Result<(), IngestError> {
        if !step.again.is_empty() {
            self.queue.put(&mut step.again, None).await?;
        }
        if !step.messages.is_empty() {
            let topic = step.spec.topic.dataset.name();
            let places = self.log.append(topic, step.messages).await?;
            for (closed, (partition, offset)) in step.sent.iter_mut().zip(places) {
                closed.sent_to = Some(Source { topic: topic.to_owned(), partition, offset });
            }
        }
        Ok(self.queue.sent(&step.sent, set.job(), self.clock.now()).await?)
    }
}

/// Lines have no columns that SQL could speak of.
fn merge_patch(text: Option<&str>) -> Result<Option<serde_json::Value>, IngestError> {
    match text.map(patch).transpose().map_err(IngestError::Transform)? {
        Some(None) => {
            let what = "lines are changed by a JSON merge patch; SQL needs columns".to_owned();
            Err(IngestError::Transform(what))
        }
        parsed => Ok(parsed.flatten()),
    }
}

impl Step<'_> {
    /// The message that a letter becomes.
    fn message(&self, number: u64, letter: &LetterView) -> Result<NewRecord, Wrong> {
        let wrong = |reason, detail: String| Wrong { reason, detail, at: None };
        let Some(payload) = &letter.payload else {
            return Err(wrong(Reason::Undecodable, "there is no payload".to_owned()));
        };
        let value = match (letter.payload_kind, &self.patch) {
            // The collector's: it was a message before.
            (Some(PayloadKind::Avro), _) => payload.clone(),
            (_, Some(patch)) => {
                let patched = patched(payload, patch);
                self.encoded(letter, patched.map_err(|what| wrong(Reason::Undecodable, what))?)?
            }
            (_, None) => self.encoded(letter, payload.to_vec())?,
        };
        // Always the same one, so that the same number is known again there.
        let partitions = u128::from(self.spec.topic.partitions.max(1));
        let partition = u32::try_from(self.job.id.as_u128() % partitions).unwrap_or(0);
        let collector = format!("replay-{}", self.job.id.simple());
        Ok(message(&collector, partition, (number, 1), value))
    }

    fn encoded(&self, letter: &LetterView, bytes: Vec<u8>) -> Result<Bytes, Wrong> {
        let (found, limit) = (bytes.len(), self.spec.max_event_bytes);
        if found > limit {
            let detail = format!("{found} bytes; an event may have {limit}");
            return Err(Wrong { reason: Reason::TooLarge, detail, at: None });
        }
        // The same place of the same file gives the same trace id as it would have at first.
        let origin = letter.origin.as_ref().map_or("", |origin| origin.0.as_str());
        let (hash, offset) = origin.rsplit_once(':').unwrap_or((origin, "0"));
        let offset = offset.parse().unwrap_or(0);
        let encoder = RecordEncoder::new(self.spec, hash);
        let record: Value = encoder.encode(&Line { number: 1, offset, bytes })?;
        let mut container = container(self.spec.topic.schema.avro());
        let unfit = |_| Wrong {
            reason: Reason::Schema,
            detail: "the record does not fit its own schema".to_owned(),
            at: None,
        };
        container.append_value_ref(&record).map_err(unfit)?;
        container.into_inner().map(Bytes::from).map_err(unfit)
    }
}
