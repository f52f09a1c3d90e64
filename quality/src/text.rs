//! Checks of each text by itself, which no expression of SQL makes, or not as fast.

use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, StringArrayType};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use assay_core::TextFormat;
use jsonschema::Validator;
use regex::Regex;
use serde_json::Value;

use crate::format::is_written_as;

pub(crate) enum TextTest {
    Format(TextFormat),
    Json(Box<Validator>),
    /// One of a few texts.
    OneOf(Few),
    /// Compiled once, and not again for each chunk.
    Pattern(Regex),
}

/// So many texts are found faster by looking at each than by hashing.
pub(crate) const FEW: usize = 16;

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
        if let TextTest::Pattern(pattern) = self {
            // A copy has memory of its own to search in, for which no thread waits.
            let pattern = pattern.clone();
            let miss = |row| texts.is_valid(row) && !pattern.is_match(texts.value(row));
            return BooleanBuffer::collect_bool(texts.len(), miss);
        }
        let miss = |row| texts.is_valid(row) && !self.passes(texts.value(row));
        BooleanBuffer::collect_bool(texts.len(), miss)
    }

    fn passes(&self, text: &str) -> bool {
        match self {
            TextTest::Format(format) => is_written_as(text, *format),
            TextTest::Json(schema) => {
                serde_json::from_str::<Value>(text).is_ok_and(|value| schema.is_valid(&value))
            }
            TextTest::OneOf(few) => few.has(text),
            TextTest::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

impl fmt::Debug for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextTest::Format(format) => write!(f, "Format({})", format.name()),
            TextTest::Json(_) => f.write_str("Json"),
            TextTest::Pattern(pattern) => write!(f, "Pattern({pattern})"),
            TextTest::OneOf(few) => write!(f, "{few:?}"),
        }
    }
}

/// A few texts. Short ones are compared as one number each.
#[derive(Debug)]
pub(crate) struct Few {
    short: Vec<u64>,
    long: Vec<String>,
}

impl Few {
    pub(crate) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Few {
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for text in texts {
            match packed(text) {
                Some(number) => short.push(number),
                None => long.push(text.to_owned()),
            }
        }
        Few { short, long }
    }

    fn has(&self, text: &str) -> bool {
        match packed(text) {
            Some(number) => self.short.contains(&number),
            None => self.long.iter().any(|known| known == text),
        }
    }
}

/// The bytes of a text of less than eight of them, and how many they are.
fn packed(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let length = (bytes.len() < 8).then_some(bytes.len() as u64)?;
    Some(bytes.iter().fold(length, |number, byte| number << 8 | u64::from(*byte)))
}
