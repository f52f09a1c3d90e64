//! Workers that die, sleep and stand in each other's way, and connections that are cut.

use std::time::Duration;

use super::broker::Broker;
use super::shop::{FOLLOW, RUN, shop, shop_on};

fn wait(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// How often something is done: more often where there is time for it.
fn times(few: usize, many: usize) -> usize {
    if std::env::var_os("ASSAY_BAD_DAYS").is_some() { many } else { few }
}

/// Kill -9 of one after the other, some of which follow and some would end by themselves; of two
/// generators as well.
#[test]
fn workers_and_generators_that_are_killed_count_every_event_once() {
    let Some(broker) = Broker::start() else { return };
    let Some(shop) = shop_on("killed", &broker) else { return };
    for seed in ["1", "2"] {
        let generator = shop.sends("300", "100000", seed);
        for number in 0..times(4, 25) {
            let worker = shop.worker(if number % 2 == 0 { &RUN } else { &FOLLOW });
            wait([900, 700, 1600, 1100, 2400, 800, 1300][number % 7]);
            drop(worker);
        }
        drop(generator);
    }
    shop.done(&["generate", "ecommerce", "--count", "300", "--rate", "300", "--seed", "3"]);
    shop.exact();
}

#[test]
fn a_worker_that_was_suspended_in_its_commit_writes_nothing_after_its_successor() {
    let Some(shop) = shop("suspended") else { return };
    shop.generates(&["--count", "900", "--defects", "3%", "--late", "2%", "--duplicates", "3%"]);
    // The same messages on another host, so that the two share nothing but the database.
    let other = shop.beside();
    let mut holder = shop.holds("LOCK TABLE events_clean IN EXCLUSIVE MODE");
    shop.until(
        "SELECT count(*) = 1 FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted \
                AND relation = 'events_clean'::regclass",
    );
    let mut worker = shop.worker(&RUN);
    shop.until(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'assay' \
         AND datname = current_database() AND wait_event_type = 'Lock'",
    );
    // It has moved its position, and waits to write its rows.
    worker.signal("-STOP");
    shop.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LOCK%'");
    holder.wait().unwrap();
    // The server ends what the sleeper left open, and the successor goes on.
    other.done(&RUN);
    other.verified();
    let commits = "SELECT string_agg(draft, ',' ORDER BY number) FROM assay.commits";
    let before = shop.sql(commits);
    worker.signal("-CONT");
    let code = worker.end();
    assert!(matches!(code, Some(0 | 4)), "{code:?}");
    assert_eq!(shop.sql(commits), before);
    other.verified();
}

#[test]
fn two_workers_and_connections_that_are_cut_count_every_event_once() {
    let Some(shop) = shop("cut") else { return };
    let generator = shop.sends("300", "1200", "1");
    let workers = [shop.worker(&FOLLOW), shop.worker(&FOLLOW)];
    for _ in 0..12 {
        wait(300);
        shop.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE application_name = 'assay' AND datname = current_database()",
        );
    }
    wait(1000);
    for mut worker in workers {
        worker.signal("-TERM");
        assert_eq!(worker.end(), Some(0));
    }
    generator.ended();
    shop.exact();
}

/// Three partitions, and a second worker that comes, is suspended until it is taken for dead, wakes
/// up in its place that is another's, and stays.
#[test]
fn workers_that_share_partitions_count_every_event_once() {
    let Some(broker) = Broker::start() else { return };
    let Some(shop) = shop_on("shared", &broker) else { return };
    let generator = shop.sends("200", "100000", "1");
    let mut one = shop.worker(&FOLLOW);
    shop.until("SELECT count(*) = 3 FROM assay.positions");
    let mut two = shop.worker(&FOLLOW);
    // Each has written lately, and none what the other wrote.
    let shares = "SELECT count(DISTINCT run) = 2 FROM ( \
        SELECT report::jsonb -> 'run' ->> 'id' AS run FROM assay.commits ORDER BY number DESC LIMIT 6 \
      ) AS latest";
    shop.until(shares);
    // The other one has all of them.
    let alone = "SELECT count(DISTINCT run) = 1 AND bool_or(moved = 3) FROM ( \
        SELECT report::jsonb -> 'run' ->> 'id' AS run, \
          (SELECT count(*) FROM jsonb_object_keys(report::jsonb -> 'upto')) AS moved \
        FROM assay.commits ORDER BY number DESC LIMIT 6) AS latest";
    // Stopped while it writes to the store, which is a file, it keeps all others from writing too:
    // then it was the wrong moment.
    let stopped = (0..5).any(|_| {
        two.signal("-STOP");
        let taken_over = shop.comes_to(alone, Duration::from_secs(40));
        two.signal("-CONT");
        shop.until(shares);
        taken_over
    });
    assert!(stopped, "the other worker never had all of them");
    one.signal("-TERM");
    assert_eq!(one.end(), Some(0));
    shop.until(alone);
    generator.stops();
    two.signal("-TERM");
    assert_eq!(two.end(), Some(0));
    shop.exact();
}
