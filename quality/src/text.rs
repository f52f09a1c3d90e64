//! Checks of single texts that no expression of SQL makes: formats, and JSON by a schema.

use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, StringArrayType};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use assay_core::TextFormat;
use jsonschema::Validator;
use serde_json::Value;

use crate::format::is_written_as;

pub(crate) enum TextTest {
    Format(TextFormat),
    Json(Box<Validator>),
}

impl TextTest {
    /// The rows whose text does not pass; NULL is no text.
    pub(crate) fn misses(&self, column: &ArrayRef) -> Result<BooleanBuffer, &'static str> {
        Ok(match column.data_type() {
            DataType::Utf8 => self.misses_of(column.as_string::<i32>()),
            DataType::LargeUtf8 => self.misses_of(column.as_string::<i64>()),
            DataType::Utf8View => self.misses_of(column.as_string_view()),
            _ => {
                let plain = cast(column, &DataType::Utf8).map_err(|_| "its texts can't be read")?;
                self.misses_of(plain.as_string::<i32>())
            }
        })
    }

    fn misses_of<'a>(&self, texts: impl StringArrayType<'a> + Copy) -> BooleanBuffer {
        let miss = |row| texts.is_valid(row) && !self.passes(texts.value(row));
        BooleanBuffer::collect_bool(texts.len(), miss)
    }

    fn passes(&self, text: &str) -> bool {
        match self {
            TextTest::Format(format) => is_written_as(text, *format),
            TextTest::Json(schema) => {
                serde_json::from_str::<Value>(text).is_ok_and(|value| schema.is_valid(&value))
            }
        }
    }
}

impl fmt::Debug for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextTest::Format(format) => write!(f, "Format({})", format.name()),
            TextTest::Json(_) => f.write_str("Json"),
        }
    }
}
