//! Groups of readers: who has which partition, and what Kafka's own tools say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use assay_log::{LogError, Membership, NewRecord};

use crate::desk::{Desk, broker, value};

type Member = Box<dyn Membership>;

async fn join(desk: &Desk, group: &str, topic: &str) -> Member {
    desk.log.join(group, topic).await.unwrap()
}

/// Lets the members take on what is decided until all have what they should, none twice.
async fn settle(members: &mut [&mut Member], counts: &[usize]) -> Vec<BTreeSet<u32>> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let mut shares = Vec::new();
        for member in &mut *members {
            shares.push(member.assignment().await.unwrap());
        }
        let mut sizes: Vec<usize> = shares.iter().map(BTreeSet::len).collect();
        sizes.sort_unstable();
        let all: usize = sizes.iter().sum();
        let distinct: BTreeSet<u32> = shares.iter().flatten().copied().collect();
        assert_eq!(all, distinct.len(), "a partition belongs to two: {shares:?}");
        if sizes == counts {
            return shares;
        }
        assert!(Instant::now() < until, "{shares:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_partitions_and_nothing_is_taken_from_one_who_did_not_give_it() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.topic("shared", 4).await;
    let group = desk.name("group");
    let mut one = join(&desk, &group, &topic).await;
    settle(&mut [&mut one], &[4]).await;
    assert!(!one.changed());

    let joining = tokio::spawn({
        let (log, group, topic) = (desk.log.clone(), group.clone(), topic.clone());
        async move { log.join(&group, &topic).await.unwrap() }
    });
    // Asked to give up, and still in the middle of a batch.
    let until = Instant::now() + Duration::from_secs(20);
    while !one.changed() {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut two = joining.await.unwrap();
    let share = two.assignment().await.unwrap();
    assert!(share.is_empty(), "{share:?} was taken from one who did not give it");
    settle(&mut [&mut one, &mut two], &[2, 2]).await;

    two.leave().await.unwrap();
    settle(&mut [&mut one], &[4]).await;
    // Who goes without a word goes all the same.
    let three = join(&desk, &group, &topic).await;
    drop(three);
    tokio::time::sleep(Duration::from_secs(1)).await;
    settle(&mut [&mut one], &[4]).await;
    one.leave().await.unwrap();
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_waits_for_records_or_for_a_change_and_markers_are_neither() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.topic("waits", 2).await;
    let group = desk.name("group");
    let mut one = join(&desk, &group, &topic).await;
    settle(&mut [&mut one], &[2]).await;
    let mut waited = async |member: &mut Member, next: &[(u32, u64)], at_most| {
        let next: BTreeMap<u32, u64> = next.iter().copied().collect();
        let began_at = Instant::now();
        member.wait(&next, Duration::from_millis(at_most)).await.unwrap();
        began_at.elapsed().as_millis() as u64
    };
    // Nothing comes.
    assert!(waited(&mut one, &[], 400).await >= 400);
    let appending = tokio::spawn({
        let (log, topic) = (desk.log.clone(), topic.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            log.append(&topic, vec![NewRecord { partition: Some(1), ..value("x") }]).await.unwrap()
        }
    });
    let took = waited(&mut one, &[(0, 0), (1, 0)], 10_000).await;
    assert!((150..5_000).contains(&took), "{took} ms");
    appending.await.unwrap();
    // Told once; who then stays where he is found nothing there.
    assert!(waited(&mut one, &[(0, 0), (1, 0)], 400).await >= 400);
    assert!(waited(&mut one, &[(0, 0), (1, 1)], 400).await >= 400);

    let joining = tokio::spawn({
        let (log, group, topic) = (desk.log.clone(), group.clone(), topic.clone());
        async move { log.join(&group, &topic).await.unwrap() }
    });
    assert!(waited(&mut one, &[(0, 0), (1, 1)], 20_000).await < 15_000);
    assert!(one.changed());
    let mut two = joining.await.unwrap();
    settle(&mut [&mut one, &mut two], &[1, 1]).await;
    one.leave().await.unwrap();
    two.leave().await.unwrap();
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_own_tool_shows_the_lag_that_our_offsets_give() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.topic("lag", 2).await;
    let group = desk.name("pipeline/stage");
    let at = |partition| NewRecord { partition: Some(partition), ..value("x") };
    let records = (0..17).map(|n| at(u32::from(n >= 10))).collect();
    desk.log.append(&topic, records).await.unwrap();
    let mut one = join(&desk, &group, &topic).await;
    settle(&mut [&mut one], &[2]).await;
    let reached = BTreeMap::from([(0, 4), (1, 7)]);
    one.committed(&reached).await.unwrap();

    let ends = desk.log.ends(&topic).await.unwrap();
    let ours: BTreeMap<u32, u64> =
        ends.iter().map(|ends| (ends.partition, ends.end - reached[&ends.partition])).collect();
    assert_eq!(ours, BTreeMap::from([(0, 6), (1, 0)]));
    let until = Instant::now() + Duration::from_secs(20);
    while described(&group) != ours {
        assert!(Instant::now() < until, "{:?}, not {ours:?}", described(&group));
    }
    one.leave().await.unwrap();
    desk.clear().await;
}

#[tokio::test]
async fn a_group_of_no_topic_is_refused() {
    let Some(desk) = Desk::kafka() else { return };
    let error = desk.log.join("group", &desk.name("none")).await.err().unwrap();
    assert!(matches!(error, LogError::UnknownTopic { .. }), "{error}");
}

/// The lag of each partition, as `kafka-consumer-groups.sh --describe` says.
fn described(group: &str) -> BTreeMap<u32, u64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/kafka.sh");
    let told = Command::new(script)
        .args(["tool", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"])
        .args(["--bootstrap-server", &broker().unwrap().to_string()])
        .args(["--describe", "--group", group])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let rows = told.lines().filter(|line| line.starts_with(group));
    let number = |row: &str, at: usize| row.split_whitespace().nth(at)?.parse().ok();
    rows.filter_map(|row| Some((u32::try_from(number(row, 2)?).ok()?, number(row, 5)?))).collect()
}
