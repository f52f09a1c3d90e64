use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;

use crate::suite::Test;
use crate::tally::Unevaluated;
use crate::{Suite, Tally};

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
    pub tally: Tally,
}

/// A row that a rule sends away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRow {
    /// Where it was in the judged chunk.
    pub row: u32,
    /// All rules that it broke; `Suite::names` tells them.
    pub mask: u128,
}

/// The rows of a chunk that break one rule.
struct Broken {
    rows: Vec<usize>,
    unevaluated: Option<Unevaluated>,
}

impl Suite {
    /// Judges each row by every rule about rows, in one pass and without any effect. It never
    /// fails: a rule that can't be evaluated on a row counts as broken by it.
    pub fn judge(&self, rows: &RecordBatch, facts: &Facts) -> Judged {
        let mut tally = Tally { rows: rows.num_rows() as u64, ..Tally::default() };
        let mut masks = vec![0_u128; rows.num_rows()];
        let fits = self.fits(rows);
        for (bit, (place, compiled)) in self.row_rules().enumerate() {
            let broken = match &compiled.test {
                Test::Readable => continue,
                _ if !fits => Broken::all(rows, OTHER_COLUMNS),
                Test::Breaks(expression) => Broken::find(expression.as_ref(), rows),
                Test::Known { reference, column } => {
                    Broken::unknown(rows, *column, facts.known.get(*reference))
                }
                Test::RowCount | Test::Fresh { .. } | Test::Unique(_) => continue,
            };
            for row in broken.rows {
                masks[row] |= 1 << bit;
            }
            if let Some(unevaluated) = broken.unevaluated {
                tally.note(place, unevaluated);
            }
        }
        count(&masks, &mut tally);
        self.split(rows, &masks, tally)
    }

    fn split(&self, rows: &RecordBatch, masks: &[u128], tally: Tally) -> Judged {
        let mut good_rows = Vec::with_capacity(masks.len());
        let mut bad = Vec::new();
        for (row, mask) in (0_u32..).zip(masks) {
            match self.rejects(*mask) {
                true => bad.push(BadRow { row, mask: *mask }),
                false => good_rows.push(row),
            }
        }
        let good = if bad.is_empty() {
            rows.clone()
        } else {
            let keep: BooleanArray = masks.iter().map(|mask| Some(!self.rejects(*mask))).collect();
            filter_record_batch(rows, &keep).expect("the filter has one value for each row")
        };
        Judged { good, good_rows, bad, tally }
    }
}

impl Broken {
    fn all(rows: &RecordBatch, why: &'static str) -> Broken {
        let count = rows.num_rows();
        let unevaluated = (count > 0).then_some(Unevaluated { why, rows: count as u64 });
        Broken { rows: (0..count).collect(), unevaluated }
    }

    fn find(expression: &dyn PhysicalExpr, rows: &RecordBatch) -> Broken {
        let mut broken = Broken { rows: Vec::new(), unevaluated: None };
        broken.search(expression, rows, 0);
        broken
    }

    /// One row that an expression fails on must not condemn its neighbours: what fails as a whole
    /// is judged in halves. So it makes no difference how a batch is cut into chunks.
    fn search(&mut self, expression: &dyn PhysicalExpr, rows: &RecordBatch, offset: usize) {
        match (evaluate(expression, rows), rows.num_rows()) {
            (_, 0) => {}
            (Ok(found), _) => self.rows.extend(found.set_indices().map(|row| offset + row)),
            (Err(error), 1) => {
                self.rows.push(offset);
                let why = reason(&error);
                let so_far = self.unevaluated.map_or(0, |unevaluated| unevaluated.rows);
                let why = self.unevaluated.map_or(why, |unevaluated| unevaluated.why.min(why));
                self.unevaluated = Some(Unevaluated { why, rows: so_far + 1 });
            }
            (Err(_), count) => {
                let half = count / 2;
                self.search(expression, &rows.slice(0, half), offset);
                self.search(expression, &rows.slice(half, count - half), offset + half);
            }
        }
    }

    fn unknown(rows: &RecordBatch, column: usize, known: Option<&BooleanArray>) -> Broken {
        let Some(known) = known.filter(|known| known.len() == rows.num_rows()) else {
            return Broken::all(rows, NO_FACTS);
        };
        let nulls = rows.column(column).logical_nulls();
        let there = |row| known.is_valid(row) && known.value(row);
        let null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let rows = (0..rows.num_rows()).filter(|row| !null(*row) && !there(*row)).collect();
        Broken { rows, unevaluated: None }
    }
}

/// Where the expression is true; NULL is not.
fn evaluate(
    expression: &dyn PhysicalExpr,
    rows: &RecordBatch,
) -> Result<BooleanBuffer, DataFusionError> {
    let answer = expression.evaluate(rows)?.into_array(rows.num_rows())?;
    let answer = answer
        .as_boolean_opt()
        .ok_or_else(|| DataFusionError::Internal("a compiled rule is not boolean".to_owned()))?;
    Ok(match answer.nulls() {
        Some(valid) => answer.values() & valid.inner(),
        None => answer.values().clone(),
    })
}

/// Why an expression failed, in words of ours: those of the error may quote a cell.
fn reason(error: &DataFusionError) -> &'static str {
    match error.find_root() {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => "it divides by zero",
            ArrowError::ArithmeticOverflow(_) => "a number grows too large in it",
            ArrowError::CastError(_) | ArrowError::ParseError(_) => {
                "a value does not convert to the type that it asks for"
            }
            _ => "its computation failed",
        },
        _ => "its evaluation failed",
    }
}

fn count(masks: &[u128], tally: &mut Tally) {
    let mut clean = 0;
    for mask in masks {
        match mask {
            0 => clean += 1,
            _ => *tally.masks.entry(*mask).or_default() += 1,
        }
    }
    if clean > 0 {
        tally.masks.insert(0, clean);
    }
}
