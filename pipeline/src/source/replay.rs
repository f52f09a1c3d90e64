//! Letters that come back: each becomes the rows again that its stage received.

mod rows;
mod transform;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use assay_core::{Position, Slice};
use assay_dlq::{LetterView, Origin, PayloadKind, ReplaySet, Sent};
use assay_store::ReplayOptions;
use async_trait::async_trait;
use tokio::time::Instant;

use self::rows::{ReplayedRows, decode};
pub(crate) use self::transform::{Diff, Transform, patch, patched};
use super::{Again, Chunk, Refused, Replayed, Source, SourceError};
use crate::stage::Reads;

/// Letters of a chunk, and about what they weigh.
/// Equal rows that one letter may become again.
const EQUAL_ROWS: u64 = 100_000;
const LETTERS: u32 = 1000;
const BYTES: u64 = 8 << 20;

/// Letters whose change is shown.
const DIFFS: usize = 3;

/// The letters of a job, from a place on. It ends after each batch, and goes on with the next.
pub(crate) struct ReplaySource<'a> {
    letters: ReplaySet,
    reads: Reads,
    options: ReplayOptions,
    pub(crate) transform: Option<Transform>,
    /// Says that nobody waits for the batch any more.
    pub(crate) lost: Option<&'a (dyn Fn() -> bool + Send + Sync)>,
    slice: Slice,
    begun: Position,
    /// The number of the next letter.
    at: u64,
    in_batch: u32,
    read: u64,
    /// No letter is sent before.
    due: Instant,
    /// Letters whose topics do not have them any more.
    pub(crate) gone: u64,
    pub(crate) diffs: Vec<Diff>,
    /// No letter is left, and not only none for this batch.
    pub(crate) ended: bool,
}

/// The part of a stage's source that a job is.
pub(crate) fn slice_of(letters: &ReplaySet) -> Slice {
    Slice::replay(letters.job())
}

