use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::letter::example;
use crate::{LetterId, Origin, Source};

fn letter(origin: &str, payload: &str) -> DeadLetter {
    example(origin, payload)
}

fn bag(directory: &Path, limit: usize, letters: &[DeadLetter]) -> Letters {
    let mut bag = Letters::with_limit(directory, limit);
    letters.iter().for_each(|letter| bag.push(letter.clone()).unwrap());
    bag
}

fn all(bag: &mut Letters) -> Vec<DeadLetter> {
    bag.iter().unwrap().map(Result::unwrap).collect()
}

/// What a bag must give back, computed the plain way.
fn expected(letters: &[DeadLetter]) -> Vec<DeadLetter> {
    let mut bodies: BTreeMap<LetterId, BTreeSet<u128>> = BTreeMap::new();
    let mut counts: BTreeMap<(LetterId, u128), u64> = BTreeMap::new();
    for letter in letters {
        let body = twins::body(letter);
        bodies.entry(letter.id).or_default().insert(body);
        *counts.entry((letter.id, body)).or_default() += letter.count;
    }
    let mut seen = HashSet::new();
    let firsts = letters.iter().filter(|letter| seen.insert((letter.id, twins::body(letter))));
    let stands = |letter: &DeadLetter| {
        let body = twins::body(letter);
        let id = match bodies[&letter.id].len() {
            1 => letter.id,
            _ => letter.id.of_twin(body),
        };
        DeadLetter { id, count: counts[&(letter.id, body)], ..letter.clone() }
    };
    firsts.map(stands).collect()
}

fn letters() -> impl Strategy<Value = Vec<DeadLetter>> {
    let one = (0..12u32, prop::collection::vec(any::<u8>(), 0..60), any::<bool>(), 1..4u64)
        .prop_map(|(origin, payload, keyed, count)| DeadLetter {
            key: keyed.then(|| Bytes::from("key")),
            payload: Bytes::from(if origin % 2 == 0 { vec![] } else { payload }),
            count,
            ..letter(&origin.to_string(), "")
        });
    prop::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn a_bag_keeps_order_and_content_in_memory_and_on_disk(
        letters in letters(),
        limit in prop::sample::select(vec![0, 100, 5_000, IN_MEMORY]),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut bag = bag(directory.path(), limit, &letters);
        let expected = expected(&letters);
        prop_assert_eq!(&all(&mut bag), &expected);
        prop_assert_eq!(&all(&mut bag), &expected, "the second time");
        prop_assert_eq!(bag.len(), letters.iter().map(|letter| letter.count).sum::<u64>());
        let ids: HashSet<LetterId> = expected.iter().map(|letter| letter.id).collect();
        prop_assert_eq!(ids.len(), expected.len(), "ids are unique");
    }

    #[test]
    fn two_bags_in_one_are_as_if_all_were_pushed_to_one(
        letters in letters(),
        cut in any::<prop::sample::Index>(),
        limit in prop::sample::select(vec![0, 1_000, IN_MEMORY]),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (front, back) = letters.split_at(cut.index(letters.len() + 1));
        let mut bag_of_both = bag(directory.path(), limit, front);
        // Looking in between must not change what comes later.
        all(&mut bag_of_both);
        bag_of_both.absorb(bag(directory.path(), limit, back)).unwrap();
        prop_assert_eq!(all(&mut bag_of_both), expected(&letters));
    }
}

#[test]
fn equal_rows_are_one_letter_and_different_rows_of_one_origin_are_two() {
    let directory = tempfile::tempdir().unwrap();
    let rows = [letter("o", "a"), letter("o", "b"), letter("o", "a"), letter("p", "a")];
    let mut bag = bag(directory.path(), IN_MEMORY, &rows);
    let letters = all(&mut bag);
    let counts: Vec<u64> = letters.iter().map(|letter| letter.count).collect();
    assert_eq!(counts, [2, 1, 1]);
    assert_ne!(letters[0].id, letters[1].id);
    assert_eq!(letters[2].id, LetterId::of(&rows[3].stage, &Origin("p".to_owned())));
    assert_eq!(bag.len(), 4);
}

#[test]
fn a_bag_counts_rows_by_topic_and_by_what_is_to_blame() {
    let directory = tempfile::tempdir().unwrap();
    let broken = DeadLetter { rules: vec!["a".to_owned(), "b".to_owned()], ..letter("1", "") };
    let late = DeadLetter { reason: Reason::Late, ..letter("2", "") };
    let schema = DeadLetter { reason: Reason::Schema, count: 3, ..letter("3", "") };
    let bag = bag(directory.path(), IN_MEMORY, &[broken, late, schema]);
    insta::assert_json_snapshot!((bag.by_topic(), bag.by_cause()), @r#"
    [
      {
        "dlq_processing_errors": 2,
        "dlq_schema_validation_errors": 3
      },
      {
        "a": 1,
        "b": 1,
        "late": 1,
        "schema": 3
      }
    ]
    "#);
}

#[test]
fn letters_that_can_not_be_spilled_are_an_error() {
    let mut bag = Letters::with_limit(Path::new("/nowhere/at/all"), 10);
    let error = bag.push(letter("o", "a payload that is too long for memory")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}

#[test]
fn a_payload_that_no_letter_can_carry_is_an_error_that_names_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let large = Bytes::from(vec![0; MAX_PAYLOAD_BYTES + 1]);
    let source = Source { topic: "topic_app_events".to_owned(), partition: 2, offset: 77 };
    let of_topic = DeadLetter { source: Some(source), payload: large.clone(), ..letter("o", "") };
    let of_file = DeadLetter {
        origin: Origin::in_file(&"ab".repeat(32), 4096),
        payload: large.clone(),
        ..letter("o", "")
    };
    let secret = DeadLetter { payload: large, ..letter("a value", "") };
    let mut bag = Letters::new(directory.path());
    let mut told = |letter| bag.push(letter).unwrap_err().to_string();
    insta::assert_snapshot!(told(of_topic), @"offset 77 of topic `topic_app_events`, partition 2 failed in stage app_events/clean and has 67108865 bytes; a dead letter carries up to 67108864: take it out of the source, or make it smaller there");
    insta::assert_snapshot!(told(of_file), @"byte 4096 of the file with sha256 abababababababababababababababababababababababababababababababab failed in stage app_events/clean and has 67108865 bytes; a dead letter carries up to 67108864: take it out of the source, or make it smaller there");
    assert!(!told(secret).contains("a value"));
    assert!(bag.is_empty());
}
