//! Writes a contract as a person would.

use std::fmt::Write;

use serde_json::Value;

/// Lines of YAML that are being written.
#[derive(Debug, Default)]
pub(super) struct Yaml {
    text: String,
    depth: usize,
    /// The next key begins an item of a list.
    item: bool,
}

impl Yaml {
    pub(super) fn comment(&mut self, text: &str) {
        let _ = writeln!(self.text, "# {text}");
    }

    pub(super) fn key(&mut self, name: &str, value: impl Into<Value>) {
        let value = scalar(&value.into());
        self.line(&format!("{name}: {value}"));
    }

    /// A key with keys below it.
    pub(super) fn map(&mut self, name: &str, inner: impl FnOnce(&mut Yaml)) {
        self.line(&format!("{name}:"));
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    /// A key with a list of maps below it.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Yaml, T),
    ) {
        self.line(&format!("{name}:"));
        self.depth += 2;
        for item in items {
            self.item = true;
            each(self, item);
        }
        self.depth -= 2;
        self.item = false;
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, text: &str) {
        let (depth, dash) = match std::mem::take(&mut self.item) {
            true => (self.depth - 1, "- "),
            false => (self.depth, ""),
        };
        let _ = writeln!(self.text, "{}{dash}{text}", "  ".repeat(depth));
    }
}

/// A value on one line; a text without quotes where it can't be taken for anything else.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn plain(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    let others = |c: char| c.is_ascii_alphanumeric() || " _-./(),".contains(c);
    // What other readers take for something else.
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    first
        && letters.all(others)
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str())
        && !text.contains(" #")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Yaml, plain};

    #[test]
    fn only_what_can_t_be_mistaken_has_no_quotes() {
        for text in ["orders", "Data of May, 2026", "decimal(15,2)", "v3.2.0"] {
            assert!(plain(text), "{text}");
        }
        for text in
            ["", "no", "NULL", "1.0", "a: b", "- a", "a # b", "@x", "a\nb", "true", "a ", "ä"]
        {
            assert!(!plain(text), "{text}");
        }
    }

    #[test]
    fn lists_of_maps_are_indented() {
        let mut yaml = Yaml::default();
        yaml.key("id", "a");
        yaml.list("schema", ["x"], |yaml, name| {
            yaml.key("name", name);
            yaml.list("properties", [1, 2], |yaml, n| {
                yaml.key("name", format!("c{n}"));
                yaml.map("logicalTypeOptions", |yaml| yaml.key("pattern", "^a$"));
                yaml.key("required", json!(true));
            });
        });
        insta::assert_snapshot!(yaml.finish(), @r#"
        id: a
        schema:
          - name: x
            properties:
              - name: c1
                logicalTypeOptions:
                  pattern: "^a$"
                required: true
              - name: c2
                logicalTypeOptions:
                  pattern: "^a$"
                required: true
        "#);
    }
}
