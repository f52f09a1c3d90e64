//! One input on its way in: lines become records or letters, records become messages.

use std::collections::BTreeMap;
use std::io::Cursor;

use assay_core::{Counts, Run, TraceContext};
use assay_dlq::{DeadLetter, LetterId, Letters, MAX_PAYLOAD_BYTES, Origin, PayloadKind, Reason};
use assay_log::{NewRecord, TopicSpec};
use assay_quality::Breaker;
use bytes::Bytes;

use super::encode::RecordEncoder;
use super::input::Opened;
use super::lines::{Line, Lines};
use super::pack::{Packer, part_of};
use super::{Ingest, IngestError, IngestSummary};
use crate::definition::{IngestSpec, Pipeline};

/// Lines between two looks at whether to stop, and how much is set aside.
const LINES_PER_STEP: u64 = 1000;

/// The messages that the lines of a file become, how many lines it has, and how many of them
/// are no events.
pub(crate) fn take_apart(
    spec: &IngestSpec,
    file: Vec<u8>,
) -> Result<(Vec<NewRecord>, u64, u64), IngestError> {
    let name = "a file".to_owned();
    let mut lines = Lines::new(Box::new(Cursor::new(file)), name.clone());
    let (encoder, mut packer) = (RecordEncoder::new(spec, &name), Packer::new(spec, &name));
    let (mut read, mut refused) = (0, 0);
    while let Some(line) = lines.next()? {
        read += 1;
        match encoder.encode(&line) {
            Ok(record) => packer.push(record).map_err(IngestError::Damaged)?,
            Err(_) => refused += 1,
        }
    }
    packer.finish();
    Ok((packer.ready(), read, refused))
}

/// One input on its way in.
pub(super) struct Taking<'a> {
    ingest: &'a Ingest,
    spec: &'a IngestSpec,
    run: &'a Run,
    encoder: RecordEncoder<'a>,
    packer: Packer<'a>,
    letters: Letters,
    /// What the contracts show to few, of whatever the lines become.
    sensitive: Vec<String>,
    rejected_by: BTreeMap<String, u64>,
    first: Option<String>,
    counts: Counts,
    name: String,
    hash: String,
    lines: Lines,
    /// What its messages are part of.
    trace: Option<TraceContext>,
}

