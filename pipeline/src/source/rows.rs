//! Provenance of rows that came from a table: canonical JSON, and the columns that name a row.

use arrow::array::{Array, RecordBatch};
use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use assay_dlq::{Origin, PayloadKind, Source as Place};
use bytes::Bytes;

use super::{Provenance, SourceError};

/// Rows of a table, and the columns by which each is known for ever.
#[derive(Debug)]
pub(crate) struct TableRows {
    pub(crate) rows: RecordBatch,
    pub(crate) origin: Vec<String>,
}

impl Provenance for TableRows {
    fn origin(&self, row: usize) -> Result<Origin, SourceError> {
        origin_of(&self.rows, &self.origin, row).map(Origin)
    }

    fn place(&self, _: usize) -> Option<Place> {
        None
    }

    fn payload(&self, row: usize) -> Result<(Bytes, PayloadKind), SourceError> {
        let mut writer =
            WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
        let wrong = |error| unreadable(&error);
        writer.write(&self.rows.slice(row, 1)).and_then(|()| writer.finish()).map_err(wrong)?;
        let text = writer.into_inner();
        // An array of one row: the row is what stands between the brackets.
        let row = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
        Ok((Bytes::copy_from_slice(row.unwrap_or(&text)), PayloadKind::Json))
    }
}

/// The values of `columns` in one row, joined.
pub(super) fn origin_of(
    rows: &RecordBatch,
    columns: &[String],
    row: usize,
) -> Result<String, SourceError> {
    let options = FormatOptions::default().with_null("null");
    let mut parts = Vec::with_capacity(columns.len());
    for name in columns {
        let column = rows.column_by_name(name).ok_or_else(|| SourceError::Refused {
            what: "the origin of a row".to_owned(),
            why: format!("there is no column `{name}`"),
        })?;
        let values =
            ArrayFormatter::try_new(column.as_ref(), &options).map_err(|e| unreadable(&e))?;
        parts.push(if column.is_null(row) {
            "null".to_owned()
        } else {
            values.value(row).to_string()
        });
    }
    Ok(parts.join("|"))
}

fn unreadable(error: &arrow::error::ArrowError) -> SourceError {
    let kind = match error {
        arrow::error::ArrowError::InvalidArgumentError(text) => text.clone(),
        _ => "a value has no text".to_owned(),
    };
    SourceError::Refused { what: "a row to set it aside".to_owned(), why: kind }
}
