//! Reads a topic, partition by partition: Avro containers, or JSON (see [`super::json`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use assay_core::{Mark, Position, Slice, TraceContext};
use assay_dlq::{Origin, PayloadKind, Source as Place};
use assay_log::{Ends, Fetch, Log, Membership, Record};
use async_trait::async_trait;

use super::containers::{Gathered, Message};
use super::json::{JsonMessages, JsonRows};
use super::last_record::{check_ends, check_last_records, explained, fingerprint};
use super::{Chunk, Extent, Refused, Source, SourceError, Traces};
use crate::definition::{MessageFormat, TopicSpec};

/// Headers of a message that carries records in the order in which a collector took them.
pub(crate) const COLLECTOR: &str = "assay.collector";
pub(crate) const FIRST_SEQUENCE: &str = "assay.first_sequence";
pub(crate) const COUNT: &str = "assay.count";

/// A chunk is full when it has this many rows, or its rows weigh this much. A message that fills
/// it alone is not copied.
pub(super) const CHUNK_ROWS: usize = 8192;
pub(super) const CHUNK_BYTES: usize = 3 << 20;

/// Messages that wait to be decoded have about this many bytes.
const FETCH_BYTES: usize = 2 << 20;

pub(super) const UTC: &str = "+00:00";

/// The columns of a topic: its records' own, and where each record stood.
pub(crate) fn topic_schema(record: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = record.fields().to_vec();
    fields.push(Arc::new(Field::new("_topic", DataType::Utf8, false)));
    fields.push(Arc::new(Field::new("_partition", DataType::Int32, false)));
    fields.push(Arc::new(Field::new("_offset", DataType::Int64, false)));
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
    fields.push(Arc::new(Field::new("_timestamp", time, false)));
    Arc::new(Schema::new(fields))
}

/// Reads from a position to the ends that the topic had at the beginning.
pub(crate) struct TopicSource {
    log: Arc<dyn Log>,
    topic: Arc<TopicSpec>,
    schema: SchemaRef,
    ends: Vec<Ends>,
    /// From where each partition was read on when its end was looked up.
    starts: BTreeMap<u32, u64>,
    /// The end of a partition up to which nothing is behind our place: offsets without a record.
    dry: BTreeMap<u32, u64>,
    /// Read from the log and not taken yet.
    fetched: VecDeque<Record>,
    position: Position,
    /// Where the batch began.
    begun: Position,
    /// The last record taken of each partition.
    last: BTreeMap<u32, Record>,
    traces: Traces,
    read: u64,
}

impl TopicSource {
    /// A reader at `from`. A partition that it has never read is read from its oldest record.
    pub(crate) async fn open(
        log: Arc<dyn Log>,
        topic: Arc<TopicSpec>,
        from: &Position,
        extent: &Extent,
    ) -> Result<TopicSource, SourceError> {
        let name = topic.dataset.name();
        let ends = log.ends(name).await.map_err(|error| explained(error, name, from))?;
        check_ends(name, &ends, from)?;
        check_last_records(log.as_ref(), name, &ends, from).await?;
        let mut source = TopicSource {
            schema: topic_schema(topic.schema.arrow()),
            log,
            topic,
            ends,
            starts: BTreeMap::new(),
            dry: BTreeMap::new(),
            fetched: VecDeque::new(),
            position: from.clone(),
            begun: from.clone(),
            last: BTreeMap::new(),
            traces: Traces::default(),
            read: 0,
        };
        source.starts = source.next_offsets();
        if let Some(end) = extent.end() {
            source.end_at(end);
        }
        Ok(source)
    }

    /// Reads no other partitions than these.
    pub(crate) fn keep_to(&mut self, partitions: &BTreeSet<u32>) {
        self.ends.retain(|ends| partitions.contains(&ends.partition));
    }

    /// Goes on to where those partitions end now.
    pub(crate) async fn look(&mut self, partitions: &BTreeSet<u32>) -> Result<(), SourceError> {
        let name = self.topic.dataset.name();
        let ends = self.log.ends(name).await;
        self.ends = ends.map_err(|error| explained(error, name, &self.position))?;
        check_ends(name, &self.ends, &self.position)?;
        self.keep_to(partitions);
        self.starts = self.next_offsets();
        Ok(())
    }

    /// Waits for something new in the partitions of a member, or that long.
    pub(crate) async fn wait(
        &self,
        member: &mut dyn Membership,
        at_most: Duration,
    ) -> Result<(), SourceError> {
        let waited = member.wait(&self.next_offsets(), at_most).await;
        waited.map_err(|error| explained(error, self.topic.dataset.name(), &self.position))
    }

    /// Whether it has not come to the ends that it knows of.
    pub(crate) fn behind(&self) -> bool {
        !self.fetched.is_empty() || self.ends.iter().any(|ends| self.next_offset(ends) < ends.end)
    }

    /// The offset of each partition from which on a record would be new.
    fn next_offsets(&self) -> BTreeMap<u32, u64> {
        self.ends.iter().map(|ends| (ends.partition, self.next_offset(ends))).collect()
    }

