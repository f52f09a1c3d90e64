use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{self, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};

use crate::judge::{Found, OTHER_COLUMNS};
use crate::measure::Measured;
use crate::suite::Test;
use crate::tally::Unevaluated;
use crate::{SpoolError, Suite, Tally};

impl Suite {
    /// Takes down what the rules about the whole batch need of rows that go into the draft, after
    /// deduplication.
    pub fn observe(&self, written: &RecordBatch, tally: &mut Tally) -> Result<(), SpoolError> {
        let rows = written.num_rows() as u64;
        tally.written += rows;
        if rows == 0 {
            return Ok(());
        }
        let fits = self.fits(written);
        let asked = self.rules().any(|(_, it)| !it.test.of_rows() && it.condition.is_some());
        let conditions = if asked { self.conditions_on(written, fits) } else { Vec::new() };
        for (place, compiled) in self.rules().filter(|(_, compiled)| !compiled.test.of_rows()) {
            let Some(condition) = compiled.condition.map(|condition| &conditions[condition]) else {
                self.look(&compiled.test, place, written, fits, tally)?;
                continue;
            };
            tally.apply(place, condition);
            if let Some(unevaluated) = condition.unevaluated() {
                tally.note(place, unevaluated);
            }
            self.look(&compiled.test, place, &those(written, condition), fits, tally)?;
        }
        Ok(())
    }

    fn look(
        &self,
        test: &Test,
        place: usize,
        written: &RecordBatch,
        fits: bool,
        tally: &mut Tally,
    ) -> Result<(), SpoolError> {
        let seen = match test {
            Test::Unjudged { why, .. } => Err(*why),
            Test::RowCount | Test::Columns(_) | Test::Volume(_) | Test::Drift { .. } => {
                return Ok(());
            }
            _ if !fits => Err(OTHER_COLUMNS),
            Test::Fresh { column, .. } | Test::Lag { column, .. } => {
                extreme(written.column(*column), compute::max)
                    .map(|time| time.into_iter().for_each(|time| tally.note_newest(place, time)))
            }
            Test::Retained { column, .. } => extreme(written.column(*column), compute::min)
                .map(|time| time.into_iter().for_each(|time| tally.note_oldest(place, time))),
            Test::Sql(measure) => {
                let new = || Measured::new(measure);
                tally.measured.entry(place).or_insert_with(new).observe(written);
                Ok(())
            }
            Test::Unique(hasher) => match hasher.hash(written) {
                Err(_) => Err("its keys can't be compared"),
                Ok(keys) => {
                    let seen = tally.keys_of(place);
                    for key in keys.into_iter().flatten() {
                        seen.rows += 1;
                        seen.distinct.insert(key)?;
                    }
                    Ok(())
                }
            },
            Test::Breaks(_)
            | Test::Null { .. }
            | Test::Outside { .. }
            | Test::Text { .. }
            | Test::Known { .. }
            | Test::Readable => Ok(()),
        };
        let rows = written.num_rows() as u64;
        if let (Err(why), true) = (seen, rows > 0) {
            tally.note(place, Unevaluated { why, rows });
        }
        Ok(())
    }
}

/// The rows for which a condition is true.
fn those(rows: &RecordBatch, condition: &Found) -> RecordBatch {
    let keep = BooleanArray::from(condition.hits.clone());
    filter_record_batch(rows, &keep).expect("the filter has one value for each row")
}

/// Whether values of the type have a time that freshness can look at.
pub(crate) fn tells_time(kind: &DataType) -> bool {
    micros(1, kind).is_some()
}

/// The greatest or least time of a column in microseconds; a date stands for its first moment.
fn extreme(
    column: &ArrayRef,
    of: fn(&arrow::array::PrimitiveArray<Int64Type>) -> Option<i64>,
) -> Result<Option<i64>, &'static str> {
    let failed = |_| "its times can't be read";
    // Dates become 64 bits wide by way of their own width.
    let plain = match column.data_type() {
        DataType::Date32 => compute::cast(column, &DataType::Int32).map_err(failed)?,
        _ => column.clone(),
    };
    let plain = compute::cast(&plain, &DataType::Int64).map_err(failed)?;
    let time = of(plain.as_primitive::<Int64Type>());
    Ok(time.and_then(|time| micros(time, column.data_type())))
}

fn micros(value: i64, kind: &DataType) -> Option<i64> {
    const DAY: i64 = 86_400_000_000;
    Some(match kind {
        DataType::Date32 => value.saturating_mul(DAY),
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => {
            value.saturating_mul(1_000)
        }
        DataType::Timestamp(TimeUnit::Second, _) => value.saturating_mul(1_000_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => value,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => value / 1_000,
        _ => return None,
    })
}
