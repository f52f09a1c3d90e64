//! What a written Parquet file says of its columns, in Iceberg's words.

use std::collections::HashMap;

use iceberg::spec::{DataFileBuilder, Datum, PrimitiveType, Schema, Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;

/// What is known of one column of a file without reading it.
#[derive(Debug, Default)]
struct Figures {
    bytes: u64,
    values: u64,
    nulls: Option<u64>,
    lower: Option<Datum>,
    upper: Option<Datum>,
    /// A row group has values and does not say between which bounds.
    unbounded: bool,
}

/// Fills in sizes, counts and bounds of every column. Bounds may be wider than the values, since
/// long texts are cut, and never narrower; a column of which a part is unknown has none.
pub(super) fn describe(
    file: &mut DataFileBuilder,
    schema: &Schema,
    metadata: &ParquetMetaData,
) -> iceberg::Result<()> {
    let mut columns: HashMap<i32, Figures> = HashMap::new();
    for group in metadata.row_groups() {
        for chunk in group.columns() {
            let info = chunk.column_descr().self_type().get_basic_info();
            if info.has_id() {
                columns.entry(info.id()).or_default().take(schema, info.id(), chunk);
            }
        }
    }
    let known = |figures: &Figures| !figures.unbounded;
    file.column_sizes(gather(&columns, |figures| Some(figures.bytes)));
    file.value_counts(gather(&columns, |figures| Some(figures.values)));
    file.null_value_counts(gather(&columns, |figures| figures.nulls));
    file.lower_bounds(gather(&columns, |f| f.lower.clone().filter(|_| known(f))));
    file.upper_bounds(gather(&columns, |f| f.upper.clone().filter(|_| known(f))));
    file.split_offsets(Some(
        metadata.row_groups().iter().filter_map(|group| group.file_offset()).collect(),
    ));
    Ok(())
}

fn gather<T>(
    columns: &HashMap<i32, Figures>,
    get: impl Fn(&Figures) -> Option<T>,
) -> HashMap<i32, T> {
    columns.iter().filter_map(|(id, figures)| Some((*id, get(figures)?))).collect()
}

impl Figures {
    fn take(&mut self, schema: &Schema, id: i32, chunk: &ColumnChunkMetaData) {
        let values = u64::try_from(chunk.num_values()).unwrap_or_default();
        let first = self.values == 0;
        self.bytes += u64::try_from(chunk.compressed_size()).unwrap_or_default();
        self.values += values;
        let statistics = chunk.statistics();
        let nulls = statistics.and_then(Statistics::null_count_opt);
        self.nulls = if first { nulls } else { self.nulls.zip(nulls).map(|(a, b)| a + b) };
        if nulls == Some(values) {
            return;
        }
        let kind = match schema.field_by_id(id).map(|field| field.field_type.as_ref()) {
            Some(Type::Primitive(kind)) => kind,
            _ => return self.unbounded = true,
        };
        let bounds = statistics.and_then(|known| {
            Some((bound(kind, known, Side::Lower)?, bound(kind, known, Side::Upper)?))
        });
        let Some((lower, upper)) = bounds else { return self.unbounded = true };
        if self.lower.as_ref().is_none_or(|known| lower < *known) {
            self.lower = Some(lower);
        }
        if self.upper.as_ref().is_none_or(|known| upper > *known) {
            self.upper = Some(upper);
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Lower,
    Upper,
}

/// One bound of a row group's column, for the types that our tables have.
fn bound(kind: &PrimitiveType, statistics: &Statistics, side: Side) -> Option<Datum> {
    macro_rules! value {
        ($statistics:expr) => {
            match side {
                Side::Lower => $statistics.min_opt(),
                Side::Upper => $statistics.max_opt(),
            }
        };
    }
    Some(match (kind, statistics) {
        (PrimitiveType::Boolean, Statistics::Boolean(known)) => Datum::bool(*value!(known)?),
        (PrimitiveType::Int, Statistics::Int32(known)) => Datum::int(*value!(known)?),
        (PrimitiveType::Date, Statistics::Int32(known)) => Datum::date(*value!(known)?),
        (PrimitiveType::Long, Statistics::Int64(known)) => Datum::long(*value!(known)?),
        (PrimitiveType::Timestamptz, Statistics::Int64(known)) => {
            Datum::timestamptz_micros(*value!(known)?)
        }
        (PrimitiveType::Timestamp, Statistics::Int64(known)) => {
            Datum::timestamp_micros(*value!(known)?)
        }
        (PrimitiveType::Double, Statistics::Double(known)) => Datum::double(*value!(known)?),
        (PrimitiveType::String, Statistics::ByteArray(known)) => {
            Datum::string(value!(known)?.as_utf8().ok()?)
        }
        (PrimitiveType::Decimal { .. }, Statistics::Int32(known)) => {
            decimal(kind, &value!(known)?.to_be_bytes())?
        }
        (PrimitiveType::Decimal { .. }, Statistics::Int64(known)) => {
            decimal(kind, &value!(known)?.to_be_bytes())?
        }
        (PrimitiveType::Decimal { .. }, Statistics::FixedLenByteArray(known)) => {
            decimal(kind, value!(known)?.data())?
        }
        _ => return None,
    })
}

/// Iceberg and Parquet write decimals down alike: the greatest byte first, with a sign.
fn decimal(kind: &PrimitiveType, bytes: &[u8]) -> Option<Datum> {
    Datum::try_from_bytes(bytes, kind.clone()).ok()
}
