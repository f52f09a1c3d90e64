//! What the standard lacks: `customProperties` whose vendor is `assay`.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CustomProperty;
use crate::{Document, Mistake};

/// The keys of ours at one place of a contract. Each is taken once; what is left over is a mistake.
pub(super) struct Extension<'a> {
    document: &'a Document,
    at: String,
    left: Vec<(usize, &'a CustomProperty)>,
}

impl<'a> Extension<'a> {
    /// Looks at the `customProperties` of what stands at `pointer`.
    pub(super) fn at(
        document: &'a Document,
        pointer: &str,
        properties: &'a [CustomProperty],
    ) -> Self {
        let ours =
            |(_, property): &(usize, &CustomProperty)| property.vendor.as_deref() == Some("assay");
        let left = properties.iter().enumerate().filter(ours).collect();
        Extension { document, at: format!("{pointer}/customProperties"), left }
    }

    /// The value of `name`, if it is there.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        name: &str,
        expected: &str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<T> {
        let index = self.left.iter().position(|(_, property)| property.property == name)?;
        let (place, property) = self.left.remove(index);
        match serde_json::from_value(property.value.clone()) {
            Ok(value) => Some(value),
            Err(_) => {
                let found = match &property.value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let what = format!("`{name}` can't be `{found}`");
                let at = format!("{}/{place}/value", self.at);
                mistakes.push(self.document.mistake(&at, what, expected));
                None
            }
        }
    }

    /// Reports every key of ours that nobody took.
    pub(super) fn finish(self, known: &str, mistakes: &mut Vec<Mistake>) {
        for (place, property) in self.left {
            let what = format!("Assay has no property `{}` here", property.property);
            let at = format!("{}/{place}", self.at);
            mistakes.push(self.document.mistake(&at, what, format!("use {known}, or remove it")));
        }
    }
}
