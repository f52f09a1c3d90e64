mod marks;
mod once;
mod search;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::filter_record_batch;

use self::marks::Marks;
use self::once::Once;
use crate::suite::{Compiled, Test};
use crate::{Mask, Suite, Tally};

pub(crate) use self::search::{Found, reason};

pub(crate) const OTHER_COLUMNS: &str = "the rows have other columns than it was compiled for";
const NO_FACTS: &str = "the other dataset was not asked";

/// What other datasets know of the rows to be judged: for each reference of the suite, in order,
/// whether the value of each row is there. Values that are NULL need no answer.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub known: Vec<BooleanArray>,
}

/// What judging a chunk gives.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The rows that go on.
    pub good: RecordBatch,
    /// Where each good row was in the judged chunk.
    pub good_rows: Vec<u32>,
    /// The rows that leave as dead letters.
    pub bad: Vec<BadRow>,
    /// What rules took from a row, 0–1, of those that broke one: as much as the worst of them.
    pub lost: Vec<(u32, f64)>,
    pub tally: Tally,
}

/// A row that a rule sends away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Where it was in the judged chunk.
    pub row: u32,
    /// All rules that it broke; `Suite::names` tells them.
    pub mask: Mask,
}

impl Suite {
    /// Judges each row by every rule about rows, in one pass and without any effect. It never
    /// fails: a rule that can't be evaluated on a row counts as broken by it.
    pub fn judge(&self, rows: &RecordBatch, facts: &Facts) -> Judged {
        let mut tally = Tally { rows: rows.num_rows() as u64, ..Tally::default() };
        let mut marks = Marks::new(rows.num_rows());
        let fits = self.fits(rows);
        let conditions = self.conditions_on(rows, fits);
        let mut once = Once::default();
        for (bit, (place, compiled)) in self.row_rules().enumerate() {
            let condition = compiled.condition.map(|condition| &conditions[condition]);
            let within = condition.map(|condition| &condition.hits);
            let mut broken = match compiled.test {
                Test::Readable => continue,
                _ if !fits => Found::nowhere(rows.num_rows(), within, OTHER_COLUMNS),
                _ => match once.misses(compiled, rows) {
                    Some(misses) => Found::hits(misses, within),
                    None => broken(compiled, rows, facts, within),
                },
            };
            if let Some(condition) = condition {
                tally.apply(place, condition);
                broken.failed.extend(&condition.failed);
                broken.why = broken.why.into_iter().chain(condition.why).min();
            }
            marks.mark(bit, broken.hits.set_indices().chain(broken.failed.iter().copied()));
            if let Some(unevaluated) = broken.unevaluated() {
                tally.note(place, unevaluated);
            }
        }
        self.split(rows, &marks, tally)
    }

    /// Where each condition of the suite holds.
    pub(crate) fn conditions_on(&self, rows: &RecordBatch, fits: bool) -> Vec<Found> {
        let find = |condition: &_| match fits {
            true => Found::find(std::sync::Arc::as_ref(condition), rows, None),
            false => Found::nowhere(rows.num_rows(), None, OTHER_COLUMNS),
        };
        self.conditions.iter().map(find).collect()
    }

    fn split(&self, rows: &RecordBatch, marks: &Marks, mut tally: Tally) -> Judged {
        let masks = marks.masks();
        let rejected: Vec<bool> = masks.iter().map(|(mask, _)| self.rejects(mask)).collect();
        let losses: Vec<f64> = masks.iter().map(|(mask, _)| self.loss(mask)).collect();
        let mut good_rows = Vec::with_capacity(rows.num_rows());
        let (mut bad, mut lost) = (Vec::new(), Vec::new());
        for (row, mask) in (0_u32..).zip(marks.of_rows()) {
            let mask = *mask as usize;
            if losses[mask] > 0.0 {
                lost.push((row, losses[mask]));
            }
            match rejected[mask] {
                true => bad.push(BadRow { row, mask: masks[mask].0.clone() }),
                false => good_rows.push(row),
            }
        }
        let good = if bad.is_empty() {
            rows.clone()
        } else {
            let of_rows = marks.of_rows();
            let keep = |row: usize| !rejected[of_rows[row] as usize];
            let keep = BooleanArray::from(BooleanBuffer::collect_bool(of_rows.len(), keep));
            filter_record_batch(rows, &keep).expect("the filter has one value for each row")
        };
        for (mask, rows) in masks.into_iter().filter(|(_, rows)| *rows > 0) {
            *tally.masks.entry(mask).or_default() += rows;
        }
        Judged { good, good_rows, bad, lost, tally }
    }
}

/// The rows that break a rule about rows.
fn broken(
    compiled: &Compiled,
    rows: &RecordBatch,
    facts: &Facts,
    within: Option<&BooleanBuffer>,
) -> Found {
    match &compiled.test {
        Test::Breaks(expression) => Found::search(expression.as_ref(), rows, within),
        Test::Outside { column, range } => match range.misses(rows.column(*column)) {
            Ok(misses) => Found::hits(misses, within),
            Err(why) => Found::nowhere(rows.num_rows(), within, why),
        },
        Test::Text { column, test } => match test.misses(rows.column(*column)) {
            Ok(misses) => Found::hits(misses, within),
            Err(why) => Found::nowhere(rows.num_rows(), within, why),
        },
        Test::Known { reference, columns } => match facts.known.get(*reference) {
            Some(known) if known.len() == rows.num_rows() => {
                Found::hits(unknown(rows, columns, known), within)
            }
            _ => Found::nowhere(rows.num_rows(), within, NO_FACTS),
        },
        Test::Unjudged { why, .. } => Found::nowhere(rows.num_rows(), within, why),
        _ => unreachable!("a rule about the batch has no bit"),
    }
}

/// Where values are not known to the other dataset together; with NULL among them they need not be.
fn unknown(rows: &RecordBatch, columns: &[usize], known: &BooleanArray) -> BooleanBuffer {
    let nulls = columns.iter().map(|column| rows.column(*column).logical_nulls());
    let nulls = nulls.fold(None, |all, more| NullBuffer::union(all.as_ref(), more.as_ref()));
    let null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let there = |row| known.is_valid(row) && known.value(row);
    BooleanBuffer::collect_bool(rows.num_rows(), |row| !null(row) && !there(row))
}
