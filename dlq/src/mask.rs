//! What a contract shows to few is not shown to others.

use serde_json::Value;

use crate::{LetterView, PayloadKind};

const MASK: &str = "•••";

/// Masks the members of those names, however deep they are, also in texts that are JSON. A column
/// `actor_login` is also what stands at `actor.login`. Says whether there was any.
pub fn mask(value: &mut Value, names: &[String]) -> bool {
    masked(value, names, &mut Vec::new())
}

fn masked(value: &mut Value, names: &[String], path: &mut Vec<String>) -> bool {
    match value {
        Value::Object(members) => {
            let mut any = false;
            for (name, value) in members.iter_mut() {
                path.push(name.clone());
                match named(names, path) {
                    true if value.is_null() => {}
                    true => (*value, any) = (Value::from(MASK), true),
                    false => any |= masked(value, names, path),
                }
                path.pop();
            }
            any
        }
        // In order, all of them.
        Value::Array(values) => {
            values.iter_mut().fold(false, |any, value| masked(value, names, path) | any)
        }
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            let Ok(mut inner) = serde_json::from_str::<Value>(text) else { return false };
            let any = masked(&mut inner, names, path);
            if any {
                *text = inner.to_string();
            }
            any
        }
        _ => false,
    }
}

/// Whether the end of a path is a name, as models write it for what they take out of objects.
fn named(names: &[String], path: &[String]) -> bool {
    (0..path.len()).any(|from| names.contains(&path[from..].join("_")))
}

impl LetterView {
    /// The letter without the beginning of its payload, where that has something to mask: what is
    /// cut can't be taken apart.
    pub fn guarded(self) -> LetterView {
        match self.sensitive.is_empty() {
            true => self,
            false => LetterView { payload: None, payload_truncated: false, key: None, ..self },
        }
    }

    /// The letter without what the contract shows to few; without all of its payload, where that
    /// can't be taken apart. The payload has to be whole.
    pub fn masked(self) -> LetterView {
        if self.sensitive.is_empty() {
            return self;
        }
        let json = self.json().map(|mut value| {
            mask(&mut value, &self.sensitive);
            value.to_string().into()
        });
        // What was Avro is text now, and has to be read as such.
        let payload_kind = match self.payload_kind {
            Some(PayloadKind::Avro) if json.is_some() => Some(PayloadKind::Json),
            kind => kind,
        };
        LetterView { payload: json, payload_kind, key: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::mask;

    #[test]
    fn members_are_masked_wherever_they_are() {
        let names = ["email".to_owned(), "name".to_owned()];
        let mut value = json!({
            "id": 1, "email": "a@b", "name": null, "of": [{"email": {"x": 1}}, 3],
            "text": r#"{"email":"c@d","n":1}"#, "plain": "email",
        });
        assert!(mask(&mut value, &names));
        assert_eq!(
            value,
            json!({
                "id": 1, "email": "•••", "name": null, "of": [{"email": "•••"}, 3],
                "text": r#"{"email":"•••","n":1}"#, "plain": "email",
            })
        );
        assert!(!mask(&mut json!({"a": "b"}), &names));
        let mut nested = json!({"of": {"actor": {"login": "anna", "id": 1}}});
        assert!(mask(&mut nested, &["actor_login".to_owned()]));
        assert_eq!(nested, json!({"of": {"actor": {"login": "•••", "id": 1}}}));
    }
}
