use std::collections::BTreeMap;
use std::fmt;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

mod explain;

/// One thing that is wrong in a file that a person wrote, and the way to fix it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mistake {
    pub file: String,
    pub line: Option<u32>,
    pub what: String,
    pub fix: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)?;
        match &self.fix {
            Some(fix) => write!(f, "\n    fix: {fix}"),
            None => Ok(()),
        }
    }
}

/// Every mistake that was found, never only the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// `value`, unless there are mistakes.
    pub fn none_or<T>(self, value: T) -> Result<T, Mistakes> {
        if self.0.is_empty() {
            return Ok(value);
        }
        Err(self.sorted())
    }

    /// In the order of the file, each once.
    pub fn sorted(mut self) -> Mistakes {
        self.0.sort();
        self.0.dedup();
        self
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Mistakes(vec![mistake])
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} mistake{}", if count == 1 { "" } else { "s" })?;
        for mistake in &self.0 {
            write!(f, "\n  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// A YAML file that knows the line of everything in it.
#[derive(Debug, Clone)]
pub struct Document {
    file: String,
    value: Value,
    /// JSON pointer → line.
    lines: BTreeMap<String, u32>,
}

impl Document {
    /// Reads `text` as one YAML document. `file` is only for the messages.
    pub fn parse(file: &str, text: &str) -> Result<Document, Mistakes> {
        let mistake = |line, what: String, fix: &str| Mistake {
            file: file.to_owned(),
            line,
            what,
            fix: Some(fix.to_owned()),
        };
        let mut nodes = MarkedYaml::load_from_str(text).map_err(|error| {
            let line = u32::try_from(error.marker().line()).ok();
            mistake(line, format!("not YAML: {}", error.info()), "check indentation and quotes")
        })?;
        if nodes.len() != 1 {
            let what = format!("has {} YAML documents", nodes.len());
            return Err(mistake(None, what, "write one document per file").into());
        }
        let mut document =
            Document { file: file.to_owned(), value: Value::Null, lines: BTreeMap::new() };
        let mut mistakes = Mistakes::default();
        document.value = document.take(&nodes.remove(0), String::new(), &mut mistakes);
        mistakes.none_or(document)
    }

    /// The document as `T`, or all that is wrong with its shape.
    pub fn read<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Mistakes> {
        let schema = schemars::schema_for!(T);
        self.check(schema.as_value())?;
        serde_json::from_value(self.value.clone()).map_err(|error| {
            let message = error.to_string();
            self.mistake("", message, "compare with the examples in docs/").into()
        })
    }

    /// The document as `T` and all that is wrong with its shape. Unknown keys alone leave a `T`, as
    /// if they were not there, so that whoever goes on finds the other mistakes too.
    pub fn read_on<T: DeserializeOwned + JsonSchema>(&self) -> (Option<T>, Mistakes) {
        let mistakes = match self.read() {
            Ok(value) => return (Some(value), Mistakes::default()),
            Err(mistakes) => mistakes,
        };
        let mut known = self.clone();
        let schema = schemars::schema_for!(T);
        for error in validator(schema.as_value()).iter_errors(&self.value) {
            explain::without_unknown_keys(&mut known.value, &error);
        }
        (known.read().ok(), mistakes)
    }

    /// As much of the document as can be read as `T`: keys that are unknown, and values that can't
    /// stand where they do, are left out.
    pub(crate) fn read_partly<T: DeserializeOwned + JsonSchema>(&self) -> Partly<T> {
        let mistakes = match self.read() {
            Ok(value) => return Partly { value: Some(value), ..Partly::default() },
            Err(mistakes) => mistakes,
        };
        let schema = schemars::schema_for!(T);
        let validator = validator(schema.as_value());
        let (mut rest, mut left_out) = (self.clone(), Vec::new());
        // What is left out may have been all that an outer value was made of. What is wrong in the end
        // with one of a list takes the whole list along.
        for round in 0..8 {
            let before = rest.value.clone();
            for error in validator.iter_errors(&before) {
                left_out.extend(match round {
                    0..4 => explain::without_value(&mut rest.value, &error),
                    _ => explain::without_around(&mut rest.value, &error),
                });
            }
        }
        Partly { value: rest.read().ok(), mistakes, left_out }
    }

    /// Holds the document against a JSON Schema.
    pub(crate) fn check(&self, schema: &Value) -> Result<(), Mistakes> {
        let mut mistakes = Mistakes::default();
        for error in validator(schema).iter_errors(&self.value) {
            mistakes.0.extend(explain::explain(self, schema, &error));
        }
        mistakes.none_or(())
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The line of what `pointer` (RFC 6901) names, or of the nearest thing around it.
    pub fn line(&self, pointer: &str) -> Option<u32> {
        let mut at = pointer;
        loop {
            if let Some(line) = self.lines.get(at) {
                return Some(*line);
            }
            at = &at[..at.rfind('/')?];
        }
    }

    /// A mistake at the place that `pointer` names.
    pub fn mistake(
        &self,
        pointer: &str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Mistake {
        Mistake {
            file: self.file.clone(),
            line: self.line(pointer),
            what: what.into(),
            fix: Some(fix.into()),
        }
    }

    fn take(&mut self, node: &MarkedYaml<'_>, at: String, mistakes: &mut Mistakes) -> Value {
        let line = u32::try_from(node.span.start.line()).unwrap_or(u32::MAX);
        self.lines.entry(at.clone()).or_insert(line);
        match &node.data {
            YamlData::Value(scalar) => plain(scalar),
            YamlData::Representation(text, ..) => Value::String(text.to_string()),
            YamlData::Sequence(items) => {
                let take = |(i, item)| self.take(item, format!("{at}/{i}"), mistakes);
                Value::Array(items.iter().enumerate().map(take).collect())
            }
            YamlData::Mapping(pairs) => {
                let mut map = Map::new();
                for (key, value) in pairs {
                    let Some(name) = key_name(key) else {
                        mistakes.0.push(self.mistake(
                            &at,
                            "a key is not a text",
                            "use a plain name",
                        ));
                        continue;
                    };
                    let place = format!("{at}/{}", escape(&name));
                    let line = u32::try_from(key.span.start.line()).unwrap_or(u32::MAX);
                    self.lines.insert(place.clone(), line);
                    let value = self.take(value, place, mistakes);
                    map.insert(name, value);
                }
                Value::Object(map)
            }
            YamlData::Tagged(_, inner) => self.take(inner, at, mistakes),
            YamlData::Alias(_) | YamlData::BadValue => {
                mistakes.0.push(self.mistake(&at, "a value can't be read", "write it out plainly"));
                Value::Null
            }
        }
    }
}

/// What could be read of a document, and all that is wrong with its shape.
#[derive(Debug)]
pub(crate) struct Partly<T> {
    pub(crate) value: Option<T>,
    pub(crate) mistakes: Mistakes,
    /// JSON pointers of values that are not in `value`.
    left_out: Vec<String>,
}

impl<T> Default for Partly<T> {
    fn default() -> Partly<T> {
        Partly { value: None, mistakes: Mistakes::default(), left_out: Vec::new() }
    }
}

impl<T> Partly<T> {
    /// Adds what was found wrong in the rest, but for what only follows from what was left out.
    pub(crate) fn found(&mut self, document: &Document, more: impl IntoIterator<Item = Mistake>) {
        // What follows is told of the value around. Where that begins in the same line, nothing can
        // be told apart by lines, and too much is better than too little.
        let around = |at: &String| {
            let outer = document.line(at.rsplit_once('/').map_or("", |(outer, _)| outer));
            (outer != document.line(at)).then_some(outer)
        };
        let lines: Vec<_> = self.left_out.iter().filter_map(around).collect();
        let more = more.into_iter().filter(|mistake| !lines.contains(&mistake.line));
        self.mistakes.0.extend(more);
    }
}

/// Of a schema that comes from our own types: that it compiles is for the tests, not for users.
fn validator(schema: &Value) -> jsonschema::Validator {
    match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => panic!("the schema of our own types does not compile: {error}"),
    }
}

/// A part of a JSON pointer, escaped.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn key_name(key: &MarkedYaml<'_>) -> Option<String> {
    match &key.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::Boolean(value)) => Some(value.to_string()),
        YamlData::Representation(text, ..) => Some(text.to_string()),
        _ => None,
    }
}

fn plain(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(*value),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}

#[cfg(test)]
mod tests;
