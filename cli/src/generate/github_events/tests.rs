use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{CaughtBy, Defect, GithubEvents, KINDS, Payloads, Shape};

fn noon() -> DateTime<Utc> {
    "2026-02-12T12:00:00Z".parse().unwrap()
}

fn lines(count: u64, seed: u64, defects: f64) -> Vec<Vec<u8>> {
    GithubEvents::new(count, seed, defects, noon()).collect()
}

fn event(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

fn created_at(event: &Value) -> Option<DateTime<Utc>> {
    event["created_at"].as_str()?.parse().ok()
}

/// The first step that refuses a line, found without knowing what was planted.
fn refused_by(line: &[u8], seen: &mut BTreeSet<String>) -> Option<CaughtBy> {
    let Ok(event) = serde_json::from_slice::<Value>(line) else {
        return Some(CaughtBy::Ingest);
    };
    let Some(id) = event["id"].as_str() else {
        return Some(CaughtBy::Ingest);
    };
    let known = KINDS.iter().any(|kind| event["type"] == kind.name);
    let size = &event["payload"]["size"];
    let good = known
        && event["actor"]["login"].is_string()
        && created_at(&event).is_some_and(|at| at < noon())
        && (size.is_null() || size.is_u64());
    match good {
        false => Some(CaughtBy::Parse),
        true => (!seen.insert(id.to_owned())).then_some(CaughtBy::Deduplication),
    }
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    assert_eq!(lines(500, 7, 0.1), lines(500, 7, 0.1));
    assert_ne!(lines(500, 7, 0.1), lines(500, 8, 0.1));
}

#[test]
fn other_seeds_and_times_give_other_ids() {
    let ids = |events: GithubEvents| -> BTreeSet<String> {
        events.map(|line| event(&line)["id"].to_string()).collect()
    };
    let first = ids(GithubEvents::new(200, 1, 0.0, noon()));
    assert!(first.is_disjoint(&ids(GithubEvents::new(200, 2, 0.0, noon()))));
    assert!(first.is_disjoint(&ids(GithubEvents::new(200, 1, 0.0, noon() + TimeDelta::days(1)))));
}

#[test]
fn without_defects_every_line_is_a_good_event() {
    let mut events = GithubEvents::new(2_000, 1, 0.0, noon());
    let mut seen = BTreeSet::new();
    for line in events.by_ref() {
        assert_eq!(refused_by(&line, &mut seen), None, "{}", String::from_utf8_lossy(&line));
    }
    assert_eq!(seen.len(), 2_000);
    assert_eq!((events.truth().lines, events.truth().good), (2_000, 2_000));
    assert!(events.truth().planted.is_empty());
}

#[test]
fn what_is_refused_is_what_was_planted() {
    let mut events = GithubEvents::new(3_000, 42, 0.05, noon());
    let mut seen = BTreeSet::new();
    let mut refused = [0; 3];
    for line in events.by_ref() {
        if let Some(step) = refused_by(&line, &mut seen) {
            refused[step as usize] += 1;
        }
    }
    let truth = events.truth();
    let steps = [CaughtBy::Ingest, CaughtBy::Parse, CaughtBy::Deduplication];
    assert_eq!(refused, steps.map(|step| truth.caught_by(step)));
    assert_eq!(truth.planted.values().sum::<u64>(), 150);
    assert_eq!(truth.good + 150, truth.lines);
    assert_eq!(seen.len() as u64, truth.good);
}

#[test]
fn a_few_defects_are_of_every_kind() {
    let mut events = GithubEvents::new(220, 3, 0.05, noon());
    assert_eq!(events.by_ref().count(), 220);
    let each: BTreeMap<Defect, u64> = Defect::ALL.into_iter().map(|defect| (defect, 1)).collect();
    assert_eq!(events.truth().planted, each);
    let names: BTreeSet<&str> = Defect::ALL.into_iter().map(Defect::name).collect();
    assert_eq!(names.len(), Defect::ALL.len());
}

#[test]
fn nothing_is_repeated_before_there_is_a_good_line() {
    let mut events = GithubEvents::new(22, 3, 1.0, noon());
    assert_eq!(events.by_ref().count(), 22);
    assert_eq!(events.truth().good, 1);
    assert_eq!(events.truth().planted[&Defect::Repeated], 1);
}

#[test]
fn events_are_as_mixed_as_real_ones() {
    let events: Vec<Value> = lines(4_000, 5, 0.0).iter().map(|line| event(line)).collect();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let mut actors: BTreeMap<u64, u64> = BTreeMap::new();
    for event in &events {
        *kinds.entry(event["type"].as_str().unwrap()).or_default() += 1;
        *actors.entry(event["actor"]["id"].as_u64().unwrap()).or_default() += 1;
    }
    assert_eq!(kinds.len(), KINDS.len());
    assert!((1_900..2_300).contains(&kinds["PushEvent"]), "{kinds:?}");
    assert!(actors.len() > 400, "{} actors", actors.len());
    assert!(actors.values().max() > Some(&25), "a few actors do much");

    let days: BTreeSet<&str> =
        events.iter().map(|event| &event["created_at"].as_str().unwrap()[..10]).collect();
    assert!((2..=3).contains(&days.len()), "{days:?}");
    let organised = events.iter().filter(|event| !event["org"].is_null()).count();
    assert!((500..2_000).contains(&organised), "{organised}");
    let ids: Vec<u64> =
        events.iter().map(|event| event["id"].as_str().unwrap().parse().unwrap()).collect();
    assert!(ids.is_sorted());
}

#[test]
fn payloads_are_as_large_as_is_asked_for() {
    for (payloads, mean, median, greatest) in [
        (Payloads::Small, 600..800, 550..700, 1_000..2_000),
        (Payloads::Usual, 2_300..2_900, 850..1_050, 11_000..14_000),
        (Payloads::Real, 3_300..4_100, 850..1_050, 25_000..40_000),
    ] {
        let shape = Shape { payloads, ..Shape::default() };
        let events = GithubEvents::new(20_000, 5, 0.0, noon()).shaped(shape);
        let mut sizes: Vec<usize> = events.map(|line| line.len()).collect();
        sizes.sort_unstable();
        let found = (sizes.iter().sum::<usize>() / sizes.len(), sizes[10_000], sizes[19_999]);
        let right =
            mean.contains(&found.0) && median.contains(&found.1) && greatest.contains(&found.2);
        assert!(right, "{payloads:?}: mean, median, greatest {found:?}");
    }
}

#[test]
fn events_are_of_as_many_actors_and_days_as_is_asked_for() {
    let shape = Shape { hours: 72, actors: Some(300), ..Shape::default() };
    let events: Vec<Value> =
        GithubEvents::new(8_000, 5, 0.0, noon()).shaped(shape).map(|line| event(&line)).collect();
    let actors: BTreeSet<u64> =
        events.iter().map(|event| event["actor"]["id"].as_u64().unwrap()).collect();
    assert!((250..=300).contains(&actors.len()), "{} actors", actors.len());
    let span = created_at(&events[7_999]).unwrap() - created_at(&events[0]).unwrap();
    assert!((71..=72).contains(&span.num_hours()), "{span}");
}
