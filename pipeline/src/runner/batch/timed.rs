//! Which rows of a batch are late, and what the others are for further tables.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use assay_core::Position;

use super::super::RunError;
use super::super::times::{Times, Timing};
use super::windows::Marked;
use super::{Batch, Good, query};
use crate::source::Chunk;
use crate::stage::{Also, Reads, Stage};

/// What says which rows are late, where the stage wants to know.
pub(super) fn times<'a>(stage: &'a Stage, from: &Position) -> Option<Times<'a>> {
    match (&stage.event_time, &stage.reads) {
        (Some(time), Reads::Topic(topic)) => Some(Times::new(time, topic.dataset.name(), from)),
        _ => None,
    }
}

impl Batch<'_> {
    /// Sets aside what is late or of a time to come. A row that broke a rule makes no other one late.
    pub(super) fn in_time(
        &mut self,
        chunk: &Chunk,
        good: Good,
        marked: Option<Marked>,
    ) -> Result<Good, RunError> {
        let Some(times) = &mut self.times else { return Ok(good) };
        let now = self.runner.clock.now();
        let timings = times.judge(&good.rows, &good.input, &chunk.rows, now);
        if let (Some(windows), Some(marked)) = (&mut self.windows, marked) {
            windows.take(&marked, &timings, now);
        }
        if timings.iter().all(|timing| *timing == Timing::OnTime) {
            return Ok(good);
        }
        for (place, timing) in good.input.iter().zip(&timings) {
            match timing {
                Timing::OnTime => {}
                Timing::Late => self.letters.late(chunk, *place, times.why(*timing))?,
                Timing::Ahead => self.letters.ahead(chunk, *place, times.why(*timing))?,
            }
        }
        good.only(&timings.iter().map(|timing| *timing == Timing::OnTime).collect::<Vec<_>>())
            .map_err(|error| query(format!("leave out late rows of {}", self.stage.id), error))
    }

    /// What the new rows are for the other tables of the stage.
    pub(super) async fn also(
        &self,
        chunk: &Chunk,
        fresh: &RecordBatch,
        input: &[u32],
    ) -> Result<Vec<RecordBatch>, RunError> {
        let mut all = Vec::new();
        if self.stage.also.is_empty() {
            return Ok(all);
        }
        let doing = |also: &Also| format!("make the rows of {}", also.writes.dataset);
        let read = take_record_batch(&chunk.rows, &UInt32Array::from(input.to_vec()))
            .map_err(|error| query(format!("take the rows of {}", self.stage.id), error))?;
        let (of, now) = (&self.stage.writes.dataset, self.runner.clock.now());
        for also in &self.stage.also {
            let time = self.stage.event_time.as_ref();
            let rows = also.rows(of, time, (fresh, &read), now).await;
            all.push(rows.map_err(|error| query(doing(also), error))?);
        }
        Ok(all)
    }

    /// What is replayed was late once, or held back for another reason: that it is late is no
    /// reason any more.
    pub(crate) fn never_late(&mut self) {
        if let Some(times) = &mut self.times {
            times.never_late();
        }
        // The window was told how good its rows are when they came at first.
        self.windows = None;
    }

    /// Writes the times that were seen into the position behind the batch.
    pub(crate) fn stamp(&self, upto: &mut Position) {
        if let Some(times) = &self.times {
            times.stamp(upto);
        }
    }
}
