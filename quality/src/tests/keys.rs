use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, StringViewArray};

use super::{batch, ids, numbers};
use crate::{KeyError, KeyHasher, KeySet};

#[test]
fn the_second_of_equal_keys_is_not_new_and_null_equals_nothing() {
    let rows = ids(&[Some("a"), Some("b"), None, Some("a"), None, Some("")]);
    let keys = KeyHasher::new(rows.schema_ref(), &["id"]).unwrap().hash(&rows).unwrap();
    let mut set = KeySet::default();
    assert_eq!(set.insert_all(&keys), [true, true, true, false, true, true]);
    assert_eq!(set.insert_all(&keys), [false, false, true, false, true, false]);
    assert_eq!(set.len(), 3);
    assert!(set.contains(keys[0].unwrap()));
}

#[test]
fn parts_of_a_key_do_not_run_into_each_other() {
    let pair = |a: &[&str], b: &[&str]| {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("a", Arc::new(StringArray::from(a.to_vec()))),
            ("b", Arc::new(StringArray::from(b.to_vec()))),
        ];
        batch(columns)
    };
    let rows = pair(&["ab", "a", "", "abc"], &["c", "bc", "abc", ""]);
    let hasher = KeyHasher::new(rows.schema_ref(), &["a", "b"]).unwrap();
    let mut set = KeySet::default();
    assert_eq!(set.insert_all(&hasher.hash(&rows).unwrap()), [true; 4]);
}

#[test]
fn a_key_with_one_null_part_is_no_key() {
    let rows = numbers(&[(Some(1), None), (Some(1), None), (Some(1), Some(2))]);
    let hasher = KeyHasher::new(rows.schema_ref(), &["a", "b"]).unwrap();
    let keys = hasher.hash(&rows).unwrap();
    assert_eq!(keys.iter().filter(|key| key.is_some()).count(), 1);
}

#[test]
fn equal_texts_have_equal_keys_in_every_layout_and_chunk() {
    let plain = ids(&[Some("x"), Some("a long text that does not fit in a view")]);
    let views = ["a long text that does not fit in a view", "x"];
    let views: ArrayRef = Arc::new(StringViewArray::from(views.to_vec()));
    let views = batch(vec![("id", views)]);
    let hash = |rows: &arrow::array::RecordBatch| {
        KeyHasher::new(rows.schema_ref(), &["id"]).unwrap().hash(rows).unwrap()
    };
    let (plain, views) = (hash(&plain), hash(&views));
    assert_eq!((plain[0], plain[1]), (views[1], views[0]));
}

#[test]
fn a_key_needs_its_columns_and_types() {
    let rows = ids(&[Some("a")]);
    let missing = KeyHasher::new(rows.schema_ref(), &["nowhere"]);
    assert!(matches!(missing, Err(KeyError::NoColumn(name)) if name == "nowhere"));
    let hasher = KeyHasher::new(rows.schema_ref(), &["id"]).unwrap();
    let other: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let error = hasher.hash(&batch(vec![("id", other)]));
    assert!(matches!(error, Err(KeyError::Rows(_))), "{error:?}");
}
