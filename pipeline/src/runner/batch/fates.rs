//! What became of letters whose rows a batch has taken.

use std::ops::Range;

use assay_dlq::{Closed, Fate};

use super::Batch;
use crate::source::Chunk;

impl Batch<'_> {
    /// Notes what became of the letters that the chunk was made of. One that was set aside again
    /// is a letter again.
    pub(super) fn settle(&mut self, chunk: &Chunk, judged: &[u32], written: &[u32]) {
        let rejected = self.letters.take_rejected();
        let windowed = self.stage.also.iter().any(|also| also.windows.is_some());
        let any =
            |rows: &[u32], of: &Range<usize>| rows.iter().any(|row| of.contains(&(*row as usize)));
        for letter in chunk.provenance.replayed() {
            let died = any(&rejected, &letter.rows);
            let fate = match () {
                () if any(written, &letter.rows) && windowed => Fate::Corrected,
                () if any(written, &letter.rows) => Fate::Landed,
                () if died && letter.splits => Fate::Split,
                () if died => continue,
                () if any(judged, &letter.rows) => Fate::Duplicate,
                () => Fate::Filtered,
            };
            let (topic, partition) = (letter.topic.clone(), letter.partition);
            self.closed.push(Closed { id: letter.id, topic, partition, fate, sent_to: None });
        }
    }
}