    /// Leaves out what lies behind `end`.
    fn end_at(&mut self, end: &Position) {
        for ends in &mut self.ends {
            let slice = Slice::partition(self.topic.dataset.name(), ends.partition);
            ends.end = ends.end.min(end.mark(&slice).map_or(0, |mark| mark.at));
        }
    }

    fn slice(&self, partition: u32) -> Slice {
        Slice::partition(self.topic.dataset.name(), partition)
    }

    /// Where it stands in a partition.
    fn place(&self, ends: &Ends) -> u64 {
        self.position.mark(&self.slice(ends.partition)).map_or(ends.start, |mark| mark.at)
    }

    fn next_offset(&self, ends: &Ends) -> u64 {
        let dry = self.dry.get(&ends.partition).copied().unwrap_or(0);
        self.place(ends).max(dry.min(ends.end))
    }

    /// How much of what a partition had when the reader last looked was read since.
    fn share_read(&self, ends: &Ends) -> f64 {
        let first = self.starts.get(&ends.partition).copied().unwrap_or(ends.start);
        let all = ends.end.saturating_sub(first).max(1);
        self.next_offset(ends).saturating_sub(first) as f64 / all as f64
    }

    /// Reads the next messages of the partition that is least far, so that all come to their ends
    /// together: what came at one time gets into the same files, which others then leave out.
    async fn fetch(&mut self) -> Result<(), SourceError> {
        let mut turns = self.ends.clone();
        turns.sort_by(|one, other| self.share_read(one).total_cmp(&self.share_read(other)));
        for ends in turns {
            if self.next_offset(&ends) < ends.end {
                // From our place on: what is passed over is not left out if it turns up after all.
                let from = self.place(&ends);
                let fetch = Fetch { max_records: CHUNK_ROWS, max_bytes: FETCH_BYTES };
                let name = self.topic.dataset.name();
                let messages = self.log.read(name, ends.partition, from, fetch).await;
                let messages = messages.map_err(|error| explained(error, name, &self.position))?;
                let new = messages.into_iter().take_while(|message| message.offset < ends.end);
                self.fetched.extend(new);
                if !self.fetched.is_empty() {
                    break;
                }
                self.dry.insert(ends.partition, ends.end);
            }
        }
        Ok(())
    }

    /// The next chunk of messages each of which is a row.
    async fn next_json(&mut self) -> Result<Option<Chunk>, SourceError> {
        let mut rows = JsonRows::new(CHUNK_ROWS, CHUNK_BYTES / 2, &self.topic.headers);
        let (mut refused, mut repeated) = (Vec::new(), 0);
        while rows.rows < CHUNK_ROWS && rows.bytes < CHUNK_BYTES && refused.len() < CHUNK_ROWS {
            if self.fetched.is_empty() {
                self.fetch().await?;
            }
            let Some(first) = self.fetched.front() else { break };
            // What was fetched is of one partition.
            let slice = self.slice(first.partition);
            let mark = self.position.0.entry(slice).or_default();
            let room = CHUNK_ROWS - rows.rows.max(refused.len());
            let taking = room.min(self.fetched.len());
            if let Some(last) = taking.checked_sub(1).and_then(|last| self.fetched.get(last)) {
                self.last.insert(last.partition, last.clone());
            }
            for message in self.fetched.drain(..taking) {
                mark.at = message.offset + 1;
                self.traces.note(&message);
                self.read += 1;
                match fresh(&message, 1, mark) {
                    Ok(new) if new.is_empty() => repeated += 1,
                    taken => {
                        if let Err(detail) = taken.and_then(|_| rows.push(&message)) {
                            refused.push(refused_message(&self.topic, message, detail));
                        }
                    }
                }
            }
        }
        if rows.rows == 0 && refused.is_empty() && repeated == 0 {
            return Ok(None);
        }
        let rows = rows.finish(&self.schema, &self.topic);
        let provenance = JsonMessages { topic: Arc::clone(&self.topic), rows: rows.clone() };
        Ok(Some(Chunk { rows, provenance: Arc::new(provenance), refused, repeated }))
    }

    /// Takes one message into the chunk.
    fn take(&mut self, message: &Record, chunk: &mut Gathered) {
        let slice = self.slice(message.partition);
        let mark = self.position.0.entry(slice).or_default();
        mark.at = message.offset + 1;
        let place = || Place {
            topic: self.topic.dataset.name().to_owned(),
            partition: message.partition,
            offset: message.offset,
        };
        let bytes = message.value.clone().unwrap_or_default();
        let decoded = match &message.value {
            Some(value) => self.topic.schema.decode(value).map_err(|error| error.to_string()),
            None => Err("a tombstone: the message has no value".to_owned()),
        };
        let rows = decoded.and_then(|rows| {
            let fresh = fresh(message, rows.num_rows(), mark)?;
            Ok((rows, fresh))
        });
        match rows {
            Ok((rows, fresh)) => {
                self.read += rows.num_rows() as u64;
                chunk.repeated += fresh.start as u64;
                chunk.bytes += rows.get_array_memory_size();
                chunk.messages.push(Message { bytes, place: place(), skipped: fresh.start });
                chunk.batches.push(located(&self.schema, message, &self.topic, &rows, fresh));
            }
            Err(detail) => {
                self.read += 1;
                chunk.refused.push(refused_message(&self.topic, message.clone(), detail));
            }
        }
    }
}

