use std::fs;

use super::{done, json, shipped};

#[test]
fn a_change_that_breaks_has_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let gold = shipped().into_iter().find(|file| file.ends_with("gold.user_activity.odcs.yaml"));
    let old = fs::read_to_string(gold.unwrap()).unwrap();
    fs::write(folder.path().join("old.yaml"), &old).unwrap();
    let diff = |new: &str, more: &[&str]| {
        fs::write(folder.path().join("new.yaml"), new).unwrap();
        done(folder.path(), &[&["contract", "diff", "old.yaml", "new.yaml"], more].concat())
    };
    let (code, text, error) = diff(&old, &[]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(text.contains("nothing that the contract promises has changed"), "{text}");

    // A value that may come now and could not before.
    let wider = old.replace("- value: developer", "- value: developer\n          - value: pilot");
    let (code, text, error) = diff(&wider, &[]);
    assert_eq!(code, 5, "{text}{error}");
    assert!(text.contains("`user_specialization.one_of` was loosened"), "{text}");
    assert!(text.contains("breaks readers, judgement"), "{text}");
    assert!(text.contains("asks for the next major one"), "{text}");
    assert!(error.contains("1 of 1 changes break readers or writers"), "{error}");
    assert_eq!(diff(&wider, &["--for", "writers"]).0, 0);

    // What judges only is compatible, unless it is asked for.
    let watched = old.replace("mustBeGreaterOrEqualTo: 1", "mustBeGreaterOrEqualTo: 5");
    let (code, text, _) = diff(&watched, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(diff(&watched, &["--for", "judgement"]).0, 5);

    let found = json(folder.path(), &["contract", "diff", "old.yaml", "new.yaml"]);
    assert_eq!(found["breaking"], 0, "{found}");
    assert_eq!(found["changes"][0]["breaks"][0], "judgement", "{found}");
}

#[test]
fn a_contract_that_can_t_be_read_is_no_breaking_change() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.yaml"), "kind: DataContract\n").unwrap();
    let file = shipped()[0].display().to_string();
    let (code, _, error) = done(folder.path(), &["contract", "diff", &file, "bad.yaml"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("bad.yaml:1"), "{error}");
    let (code, _, error) = done(folder.path(), &["contract", "diff", &file, "nowhere.yaml"]);
    assert_eq!(code, 2, "{error}");
}
