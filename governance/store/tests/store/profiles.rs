use std::collections::BTreeMap;

use assay_core::profile::{ColumnProfile, Numbers, Values};
use assay_core::{Profile, Remembered, RunId, Season};
use assay_store::{KeptSince, Telling};

use crate::sample::{at, dataset, id, run, store, telling};

/// What a batch of so many rows, each the same number, looks like.
fn looks_like(rows: u64, number: f64) -> Profile {
    let mut numbers = Numbers::default();
    (0..rows).for_each(|_| numbers.sample(number, 0));
    numbers.add_all((0..rows).map(|_| number));
    let column = ColumnProfile {
        name: "size".to_owned(),
        kind: "double".to_owned(),
        rows,
        nulls: 0,
        distinct: Default::default(),
        values: Values::Numbers(numbers),
    };
    Profile { rows, columns: vec![column] }
}

fn remembering(number: u64, sequence: u64, profile: Profile, lag: f64) -> Telling {
    let mut telling = telling(&run(number, "parse"), sequence);
    let lags = BTreeMap::from([("made_at.usual_freshness".to_owned(), lag)]);
    telling.report.remembered = Some(Remembered { profile, lags });
    telling
}

#[tokio::test]
async fn the_profiles_of_the_batches_of_a_run_become_one_and_each_batch_counts_once() {
    let (_folder, store) = store().await;
    let silver = dataset("silver.github_events");
    let first = remembering(1, 1, looks_like(10, 1.0), 30.0);
    for telling in [
        first.clone(),
        remembering(1, 2, looks_like(30, 5.0), 60.0),
        remembering(2, 3, looks_like(7, 2.0), 90.0),
        first,
    ] {
        store.tell(&telling).await.unwrap();
    }
    let known = store.profiles(&silver, None, 10).await.unwrap();
    let told: Vec<_> =
        known.iter().map(|it| (it.run, it.judged_at, it.batches, it.profile.rows)).collect();
    let (one, two) = (run(1, "parse").id, run(2, "parse").id);
    assert_eq!(told, [(two, at(3), 1, 7), (one, at(2), 2, 40)]);
    let Values::Numbers(numbers) = &known[1].profile.columns[0].values else { panic!("{known:?}") };
    assert_eq!((numbers.count, numbers.mean, numbers.range), (40, 4.0, Some((1.0, 5.0))));

    let others = store.profiles(&silver, Some(two), 10).await.unwrap();
    assert_eq!(others.iter().map(|it| it.run).collect::<Vec<_>>(), [one]);
    let lags = store.lags(&silver, "made_at.usual_freshness", 2).await.unwrap();
    assert_eq!(lags, [(at(3), 90.0), (at(2), 60.0)]);
    assert_eq!(store.lags(&silver, "other", 2).await.unwrap(), []);
    let report = &store.reports(None, 1).await.unwrap()[0].report;
    assert_eq!(report.remembered, None, "a report is no longer for it");
}

#[tokio::test]
async fn what_is_remembered_goes_with_the_reports_but_the_last_profile_stays() {
    let (_folder, store) = store().await;
    let silver = dataset("silver.github_events");
    for number in 1..=4 {
        let telling = remembering(number, number, looks_like(number, 1.0), 10.0);
        store.tell(&telling).await.unwrap();
    }
    let since = |seconds| {
        let at = at(seconds);
        KeptSince { reports: at, runs: at, lineage: at, jobs: at, audit: at }
    };
    let pruned = store.prune(&since(3)).await.unwrap();
    let of = |name: &str| pruned.iter().find(|due| due.kind.name() == name).unwrap();
    assert_eq!((of("profiles").rows, of("profiles").kept), (2, 0));
    assert_eq!(store.lags(&silver, "made_at.usual_freshness", 9).await.unwrap().len(), 2);
    store.prune(&since(1000)).await.unwrap();
    let left = store.profiles(&silver, None, 9).await.unwrap();
    assert_eq!(left.iter().map(|it| it.profile.rows).collect::<Vec<_>>(), [4]);
    // What was pruned is told again, and not taken in again.
    store.forget(&silver).await.unwrap();
    store.tell(&remembering(1, 1, looks_like(1, 1.0), 10.0)).await.unwrap();
    assert_eq!(store.profiles(&silver, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_the_runs_before_those_are_given_that_are_like_one_of_a_time() {
    const DAY: i64 = 24 * 3_600;
    let (_folder, store) = store().await;
    let silver = dataset("silver.github_events");
    // Two weeks ago, a week ago and two hours later, yesterday, and an hour ago.
    let times = [-14 * DAY, -7 * DAY, -7 * DAY + 7_200, -DAY, -3_600];
    for (number, seconds) in (1..).zip(times) {
        let mut telling = remembering(number, number, looks_like(number, 1.0), 10.0);
        telling.report.judged_at = at(seconds);
        store.tell(&telling).await.unwrap();
    }
    for (season, limit, rows) in [
        (Season::None, 3, vec![5, 4, 3]),
        (Season::Weekday, 9, vec![5, 3, 2, 1]),
        (Season::Weekday, 2, vec![5, 3]),
        (Season::WeekdayHour, 9, vec![2, 1]),
    ] {
        let like = store.profiles_like(&silver, None, (season, at(0)), limit).await.unwrap();
        let like: Vec<u64> = like.iter().map(|record| record.profile.rows).collect();
        assert_eq!(like, rows, "{season:?}");
    }
}

#[tokio::test]
async fn looks_of_a_name_are_kept_beside_datasets_and_go_by_age() {
    let (_folder, store) = store().await;
    let look = |number: u64, lag: f64| Remembered {
        profile: looks_like(number, 1.0),
        lags: BTreeMap::from([("usual".to_owned(), lag)]),
    };
    for number in 1..=3_u64 {
        let when = at(i64::try_from(number).unwrap());
        let kept = look(number, 60.0 * number as f64);
        store.keep_look("orders", RunId(id(number)), when, &kept).await.unwrap();
    }
    store.keep_look("others", RunId(id(9)), at(9), &look(9, 1.0)).await.unwrap();
    assert_eq!(store.looks("orders", 2).await.unwrap(), [(at(3), 3), (at(2), 2)]);
    let lags = store.lags_of_looks("orders", "usual", 9).await.unwrap();
    assert_eq!(lags, [(at(3), 180.0), (at(2), 120.0), (at(1), 60.0)]);
    let any = (Season::None, at(0));
    let profiles = store.profiles_of_looks("orders", any, 9).await.unwrap();
    assert_eq!(profiles.iter().map(|it| it.profile.rows).collect::<Vec<_>>(), [3, 2, 1]);

    let old = at(1000);
    let since = KeptSince { reports: old, runs: old, lineage: old, jobs: old, audit: old };
    store.prune(&since).await.unwrap();
    assert_eq!(store.looks("orders", 9).await.unwrap(), [(at(3), 3)], "the last one stays");
    assert_eq!(store.lags_of_looks("orders", "usual", 9).await.unwrap(), [(at(3), 180.0)]);
    assert_eq!(store.looks("others", 9).await.unwrap().len(), 1);
}
