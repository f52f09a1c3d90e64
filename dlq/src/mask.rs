//! What a contract shows to few is not shown to others.

use serde_json::Value;

use crate::LetterView;

const MASK: &str = "•••";

/// Masks the members of those names, however deep they are, also in texts that are JSON. Says
/// whether there was any.
pub fn mask(value: &mut Value, names: &[String]) -> bool {
    match value {
        Value::Object(members) => {
            let mut any = false;
            for (name, value) in members.iter_mut() {
                match names.contains(name) {
                    true if value.is_null() => {}
                    true => (*value, any) = (Value::from(MASK), true),
                    false => any |= mask(value, names),
                }
            }
            any
        }
        // In order, all of them.
        Value::Array(values) => {
            values.iter_mut().fold(false, |any, value| mask(value, names) | any)
        }
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            let Ok(mut inner) = serde_json::from_str::<Value>(text) else { return false };
            let any = mask(&mut inner, names);
            if any {
                *text = inner.to_string();
            }
            any
        }
        _ => false,
    }
}

impl LetterView {
    /// The letter without the beginning of its payload, where that has something to mask: what is
    /// cut can't be taken apart.
    pub fn guarded(self) -> LetterView {
        match self.sensitive.is_empty() {
            true => self,
            false => LetterView { payload: None, key: None, ..self },
        }
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
    }
}