impl<'a> Taking<'a> {
    pub(super) fn new(
        ingest: &'a Ingest,
        pipeline: &Pipeline,
        (spec, run): (&'a IngestSpec, &'a Run),
        opened: Opened,
        trace: Option<TraceContext>,
    ) -> Taking<'a> {
        Taking {
            encoder: RecordEncoder::new(spec, &opened.hash),
            packer: Packer::new(spec, &opened.hash),
            letters: Letters::new(&ingest.spool),
            sensitive: pipeline.sensitive(),
            rejected_by: BTreeMap::new(),
            first: None,
            counts: Counts::default(),
            lines: Lines::new(opened.reader, opened.name.clone()),
            name: opened.name,
            hash: opened.hash,
            ingest,
            spec,
            run,
            trace,
        }
    }

    pub(super) async fn all(
        &mut self,
        progress: &(dyn Fn(&Counts) + Send + Sync),
    ) -> Result<(), IngestError> {
        let topic = &self.spec.topic;
        let hours = topic.retention_hours.map(|hours| u64::from(hours) * 3600);
        let created = TopicSpec {
            name: topic.dataset.name().to_owned(),
            partitions: topic.partitions,
            retention: hours.map(std::time::Duration::from_secs),
        };
        self.ingest.log.create(&created).await?;
        let taken = self.lines(progress).await;
        // What came before a damage is in, also when the rest can't be read.
        match &taken {
            Ok(()) | Err(IngestError::Damaged(_) | IngestError::Interrupted { .. }) => {
                self.packer.finish();
                self.flush().await?;
            }
            Err(_) => {}
        }
        progress(&self.counts);
        taken
    }

    async fn lines(
        &mut self,
        progress: &(dyn Fn(&Counts) + Send + Sync),
    ) -> Result<(), IngestError> {
        while let Some(line) = self.lines.next()? {
            self.counts.read += 1;
            self.take(line)?;
            if self.counts.read.is_multiple_of(LINES_PER_STEP) {
                self.step().await?;
                progress(&self.counts);
            }
        }
        self.check_outage()
    }

    async fn step(&mut self) -> Result<(), IngestError> {
        self.check_outage()?;
        if self.ingest.stop.asked() {
            let at = self.lines.offset();
            return Err(IngestError::Interrupted { input: self.name.clone(), at });
        }
        self.flush().await?;
        self.ingest.store.heartbeat(self.run.id, self.ingest.clock.now()).await?;
        Ok(())
    }

    /// A file of which most is no events is the wrong file, as long as nothing of it is in.
    fn check_outage(&self) -> Result<(), IngestError> {
        let breaker = Breaker::default();
        let read = self.counts.read;
        let rejected = self.rejected_by.values().sum();
        if self.packer.sent() > 0 || read > LINES_PER_STEP || !breaker.trips(rejected, read) {
            return Ok(());
        }
        let first = self.first.clone().unwrap_or_default();
        Err(IngestError::Outage { input: self.name.clone(), read, rejected, first })
    }

    fn take(&mut self, line: Line) -> Result<(), IngestError> {
        if line.bytes.len() > self.spec.max_event_bytes {
            let (found, limit) = (line.bytes.len(), self.spec.max_event_bytes);
            let detail = format!("{found} bytes; an event may have {limit}");
            return self.set_aside(line, Reason::TooLarge, detail);
        }
        match self.encoder.encode(&line) {
            Ok(record) => {
                self.packer.push(record).map_err(IngestError::Damaged)?;
                self.counts.written += 1;
                Ok(())
            }
            Err(wrong) => self.set_aside(line, wrong.reason, wrong.detail),
        }
    }

    fn set_aside(&mut self, line: Line, reason: Reason, detail: String) -> Result<(), IngestError> {
        let place = format!("line {} of {}, byte {}", line.number, self.name, line.offset);
        if line.bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(IngestError::Damaged(format!(
                "{place}: the line has more than 64 MB, which can't even be set aside. Take it out \
                 of the file and run the command again: what is in is not taken twice"
            )));
        }
        let detail = format!("{detail} ({place})");
        self.first.get_or_insert_with(|| detail.clone());
        *self.rejected_by.entry(reason.name().to_owned()).or_default() += 1;
        self.counts.rejected += 1;
        let origin = Origin::in_file(&self.hash, line.offset);
        let now = self.ingest.clock.now();
        self.letters.push(DeadLetter {
            id: LetterId::of(&self.run.stage, &origin),
            attempt: 1,
            stage: self.run.stage.clone(),
            dataset: self.spec.topic.dataset.clone(),
            source: None,
            origin,
            run: self.run.id,
            reason,
            rules: vec![],
            detail,
            contract: None,
            payload: Bytes::from(line.bytes),
            payload_kind: PayloadKind::Bytes,
            key: None,
            failed_at: now,
            first_failed_at: now,
            count: 1,
            sensitive: self.sensitive.clone(),
        })?;
        Ok(())
    }

    /// Letters first: a line that is behind what was sent must not be without its letter.
    async fn flush(&mut self) -> Result<(), IngestError> {
        if !self.letters.is_empty() {
            let mut letters =
                std::mem::replace(&mut self.letters, Letters::new(&self.ingest.spool));
            self.ingest.queue.put(&mut letters, None).await?;
        }
        let mut messages = self.packer.ready();
        messages.iter_mut().for_each(|message| part_of(message, self.trace.as_ref()));
        if !messages.is_empty() {
            self.ingest.log.append(self.spec.topic.dataset.name(), messages).await?;
        }
        Ok(())
    }

    pub(super) fn summary(&self) -> IngestSummary {
        IngestSummary {
            run: self.run.clone(),
            counts: self.counts,
            messages: self.packer.sent(),
            rejected_by: self.rejected_by.clone(),
        }
    }
}
