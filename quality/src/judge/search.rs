//! Evaluates a condition on the rows of a chunk; one row that it fails on condemns no other.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;

use crate::tally::Unevaluated;

/// Where a condition is true, and where it can't be told.
pub(crate) struct Found {
    pub(crate) hits: BooleanBuffer,
    /// Rows on which it could not be evaluated, in order.
    pub(crate) failed: Vec<usize>,
    pub(crate) why: Option<&'static str>,
}

impl Found {
    /// Looks at the rows for which `within` is set, or at all.
    pub(crate) fn find(
        expression: &dyn PhysicalExpr,
        rows: &RecordBatch,
        within: Option<&BooleanBuffer>,
    ) -> Found {
        match evaluate(expression, rows) {
            Ok(found) => Found::hits(found, within),
            Err(_) => Found::search(expression, rows, within),
        }
    }

    /// The rows that were found, as far as they are looked at.
    pub(crate) fn hits(found: BooleanBuffer, within: Option<&BooleanBuffer>) -> Found {
        let hits = match within {
            Some(within) => &found & within,
            None => found,
        };
        Found { hits, failed: Vec::new(), why: None }
    }

    /// The same, of what is known to fail on all rows together.
    pub(crate) fn search(
        expression: &dyn PhysicalExpr,
        rows: &RecordBatch,
        within: Option<&BooleanBuffer>,
    ) -> Found {
        let mut search = Search {
            expression,
            within,
            hits: vec![false; rows.num_rows()],
            failed: Vec::new(),
            why: None,
        };
        search.halves(rows, 0);
        let Search { hits, failed, why, .. } = search;
        Found { hits: BooleanBuffer::from(hits), failed, why }
    }

    /// A condition that can't be told of any row.
    pub(crate) fn nowhere(rows: usize, within: Option<&BooleanBuffer>, why: &'static str) -> Found {
        let failed: Vec<usize> = match within {
            Some(within) => within.set_indices().collect(),
            None => (0..rows).collect(),
        };
        let why = (!failed.is_empty()).then_some(why);
        Found { hits: BooleanBuffer::new_unset(rows), failed, why }
    }

    pub(crate) fn unevaluated(&self) -> Option<Unevaluated> {
        self.why.map(|why| Unevaluated { why, rows: self.failed.len() as u64 })
    }
}

struct Search<'a> {
    expression: &'a dyn PhysicalExpr,
    within: Option<&'a BooleanBuffer>,
    hits: Vec<bool>,
    failed: Vec<usize>,
    why: Option<&'static str>,
}

impl Search<'_> {
    /// What fails as a whole is judged in halves. So it makes no difference how a batch is cut into
    /// chunks.
    fn halves(&mut self, rows: &RecordBatch, offset: usize) {
        let count = rows.num_rows();
        let wanted = |within: &BooleanBuffer| within.slice(offset, count).count_set_bits() > 0;
        if count == 0 || !self.within.is_none_or(wanted) {
            return;
        }
        match (evaluate(self.expression, rows), count) {
            (Ok(found), _) => {
                let within = |row: &usize| self.within.is_none_or(|within| within.value(*row));
                let found = found.set_indices().map(|row| offset + row).filter(within);
                for row in found.collect::<Vec<_>>() {
                    self.hits[row] = true;
                }
            }
            (Err(error), 1) => {
                let why = reason(&error);
                // Of several reasons always the same one.
                self.why = Some(self.why.map_or(why, |known| known.min(why)));
                self.failed.push(offset);
            }
            (Err(_), count) => {
                let half = count / 2;
                self.halves(&rows.slice(0, half), offset);
                self.halves(&rows.slice(half, count - half), offset + half);
            }
        }
    }
}

/// Where the expression is true; NULL is not.
pub(crate) fn evaluate(
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
pub(crate) fn reason(error: &DataFusionError) -> &'static str {
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