#[async_trait]
impl Source for TopicSource {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        if self.topic.format == MessageFormat::Json {
            return self.next_json().await;
        }
        let mut chunk = Gathered::default();
        while !chunk.full() {
            if self.fetched.is_empty() {
                self.fetch().await?;
            }
            let Some(message) = self.fetched.pop_front() else { break };
            self.take(&message, &mut chunk);
            self.traces.note(&message);
            self.last.insert(message.partition, message);
        }
        if chunk.messages.is_empty() && chunk.refused.is_empty() {
            return Ok(None);
        }
        chunk.finish(&self.schema, &self.topic).map(Some)
    }

    fn upto(&self) -> Position {
        let mut upto = self.position.clone();
        for (partition, record) in &self.last {
            upto.0.entry(self.slice(*partition)).or_default().fingerprint =
                Some(fingerprint(record));
        }
        upto
    }

    fn read(&self) -> u64 {
        self.read
    }

    fn came_from(&mut self) -> Vec<TraceContext> {
        self.traces.take()
    }

    /// A client of Kafka goes on with a topic that was made anew as if it were the old one. When what
    /// stood before the batch still stands there behind its end, the batch is of one topic.
    async fn confirm(&mut self) -> Result<(), SourceError> {
        let (upto, name) = (self.upto(), self.topic.dataset.name());
        let moved = |slice: &Slice| upto.mark(slice) != self.begun.mark(slice);
        let before = self.begun.only(moved);
        check_last_records(self.log.as_ref(), name, &self.ends, &before).await?;
        self.begun = upto;
        Ok(())
    }
}

/// Which rows of a message are new: a collector may send a batch twice around a crash.
fn fresh(message: &Record, rows: usize, mark: &mut Mark) -> Result<Range<usize>, String> {
    let text = |name: &str| {
        let value = message.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        value.filter(|value| !value.is_empty())
    };
    let Some(collector) = text(COLLECTOR) else { return Ok(0..rows) };
    let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
    let (Some(first), Some(count)) = (number(FIRST_SEQUENCE), number(COUNT)) else {
        return Err(format!("it names a collector, but not {FIRST_SEQUENCE} and {COUNT}"));
    };
    if count != rows as u64 {
        return Err(format!("it says {count} records and holds {rows}"));
    }
    let Some(end) = first.checked_add(count) else {
        return Err(format!("its {FIRST_SEQUENCE} is beyond what can be counted"));
    };
    let taken = mark.collectors.get(&collector).map_or(0, |last| last.saturating_add(1));
    let skip = usize::try_from(taken.saturating_sub(first)).unwrap_or(usize::MAX).min(rows);
    if rows > 0 {
        let last = (end - 1).max(taken.saturating_sub(1));
        mark.collectors.insert(collector, last);
    }
    Ok(skip..rows)
}

/// The fresh rows of a message, with where it stood.
pub(super) fn located(
    schema: &SchemaRef,
    message: &Record,
    topic: &TopicSpec,
    rows: &RecordBatch,
    fresh: Range<usize>,
) -> RecordBatch {
    let rows = rows.slice(fresh.start, fresh.len());
    let count = rows.num_rows();
    let partition = i32::try_from(message.partition).unwrap_or(i32::MAX);
    let offset = i64::try_from(message.offset).unwrap_or(i64::MAX);
    let time = message.timestamp.timestamp_micros();
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns.push(Arc::new(StringArray::from(vec![topic.dataset.name(); count])));
    columns.push(Arc::new(Int32Array::from(vec![partition; count])));
    columns.push(Arc::new(Int64Array::from(vec![offset; count])));
    columns.push(Arc::new(TimestampMicrosecondArray::from(vec![time; count]).with_timezone(UTC)));
    RecordBatch::try_new(Arc::clone(schema), columns)
        .expect("decoding gives the columns of the record schema")
}

/// A message that is no row, with what is wrong with it.
fn refused_message(topic: &TopicSpec, message: Record, detail: String) -> Refused {
    let place = Place {
        topic: topic.dataset.name().to_owned(),
        partition: message.partition,
        offset: message.offset,
    };
    let origin = Origin(place_name(&place));
    let (kind, payload) = (PayloadKind::Bytes, message.value.unwrap_or_default());
    Refused { origin, place: Some(place), detail, payload, kind, again: None }
}

fn place_name(place: &Place) -> String {
    format!("{}/{}/{}", place.topic, place.partition, place.offset)
}