impl<'a> ReplaySource<'a> {
    pub(crate) fn new(
        letters: ReplaySet,
        reads: &Reads,
        options: &ReplayOptions,
        from: &Position,
    ) -> ReplaySource<'a> {
        let slice = slice_of(&letters);
        ReplaySource {
            at: from.mark(&slice).map_or(0, |mark| mark.at),
            letters,
            reads: reads.clone(),
            options: options.clone(),
            transform: None,
            lost: None,
            slice,
            begun: from.clone(),
            in_batch: 0,
            read: 0,
            due: Instant::now(),
            gone: 0,
            diffs: Vec::new(),
            ended: false,
        }
    }

    /// The letters that are next, as many as may be sent at once.
    async fn next(&mut self) -> Result<Vec<Sent>, SourceError> {
        let left = self.options.batch.max(1).saturating_sub(self.in_batch);
        let most = LETTERS.min(left).min(self.options.rate.unwrap_or(u32::MAX).max(1));
        if left == 0 || self.lost.is_some_and(|lost| lost()) {
            return Ok(Vec::new());
        }
        let sent = self.letters.next(self.at, most, BYTES).await?;
        if let (Some(rate), false) = (self.options.rate, sent.is_empty()) {
            tokio::time::sleep_until(self.due).await;
            let time = Duration::from_secs_f64(sent.len() as f64 / f64::from(rate.max(1)));
            self.due = Instant::now() + time;
        }
        Ok(sent)
    }

    fn chunk(&mut self, letters: Vec<LetterView>) -> Result<Chunk, SourceError> {
        let schema = self.reads.schema();
        let wrong = |error: arrow::error::ArrowError| SourceError::Refused {
            what: "letters that come back".to_owned(),
            why: error.to_string(),
        };
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut replayed = Vec::new();
        let mut refused = Vec::new();
        let mut kept = Vec::new();
        let mut rows = 0;
        for (letter, decoded) in self.decoded(letters) {
            match decoded {
                Ok(batch) => {
                    let count = batch.num_rows();
                    let splits = letter.payload_kind == Some(PayloadKind::Bytes) && count != 1;
                    // A letter that counts equal rows becomes so many again.
                    let times = if splits { 1 } else { letter.count.clamp(1, EQUAL_ROWS) };
                    for _ in 0..times {
                        batches.push(batch.clone());
                    }
                    let end = rows + count * usize::try_from(times).unwrap_or(1);
                    replayed.push(Replayed {
                        id: letter.id,
                        topic: letter.at.topic.clone(),
                        partition: letter.at.partition,
                        rows: rows..end,
                        splits,
                    });
                    rows = end;
                    kept.push(letter);
                }
                Err(detail) => refused.push(refuse(letter, detail)),
            }
        }
        let all = concat_batches(&schema, &batches).map_err(wrong)?;
        let before = all.clone();
        let all = match &self.transform {
            Some(transform) => transform.rows(all).map_err(wrong)?,
            None => all,
        };
        self.note_diffs(&kept, &replayed, (&before, &all))?;
        self.read += all.num_rows() as u64 + refused.len() as u64;
        let provenance = ReplayedRows::new(&self.reads, all.clone(), kept, replayed);
        Ok(Chunk { rows: all, provenance: Arc::new(provenance), refused, repeated: 0 })
    }

    /// Each letter's rows, or why it has none. Where the transformation fails on all of them it is
    /// tried on each alone: one row must not keep the others back.
    fn decoded(&self, letters: Vec<LetterView>) -> Vec<(LetterView, Result<RecordBatch, String>)> {
        let rows = |letter: &LetterView| {
            let payload = match &self.transform {
                Some(transform) => transform.payload(letter)?,
                None => None,
            };
            decode(&self.reads, letter, payload)
        };
        let mut all: Vec<_> = letters
            .into_iter()
            .map(|letter| {
                let rows = rows(&letter);
                (letter, rows)
            })
            .collect();
        let Some(transform) = &self.transform else { return all };
        let good = all.iter().filter_map(|(_, rows)| rows.as_ref().ok());
        let together = concat_batches(&self.reads.schema(), good);
        if together.and_then(|rows| transform.rows(rows)).is_err() {
            for (_, rows) in &mut all {
                if let Ok(batch) = rows
                    && let Err(error) = transform.rows(batch.clone())
                {
                    *rows = Err(error.to_string());
                }
            }
        }
        all
    }

    fn note_diffs(
        &mut self,
        letters: &[LetterView],
        replayed: &[Replayed],
        rows: (&RecordBatch, &RecordBatch),
    ) -> Result<(), SourceError> {
        let Some(transform) = &self.transform else { return Ok(()) };
        for (letter, of) in letters.iter().zip(replayed) {
            if self.diffs.len() >= DIFFS {
                break;
            }
            self.diffs.extend(transform.diff(letter, of.rows.start, rows)?);
        }
        Ok(())
    }
}

fn refuse(letter: LetterView, detail: String) -> Refused {
    Refused {
        origin: letter.origin.clone().unwrap_or_else(|| Origin(letter.id.to_string())),
        place: letter.source.clone(),
        again: Some(again(&letter)),
        kind: letter.payload_kind.unwrap_or(PayloadKind::Bytes),
        detail,
        payload: letter.payload.unwrap_or_default(),
    }
}

fn again(letter: &LetterView) -> Again {
    Again { id: letter.id, attempt: letter.attempt, first_failed_at: letter.first_failed_at }
}

#[async_trait]
impl Source for ReplaySource<'_> {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        loop {
            let full = self.in_batch >= self.options.batch.max(1);
            if self.in_batch == 0 {
                self.letters.catch_up().await?;
            }
            let sent = self.next().await?;
            let Some(last) = sent.last() else {
                self.ended = !full;
                self.in_batch = 0;
                return Ok(None);
            };
            self.at = last.number + 1;
            self.in_batch += u32::try_from(sent.len()).unwrap_or(u32::MAX);
            let count = sent.len();
            let mut letters: Vec<LetterView> =
                sent.into_iter().filter_map(|sent| sent.letter).collect();
            self.gone += (count - letters.len()) as u64;
            // Given up since, computed anew with its day, or failed anew: it is dealt with.
            letters.retain(|letter| !letter.closed && !letter.older);
            if !letters.is_empty() {
                return self.chunk(letters).map(Some);
            }
        }
    }

    fn upto(&self) -> Position {
        let mut upto = self.begun.clone();
        let mark = upto.0.entry(self.slice.clone()).or_default();
        mark.at = self.at;
        upto
    }

    fn read(&self) -> u64 {
        self.read
    }
}
