//! A broker and a server that are away for a while, and a server with no room for us.

use std::time::Duration;

use super::broker::Broker;
use super::server::Server;
use super::shop::{FOLLOW, Shop, shop_at, shop_on};

/// Longer where there is time for it.
fn away(short: u64, long: u64) -> Duration {
    let there = std::env::var_os("ASSAY_BAD_DAYS").is_some();
    Duration::from_secs(if there { long } else { short })
}

/// Waits until something was committed since now.
fn goes_on(shop: &Shop) {
    let so_far = shop.number("SELECT coalesce(max(number), 0) FROM assay.commits");
    shop.until(&format!("SELECT max(number) > {so_far} + 1 FROM assay.commits"));
}

/// Waits until a worker waits for a lock, in its transaction.
const WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'assay' \
    AND datname = current_database() AND wait_event_type = 'Lock'";

const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE application_name = 'assay' AND datname = current_database()";

#[test]
fn a_broker_that_is_away_costs_no_event() {
    let Some(broker) = Broker::start() else { return };
    let Some(shop) = shop_on("broker", &broker) else { return };
    let generator = shop.sends("200", "100000", "1");
    let mut worker = shop.worker(&FOLLOW);
    goes_on(&shop);
    broker.is_dead_for(away(3, 60));
    goes_on(&shop);
    generator.stops();
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
    shop.exact();
}

#[test]
fn a_server_that_is_away_or_refuses_costs_no_event() {
    let (Some(broker), Some(server)) = (Broker::start(), Server::start()) else { return };
    let Some(mut shop) = shop_at("server", Some(&broker), &server.place()) else { return };
    shop.has_clerk("clerk");
    // Time enough to make a deadlock, in which the worker is who gives in.
    shop.sql(&format!("ALTER DATABASE {} SET deadlock_timeout = '4s'", shop.database()));
    let generator = shop.sends("200", "100000", "1");
    let mut worker = shop.worker(&FOLLOW);
    goes_on(&shop);

    // It goes down in the middle of a transaction, as by a loss of power, and comes back at once.
    let mut holder = shop.holds("LOCK TABLE events_clean IN EXCLUSIVE MODE");
    shop.until(WAITS);
    assert!(server.command("kill").status.success());
    holder.wait().unwrap();
    assert!(server.command("start").status.success());
    goes_on(&shop);

    // It is away for a while.
    assert!(server.command("stop").status.success());
    std::thread::sleep(away(4, 30));
    assert!(server.command("start").status.success());
    goes_on(&shop);

    // No connection can be had.
    shop.sql("ALTER ROLE clerk CONNECTION LIMIT 0");
    assert_ne!(shop.number(CUT), 0);
    shop.until(&format!("SELECT count(*) = 0 FROM ({CUT}) AS c WHERE c.count > 0"));
    let before = shop.number("SELECT max(number) FROM assay.commits");
    std::thread::sleep(away(2, 10));
    assert_eq!(shop.number("SELECT max(number) FROM assay.commits"), before);
    shop.sql("ALTER ROLE clerk CONNECTION LIMIT -1");
    goes_on(&shop);

    // Two that wait for each other: for the latest minute, and for the position.
    let mut rival = shop.holds(
        "SET deadlock_timeout = '1h'; \
         SELECT 1 FROM kpi_1m ORDER BY window_start FOR UPDATE; \
         DO $$ BEGIN LOOP \
           PERFORM pg_stat_clear_snapshot(); \
           EXIT WHEN (SELECT count(*) > 0 FROM pg_stat_activity \
             WHERE application_name = 'assay' AND wait_event_type = 'Lock'); \
           PERFORM pg_sleep(0.02); \
         END LOOP; END $$; \
         SELECT 1 FROM assay.positions FOR UPDATE",
    );
    shop.until("SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()");
    shop.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'psql' AND pid <> pg_backend_pid()");
    rival.wait().unwrap();
    goes_on(&shop);

    generator.stops();
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
    shop.exact();
}
