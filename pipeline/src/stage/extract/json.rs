//! Finds the values at several paths of a JSON text in one parse, skipping all the rest unread.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::scan::Scanner;

/// A value at the end of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leaf<'t> {
    Null,
    Boolean(bool),
    Whole(i64),
    /// Also as it is written.
    Number(f64, &'t str),
    Text(Cow<'t, str>),
    List,
    Map,
}

impl<'t> Leaf<'t> {
    /// The number that a text of JSON says; none where it is beyond what a double holds.
    pub(super) fn number(text: &'t str) -> Option<Leaf<'t>> {
        // `-0` is no whole number.
        if let Some(whole) = text.parse().ok().filter(|_| text != "-0") {
            return Some(Leaf::Whole(whole));
        }
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(|number| Leaf::Number(number, text))
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Leaf::Null => "null",
            Leaf::Boolean(_) => "a boolean",
            Leaf::Whole(_) => "a whole number",
            Leaf::Number(..) => "a number with a fraction or beyond 64 bits",
            Leaf::Text(_) => "a text",
            Leaf::List => "a list",
            Leaf::Map => "a map",
        }
    }
}

/// A path and the columns that want its value.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) name: String,
    pub(super) columns: Vec<usize>,
}

/// Several paths, as the tree that one parse walks.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    paths: Vec<Path>,
    root: Node,
}

/// A place in the tree: the end of a path, or the way to others.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// The path that ends here.
    pub(super) end: Option<usize>,
    pub(super) children: Vec<(String, Node)>,
}

impl Paths {
    pub(super) fn add(&mut self, path: &str, column: usize) -> Result<(), String> {
        if let Some(known) = self.paths.iter_mut().find(|known| known.name == path) {
            known.columns.push(column);
            return Ok(());
        }
        let mut node = &mut self.root;
        for part in path.split('.') {
            if part.is_empty() {
                return Err(format!("the path `{path}` has an empty part"));
            }
            if let Some(end) = node.end {
                return Err(format!("`{path}` leads through `{}`, a value", self.paths[end].name));
            }
            let known = node.children.iter().position(|(name, _)| name == part);
            let place = known.unwrap_or_else(|| {
                node.children.push((part.to_owned(), Node::default()));
                node.children.len() - 1
            });
            node = &mut node.children[place].1;
        }
        if !node.children.is_empty() {
            return Err(format!("other paths lead through `{path}`"));
        }
        node.end = Some(self.paths.len());
        self.paths.push(Path { name: path.to_owned(), columns: vec![column] });
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter()
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.paths.iter().flat_map(|path| path.columns.iter().copied())
    }

    /// A null for every path.
    pub(super) fn nothing<'t>(&self) -> Vec<Leaf<'t>> {
        vec![Leaf::Null; self.paths.len()]
    }

    /// The value at each path; what is not there is null. The text must be one JSON value.
    pub(super) fn find<'t>(&self, text: &'t str) -> Result<Vec<Leaf<'t>>, String> {
        let mut leaves = self.nothing();
        match Scanner::new(text).find(&self.root, &mut leaves) {
            Some(()) => Ok(leaves),
            None => self.parse(text),
        }
    }

    /// The same by a whole parser, which also says what is wrong.
    pub(super) fn parse<'t>(&self, text: &'t str) -> Result<Vec<Leaf<'t>>, String> {
        let mut leaves = self.nothing();
        let mut wrong = None;
        let mut json = serde_json::Deserializer::from_str(text);
        Walk { node: &self.root, leaves: &mut leaves, wrong: &mut wrong, at: "" }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| format!("not JSON at column {}", error.column()))?;
        wrong.map_or(Ok(leaves), Err)
    }
}

/// Walks one value along one node of the tree.
struct Walk<'a, 't> {
    node: &'a Node,
    leaves: &'a mut [Leaf<'t>],
    wrong: &'a mut Option<String>,
    at: &'a str,
}

impl<'t> Walk<'_, 't> {
    fn take<E>(self, leaf: Leaf<'t>) -> Result<(), E> {
        match self.node.end {
            Some(end) => self.leaves[end] = leaf,
            // Nothing is a map that has nothing in it; anything else has no way on.
            None if leaf == Leaf::Null => {}
            None => {
                let place = if self.at.is_empty() { "the value" } else { self.at };
                self.wrong.get_or_insert_with(|| format!("{place} is {}, not a map", leaf.kind()));
            }
        }
        Ok(())
    }
}

impl<'t> DeserializeSeed<'t> for Walk<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        if self.node.end.is_none() {
            return json.deserialize_any(self);
        }
        // A number is taken as it is written; it is JSON, whatever it is.
        let text = <&'t RawValue>::deserialize(json)?.get();
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            match Leaf::number(text) {
                Some(leaf) => return self.take(leaf),
                None => self.wrong.get_or_insert_with(|| format!("{} is too large", self.at)),
            };
            return Ok(());
        }
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_any(self).map_err(D::Error::custom)
    }
}

impl<'t> Visitor<'t> for Walk<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.take(Leaf::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.take(Leaf::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.take(Leaf::Whole(value))
    }

    #[allow(clippy::cast_precision_loss, reason = "only whether it fits 64 bits matters")]
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.take(i64::try_from(value).map_or(Leaf::Number(value as f64, ""), Leaf::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.take(Leaf::Number(value, ""))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.take(Leaf::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<(), E> {
        self.take(Leaf::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.take(Leaf::List)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        if self.node.end.is_some() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return self.take(Leaf::Map);
        }
        while let Some(key) = map.next_key::<Cow<'t, str>>()? {
            let child = self.node.children.iter().find(|(name, _)| *name == key);
            match child {
                Some((name, node)) => map.next_value_seed(Walk {
                    node,
                    leaves: &mut *self.leaves,
                    wrong: &mut *self.wrong,
                    at: name,
                })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
