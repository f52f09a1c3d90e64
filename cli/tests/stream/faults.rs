//! Workers that die, sleep and stand in each other's way, and connections that are cut.

use std::process::Child;
use std::time::Duration;

use super::{Shop, shop};

const FOLLOW: [&str; 6] = ["run", "stream", "--pipeline", "ecommerce", "--governed", "--follow"];

fn wait(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A generator that goes on for some seconds beside what is done to the workers.
fn generator(shop: &Shop, count: &str) -> Child {
    shop.start(&[
        "generate",
        "ecommerce",
        "--follow",
        "--rate",
        "300",
        "--count",
        count,
        "--defects",
        "3%",
        "--late",
        "2%",
        "--duplicates",
        "3%",
    ])
}

/// Reads what is left, and holds all against the truth.
fn exact(shop: &Shop, generator: Child) {
    shop::ended(generator);
    shop.done(&["run", "stream", "--pipeline", "ecommerce", "--governed"]);
    let outcome = shop.verified();
    assert_ne!(outcome["events"], 0);
    assert_eq!(shop.sql("SELECT count(*) FROM event_traces"), outcome["events"].to_string());
}

#[test]
fn workers_that_are_killed_count_every_event_once() {
    let Some(shop) = shop("killed") else { return };
    let generator = generator(&shop, "1500");
    for pause in [900, 700, 1100, 800, 1000, 600, 1200] {
        let worker = shop.worker(&FOLLOW);
        wait(pause);
        // With -9.
        drop(worker);
    }
    exact(&shop, generator);
}

#[test]
fn a_worker_that_was_suspended_in_its_commit_writes_nothing_after_its_successor() {
    let Some(shop) = shop("suspended") else { return };
    shop.generates(&["--count", "900", "--defects", "3%", "--late", "2%", "--duplicates", "3%"]);
    // The same messages on another host, so that the two share nothing but the database.
    let other = shop.beside();
    let run = ["run", "stream", "--pipeline", "ecommerce", "--governed"];
    let mut holder = shop.holds("LOCK TABLE events_clean IN EXCLUSIVE MODE");
    shop.until(
        "SELECT count(*) = 1 FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted \
                AND relation = 'events_clean'::regclass",
    );
    let mut worker = shop.worker(&run);
    shop.until(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'assay' \
         AND datname = current_database() AND wait_event_type = 'Lock'",
    );
    // It has moved its position, and waits to write its rows.
    worker.signal("-STOP");
    shop.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LOCK%'");
    holder.wait().unwrap();
    // The server ends what the sleeper left open, and the successor goes on.
    other.done(&run);
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
    let generator = generator(&shop, "1200");
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
    exact(&shop, generator);
}
