use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};

use crate::judge::OTHER_COLUMNS;
use crate::suite::Test;
use crate::tally::Unevaluated;
use crate::{SpoolError, Suite, Tally};

impl Suite {
    /// Takes down what the rules about the whole batch need of rows that go into the draft, after
    /// deduplication.
    pub fn observe(&self, written: &RecordBatch, tally: &mut Tally) -> Result<(), SpoolError> {
        let rows = written.num_rows() as u64;
        tally.written += rows;
        let fits = self.fits(written);
        for (place, compiled) in self.rules() {
            let seen = match &compiled.test {
                Test::Breaks(_) | Test::Known { .. } | Test::Readable | Test::RowCount => continue,
                _ if !fits => Err(OTHER_COLUMNS),
                Test::Fresh { column, .. } => newest(written.column(*column)).map(|newest| {
                    newest.into_iter().for_each(|newest| tally.note_time(place, newest));
                }),
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
            };
            if let (Err(why), true) = (seen, rows > 0) {
                tally.note(place, Unevaluated { why, rows });
            }
        }
        Ok(())
    }
}

/// Whether values of the type have a time that freshness can look at.
pub(crate) fn tells_time(kind: &DataType) -> bool {
    micros(1, kind).is_some()
}

/// The greatest time of a column in microseconds; a date stands for its first moment.
fn newest(column: &ArrayRef) -> Result<Option<i64>, &'static str> {
    let failed = |_| "its times can't be read";
    // Dates become 64 bits wide by way of their own width.
    let plain = match column.data_type() {
        DataType::Date32 => compute::cast(column, &DataType::Int32).map_err(failed)?,
        _ => column.clone(),
    };
    let plain = compute::cast(&plain, &DataType::Int64).map_err(failed)?;
    let newest = compute::max(plain.as_primitive::<Int64Type>());
    Ok(newest.and_then(|newest| micros(newest, column.data_type())))
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
