//! Checks of each text by itself, which no expression of SQL makes, or not as fast.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, StringArrayType};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use assay_core::TextFormat;
use jsonschema::Validator;
use regex_automata::Input;
use regex_automata::meta::{Cache, Config, Regex};
use serde_json::Value;

use crate::format::is_written_as;

pub(crate) enum TextTest {
    Format(TextFormat),
    Json(Box<Validator>),
    /// One of a few texts.
    OneOf(Few),
    Pattern(Pattern),
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
            let mut memory = pattern.memory();
            let miss = |row| texts.is_valid(row) && !pattern.matches(texts.value(row), &mut memory);
            let misses = BooleanBuffer::collect_bool(texts.len(), miss);
            pattern.give_back(memory);
            return misses;
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
            TextTest::Pattern(pattern) => pattern.matches(text, &mut pattern.memory()),
        }
    }
}

impl fmt::Debug for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextTest::Format(format) => write!(f, "Format({})", format.name()),
            TextTest::Json(_) => f.write_str("Json"),
            TextTest::Pattern(pattern) => write!(f, "Pattern({})", pattern.text),
            TextTest::OneOf(few) => write!(f, "{few:?}"),
        }
    }
}

/// A regular expression, compiled once. What a search learns of it in its memory is of use to the
/// next chunk, whichever thread has that.
pub(crate) struct Pattern {
    text: String,
    search: Regex,
    memories: Mutex<Vec<Cache>>,
}

impl Pattern {
    /// With the limits of the crate `regex`; none for what that takes for no pattern.
    pub(crate) fn new(text: &str) -> Option<Pattern> {
        let limits = Config::new().nfa_size_limit(Some(10 << 20)).hybrid_cache_capacity(2 << 20);
        let search = Regex::builder().configure(limits).build(text).ok()?;
        Some(Pattern { text: text.to_owned(), search, memories: Mutex::default() })
    }

    fn memory(&self) -> Cache {
        let known = self.memories.lock().unwrap_or_else(PoisonError::into_inner).pop();
        known.unwrap_or_else(|| self.search.create_cache())
    }

    fn give_back(&self, memory: Cache) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    fn matches(&self, text: &str, memory: &mut Cache) -> bool {
        self.search.search_half_with(memory, &Input::new(text).earliest(true)).is_some()
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
                LONG => long.push(text.to_owned()),
                number => short.push(number),
            }
        }
        Few { short, long }
    }

    /// Whether a text is one of them whose number was made before; of a long one none is known.
    pub(crate) fn knows(&self, number: u64) -> bool {
        // All are compared, so that no branch has to be foreseen.
        self.short.iter().fold(false, |known, short| known | (*short == number))
    }

    pub(crate) fn all_short(&self) -> bool {
        self.long.is_empty()
    }

    fn has(&self, text: &str) -> bool {
        match packed(text) {
            LONG => self.long.iter().any(|known| known == text),
            number => self.knows(number),
        }
    }
}

/// The number of a text that has none of its own.
const LONG: u64 = u64::MAX;

/// The bytes of a text of less than eight of them, and how many they are.
fn packed(text: &str) -> u64 {
    let bytes = text.as_bytes();
    if bytes.len() >= 8 {
        return LONG;
    }
    bytes.iter().fold(bytes.len() as u64, |number, byte| number << 8 | u64::from(*byte))
}

/// The numbers of all texts of a column, for which several rules ask.
pub(crate) fn numbers(column: &ArrayRef) -> Option<Vec<u64>> {
    fn of<'a>(texts: impl StringArrayType<'a>) -> Vec<u64> {
        (0..texts.len()).map(|row| packed(texts.value(row))).collect()
    }
    Some(match column.data_type() {
        DataType::Utf8 => of(column.as_string::<i32>()),
        DataType::LargeUtf8 => of(column.as_string::<i64>()),
        DataType::Utf8View => of(column.as_string_view()),
        _ => return None,
    })
}
