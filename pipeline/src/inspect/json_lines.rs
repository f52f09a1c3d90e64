//! Reads JSON lines: a line that is no JSON object, or has a value of another kind than its column,
//! is refused alone.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use serde_json::{Map, Value};

use super::InspectError;
use super::text_table::{Line, Lines};

const LONGEST_LINE: u64 = 32 << 20;

/// Keys that a file may have; more are data, not columns.
const MOST_KEYS: usize = 5_000;

/// The columns that are wanted of a file of JSON lines.
#[derive(Debug, Clone)]
pub(super) struct JsonLines {
    path: PathBuf,
    columns: Vec<(String, Wanted)>,
}

/// What a line holds: an object, or why it is none.
type Object<'a> = Result<&'a Map<String, Value>, &'a str>;

/// The kinds of JSON values that a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Text,
    /// A text, or anything else as its JSON.
    Anything,
    Whole,
    Number,
    NumberOrText,
    Boolean,
}

impl JsonLines {
    /// The file with the columns of a schema.
    pub(super) fn new(path: &Path, columns: &arrow::datatypes::Schema) -> JsonLines {
        let wanted = |kind: &DataType| match kind {
            DataType::Int32 | DataType::Int64 => Wanted::Whole,
            DataType::Float64 => Wanted::Number,
            DataType::Decimal128(..) => Wanted::NumberOrText,
            DataType::Boolean => Wanted::Boolean,
            _ => Wanted::Text,
        };
        let column =
            |field: &arrow::datatypes::FieldRef| (field.name().clone(), wanted(field.data_type()));
        JsonLines { path: path.to_owned(), columns: columns.fields().iter().map(column).collect() }
    }

    /// The same, and in columns of text any value as its JSON.
    pub(super) fn lenient(mut self) -> JsonLines {
        for (_, wanted) in &mut self.columns {
            if *wanted == Wanted::Text {
                *wanted = Wanted::Anything;
            }
        }
        self
    }

    /// Shows every object of the file to `take`, which says whether to go on.
    pub(super) fn objects(
        path: &Path,
        take: &mut dyn FnMut(u64, Object<'_>) -> bool,
    ) -> io::Result<()> {
        let mut file = BufReader::with_capacity(256 << 10, File::open(path)?);
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            if (&mut file).take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            if bytes.len() as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n') {
                skip_line(&mut file)?;
                if !take(line, Err("it is longer than 32 MB")) {
                    break;
                }
                continue;
            }
            let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let go_on = match serde_json::from_slice::<Value>(text) {
                Ok(Value::Object(object)) => take(line, Ok(&object)),
                Ok(_) => take(line, Err("it is JSON, and no object")),
                Err(_) => take(line, Err("it is no JSON")),
            };
            if !go_on {
                break;
            }
        }
        Ok(())
    }

    /// All keys of the file, in the order in which they come, each with what was seen of it.
    pub(super) fn keys<T: Default>(
        path: &Path,
        mut see: impl FnMut(&mut T, &Value),
    ) -> Result<Vec<(String, T)>, InspectError> {
        let mut found: Vec<(String, T)> = Vec::new();
        let mut places: std::collections::HashMap<String, usize> = Default::default();
        let read = JsonLines::objects(path, &mut |_, object| {
            for (key, value) in object.into_iter().flatten() {
                let place = match places.get(key) {
                    Some(place) => *place,
                    None => {
                        places.insert(key.clone(), found.len());
                        found.push((key.clone(), T::default()));
                        found.len() - 1
                    }
                };
                see(&mut found[place].1, value);
            }
            found.len() <= MOST_KEYS
        });
        read.map_err(|source| InspectError::File { path: path.to_owned(), source })?;
        match found.len() {
            0 => {
                let what = format!("{} has no JSON object: write one in each line", path.display());
                Err(InspectError::Unfit(what))
            }
            many if many > MOST_KEYS => {
                let what = format!("{} has more than {MOST_KEYS} keys", path.display());
                Err(InspectError::Unfit(format!("{what}: name the columns by a contract")))
            }
            _ => Ok(found),
        }
    }
}

impl Lines for JsonLines {
    fn each(&self, take: &mut dyn FnMut(Line<'_>) -> bool) -> io::Result<()> {
        JsonLines::objects(&self.path, &mut |line, object| {
            let object = match object {
                Ok(object) => object,
                Err(why) => return take(Line::Refused(line, why)),
            };
            let mut cells = Vec::with_capacity(self.columns.len());
            for (name, wanted) in &self.columns {
                let value = object.get(name).unwrap_or(&Value::Null);
                match wanted.cell(value) {
                    Ok(cell) => cells.push(cell),
                    Err(expected) => {
                        let why = format!("`{name}` is {}, not {expected}", kind(value));
                        return take(Line::Refused(line, &why));
                    }
                }
            }
            let cells: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
            take(Line::Row(line, &cells))
        })
    }
}

impl Wanted {
    fn cell(self, value: &Value) -> Result<Option<Cow<'_, str>>, &'static str> {
        let whole = |number: &serde_json::Number| number.is_i64() || number.is_u64();
        Ok(match (self, value) {
            (_, Value::Null) => None,
            (Wanted::Text | Wanted::Anything | Wanted::NumberOrText, Value::String(text)) => {
                Some(Cow::Borrowed(text))
            }
            (Wanted::Anything, value) => Some(Cow::Owned(value.to_string())),
            // What is nested is kept as its JSON, as `ingest` does.
            (Wanted::Text, Value::Array(_) | Value::Object(_)) => {
                Some(Cow::Owned(value.to_string()))
            }
            (Wanted::Whole, Value::Number(number)) if whole(number) => {
                Some(Cow::Owned(number.to_string()))
            }
            (Wanted::Number | Wanted::NumberOrText, Value::Number(number)) => {
                Some(Cow::Owned(number.to_string()))
            }
            (Wanted::Boolean, Value::Bool(flag)) => {
                Some(Cow::Borrowed(if *flag { "true" } else { "false" }))
            }
            (Wanted::Text, _) => return Err("a text"),
            (Wanted::Whole, _) => return Err("a whole number"),
            (Wanted::Number | Wanted::NumberOrText, _) => return Err("a number"),
            (Wanted::Boolean, _) => return Err("true or false"),
        })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn skip_line(file: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (used, ended) = match file.fill_buf()? {
            [] => return Ok(()),
            buffer => match buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (buffer.len(), false),
            },
        };
        file.consume(used);
        if ended {
            return Ok(());
        }
    }
}
