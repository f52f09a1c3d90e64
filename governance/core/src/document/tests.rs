use schemars::JsonSchema;
use serde::Deserialize;

use super::{Document, Mistakes};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Farm {
    name: String,
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Field {
    crop: Crop,
    size: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Crop {
    Wheat,
    Rye,
}

fn mistakes(text: &str) -> String {
    let read = Document::parse("farm.yaml", text).and_then(|document| document.read::<Farm>());
    read.unwrap_err().to_string()
}

#[test]
fn a_good_document_is_read() {
    let text = "name: home\nfields:\n  - crop: rye\n    size: 3\n";
    let farm: Farm = Document::parse("farm.yaml", text).unwrap().read().unwrap();
    assert_eq!(farm.name, "home");
    assert!(matches!(farm.fields[0].crop, Crop::Rye));
    assert_eq!(farm.fields[0].size, Some(3));
}

#[test]
fn all_mistakes_come_at_once_each_with_its_line_and_a_fix() {
    let text = "nmae: home\nfields:\n  - crop: oats\n  - crop: rye\n    size: wide\n    sizes: 1\n";
    insta::assert_snapshot!(mistakes(text), @r"
    5 mistakes
      farm.yaml:1: the file lacks `name`
        fix: add `name: …`
      farm.yaml:1: unknown key `nmae`
        fix: did you mean `name`?
      farm.yaml:3: `crop` can't be `oats`
        fix: one of wheat, rye
      farm.yaml:5: `size` is a text
        fix: write a value of type integer
      farm.yaml:6: unknown key `sizes`
        fix: did you mean `size`?
    ");
}

#[test]
fn what_is_not_yaml_says_where() {
    assert!(mistakes("name: [a\n").contains("farm.yaml:"), "{}", mistakes("name: [a\n"));
}

#[test]
fn a_key_that_stands_twice_is_a_mistake() {
    let mistakes = mistakes("name: a\nname: b\n");
    assert!(mistakes.contains("farm.yaml:2: not YAML: duplicated key"), "{mistakes}");
}

#[test]
fn what_can_t_be_read_is_left_out_and_the_rest_is_read() {
    let text =
        "name: home\nfields:\n  - crop: rye\n    size: much\n  - {crop: wheat, size: many}\n";
    let document = Document::parse("farm.yaml", text).unwrap();
    let mut read = document.read_partly::<Farm>();
    let fields = read.value.take().unwrap().fields;
    assert_eq!((fields.len(), fields[0].size, fields[1].size), (2, None, None));
    let lines = |mistakes: &Mistakes| mistakes.0.iter().map(|it| it.line).collect::<Vec<_>>();
    assert_eq!(lines(&read.mistakes), [Some(4), Some(5)]);
    // What follows from the size that is left out is not told, but where all is in one line.
    let follows = |at: &str| document.mistake(at, "a field has no size", "give it one");
    read.found(&document, [follows("/fields/0"), follows("/fields/1")]);
    read.found(&document, [document.mistake("/name", "it is a barn", "call it so")]);
    assert_eq!(lines(&read.mistakes), [Some(4), Some(5), Some(5), Some(1)]);
    // What is wrong with one of a list takes the list along.
    let document = Document::parse("farm.yaml", "name: home\nfields: [1]\n").unwrap();
    let read = document.read_partly::<Farm>();
    assert_eq!((read.value.unwrap().fields.len(), read.mistakes.0.len()), (0, 1));
}

#[test]
fn unknown_keys_do_not_hide_what_comes_after_them() {
    let text = "name: home\ncolour: red\nfields:\n  - crop: rye\n    sizes: 1\n";
    let (farm, mistakes) = Document::parse("farm.yaml", text).unwrap().read_on::<Farm>();
    let farm = farm.unwrap();
    assert_eq!((farm.name.as_str(), farm.fields.len()), ("home", 1));
    let lines: Vec<_> = mistakes.0.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [Some(2), Some(5)]);

    let (farm, mistakes) = Document::parse("farm.yaml", "nmae: home\n").unwrap().read_on::<Farm>();
    assert!(farm.is_none());
    assert_eq!(mistakes.0.len(), 2);
}
