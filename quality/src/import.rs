//! Reads what other tools have found. Their files are foreign bytes: what is damaged is refused
//! with the place where it is, and nothing panics.

mod dbt;
mod gx;
mod soda;
#[cfg(test)]
mod tests;

use assay_core::{Fault, ImportedScan, Severity};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Why results can't be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("{file} is no JSON: {why}")]
    Json { file: String, why: String },
    #[error(
        "{file} is no result that is known here: validation results of Great Expectations, \
         run_results.json of dbt with its manifest.json, or scan results of Soda"
    )]
    Unknown { file: String },
    #[error("{file} is damaged: `{place}` {what}")]
    Damaged { file: String, place: String, what: &'static str },
    #[error("{file} is from dbt and needs the manifest.json beside it: give both")]
    NoManifest { file: String },
    #[error("{file} has no result of a check")]
    Nothing { file: String },
}

impl ImportError {
    pub fn fault(&self) -> Fault {
        Fault::Permanent
    }
}

/// Brings the results in one file into our form; one scan for each dataset. dbt keeps in its
/// `manifest` what its checks are about.
pub fn import(
    file: &str,
    bytes: &[u8],
    manifest: Option<(&str, &[u8])>,
) -> Result<Vec<ImportedScan>, ImportError> {
    let value = parse(file, bytes)?;
    let root = Node { file, value: &value, place: String::new() };
    let scans = if dbt::knows(&value) {
        let Some((manifest_file, bytes)) = manifest else {
            return Err(ImportError::NoManifest { file: file.to_owned() });
        };
        let manifest = parse(manifest_file, bytes)?;
        let manifest = Node { file: manifest_file, value: &manifest, place: String::new() };
        dbt::read(&root, &manifest)?
    } else if gx::knows(&value) {
        gx::read(&root)?
    } else if soda::knows(&value) {
        soda::read(&root)?
    } else {
        return Err(ImportError::Unknown { file: file.to_owned() });
    };
    match scans.iter().all(|scan| scan.results.is_empty()) {
        true => Err(ImportError::Nothing { file: file.to_owned() }),
        false => Ok(scans),
    }
}

fn parse(file: &str, bytes: &[u8]) -> Result<Value, ImportError> {
    let parsed = match serde_json::from_slice(bytes) {
        Err(_) => serde_json::from_slice(&without_nan(bytes)),
        parsed => parsed,
    };
    parsed.map_err(|error| {
        // Its own words may quote what is in the file.
        let (line, column) = (error.line(), error.column());
        let why = format!("it breaks off or is damaged in line {line}, column {column}");
        ImportError::Json { file: file.to_owned(), why }
    })
}

/// Python writes NaN and infinities, which are no JSON, as they are: nothing stands in their place.
fn without_nan(bytes: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut plain = Vec::with_capacity(bytes.len());
    let (mut in_text, mut at) = (false, 0);
    while let Some(byte) = bytes.get(at) {
        let word = WORDS.into_iter().find(|word| !in_text && bytes[at..].starts_with(word));
        if let Some(word) = word {
            plain.extend(b"null");
            at += word.len();
            continue;
        }
        plain.push(*byte);
        at += 1;
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => {
                plain.extend(bytes.get(at));
                at += 1;
            }
            _ => {}
        }
    }
    plain
}

/// A place in a file of another tool.
struct Node<'a> {
    file: &'a str,
    value: &'a Value,
    place: String,
}

impl<'a> Node<'a> {
    fn damaged<T>(&self, key: &str, what: &'static str) -> Result<T, ImportError> {
        let place = format!("{}{key}", self.place);
        Err(ImportError::Damaged { file: self.file.to_owned(), place, what })
    }

    /// What stands under a key; nothing where that is null.
    fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Node { file: self.file, value, place: format!("{}{key}.", self.place) })
    }

    fn need(&self, key: &str) -> Result<Node<'a>, ImportError> {
        self.get(key).map_or_else(|| self.damaged(key, "is missing"), Ok)
    }

    fn text(&self, key: &str) -> Result<&'a str, ImportError> {
        match self.need(key)?.value.as_str() {
            Some(text) => Ok(text),
            None => self.damaged(key, "is no text"),
        }
    }

    /// A text that need not be there.
    fn maybe(&self, key: &str) -> Option<&'a str> {
        self.value.get(key).and_then(Value::as_str)
    }

    fn list(&self, key: &str) -> Result<Vec<Node<'a>>, ImportError> {
        let Some(items) = self.need(key)?.value.as_array() else {
            return self.damaged(key, "is no list");
        };
        let item = |(place, value)| {
            let place = format!("{}{key}.{place}.", self.place);
            Node { file: self.file, value, place }
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.value.get(key).and_then(Value::as_u64)
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.value.get(key).and_then(Value::as_f64)
    }

    fn time(&self, key: &str) -> Result<DateTime<Utc>, ImportError> {
        let text = self.text(key)?;
        // Some write a space between date and time.
        let parsed = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1));
        parsed.map_or_else(
            |_| self.damaged(key, "is no time with a zone"),
            |at| Ok(at.with_timezone(&Utc)),
        )
    }
}

/// A severity in the words of other tools.
fn severity(word: Option<&str>) -> Severity {
    match word.unwrap_or_default().to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "warning" | "warn" => Severity::Warning,
        "info" => Severity::Info,
        _ => Severity::Error,
    }
}

/// The dimension that a check speaks of, by what its name has in it.
fn dimension(kind: &str) -> &'static str {
    let has = |parts: &[&str]| parts.iter().any(|part| kind.contains(part));
    if has(&["unique", "duplicate", "distinct"]) {
        "uniqueness"
    } else if has(&["not_null", "null", "missing", "complete"]) {
        "completeness"
    } else if has(&["fresh", "recent"]) {
        "timeliness"
    } else if has(&["row_count", "volume"]) {
        "coverage"
    } else if has(&[
        "relationship",
        "reference",
        "pair",
        "equal_other",
        "expression",
        "failed_rows",
    ]) {
        "consistency"
    } else {
        "conformity"
    }
}
