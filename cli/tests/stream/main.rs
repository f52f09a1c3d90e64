//! The e-commerce stream, through the real command, into a real Postgres.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod away;
#[path = "../kafka/broker.rs"]
#[allow(dead_code, reason = "it is there for other tests, which use all of it")]
mod broker;
mod edges;
mod faults;
mod hops;
mod rights;
mod scores;
mod senders;
mod server;
mod shop;
#[path = "../kafka/topic.rs"]
#[allow(dead_code, reason = "it is there for other tests, which use all of it")]
mod topic;

use shop::{RUN, shop};

#[test]
fn every_event_is_counted_once_and_to_the_cent() {
    let Some(shop) = shop("once") else { return };
    shop.generates(&["--count", "3000", "--defects", "3%", "--late", "2%", "--duplicates", "3%"]);
    let runs = shop.json(&RUN);
    let counts = &runs[0]["counts"];
    assert_eq!(counts["read"], 3000);
    let outcome = shop.verified();
    assert_eq!(outcome["events"], counts["written"]);
    assert!(outcome["late"].as_u64() > Some(0) && outcome["refused"].as_u64() > Some(0));
    // A repeat of an event that has become late by now is late too.
    let sum = |value: &serde_json::Value, names: [&str; 2]| {
        names.iter().filter_map(|name| value[*name].as_u64()).sum::<u64>()
    };
    assert_eq!(
        sum(counts, ["rejected", "duplicates"]),
        sum(&outcome, ["late", "refused"]) + sum(&outcome, ["repeated", ""])
    );
    let late = shop.json(&["dlq", "list", "--reason", "late", "--limit", "0"]);
    let letters = late.as_array().map_or(0, Vec::len) as u64;
    assert!(outcome["late"].as_u64() <= Some(letters), "{letters} letters");

    // A trace for each event; the views are the sums of the minutes; nothing is read twice.
    assert_eq!(shop.sql("SELECT count(*) FROM event_traces"), counts["written"].to_string());
    assert_eq!(
        shop.sql(
            "SELECT count(*) FROM event_traces WHERE latency_total_ms >= 0 AND \
             latency_gen_to_kafka_ms + latency_kafka_to_process_ms + latency_process_to_db_ms \
               - latency_total_ms < 1"
        ),
        counts["written"].to_string()
    );
    for view in ["v_kpi_15m", "v_kpi_1h", "v_kpi_24h"] {
        let sums = format!("SELECT (SELECT sum(revenue) FROM {view}) = sum(revenue) FROM kpi_1m");
        assert_eq!(shop.sql(&sums), "t", "{view}");
    }
    let again = shop.json(&RUN);
    assert_eq!(again[0]["counts"]["read"], 0);
    assert_eq!(shop.verified(), outcome);
}

#[test]
fn late_events_come_home_and_correct_their_minutes() {
    let Some(shop) = shop("late") else { return };
    shop.generates(&["--count", "1500", "--defects", "1%", "--late", "3%", "--duplicates", "0%"]);
    shop.done(&RUN);
    let late = shop.verified()["late"].as_u64().unwrap();
    let minutes = shop.sql("SELECT count(*) FROM kpi_1m");
    let replay = ["dlq", "replay", "--reason", "late", "--yes"];
    let carried = shop.json(&replay);
    assert_eq!(carried["outcome"], serde_json::json!({"corrected": late}));
    let outcome = shop.json(&["verify", "ecommerce", "--replayed"]);
    assert_eq!(outcome["corrected"], late);
    assert_eq!(outcome["mistakes"], serde_json::json!([]));
    assert_ne!(shop.sql("SELECT count(*) FROM kpi_1m"), minutes);
    // None is left, and what broke a rule was not sent back.
    assert_eq!(shop.json(&replay), serde_json::json!({"letters": 0}));
    assert!(shop.json(&["dlq", "list", "--reason", "rule-broken"]).as_array().unwrap().len() > 5);
    // Without --replayed they are mistakes.
    assert!(shop.fails(&["verify", "ecommerce"]).contains("is not what was sent"));
}

#[test]
fn a_silent_partition_holds_no_window_back_and_others_do() {
    let Some(shop) = shop("idle") else { return };
    shop.generates(&["--count", "600"]);
    shop.done(&RUN);
    assert_eq!(
        shop.sql("SELECT late_after || ' ' || idle_after FROM assay.readers"),
        "00:05:00 00:01:00"
    );
    let seen = "(SELECT (mark::jsonb ->> 'event_time')::timestamptz AT TIME ZONE 'UTC' AS seen, \
                slice FROM assay.positions WHERE reader = 'ecommerce/stream') AS s";
    let is = |expected: &str| {
        let sql = format!("SELECT assay.watermark('ecommerce/stream') = ({expected})");
        assert_eq!(shop.sql(&sql), "t", "{expected}");
    };
    is(&format!("SELECT min(seen) FROM {seen}"));
    shop.sql(
        "UPDATE assay.positions SET moved_at = now() - interval '61 seconds' WHERE slice = \
         (SELECT slice FROM assay.positions ORDER BY mark::jsonb ->> 'event_time' LIMIT 1)",
    );
    is(&format!("SELECT seen FROM {seen} ORDER BY seen OFFSET 1 LIMIT 1"));
    shop.sql("UPDATE assay.readers SET idle_after = interval '1 hour'");
    is(&format!("SELECT min(seen) FROM {seen}"));
    let finals = "SELECT count(*) = (SELECT count(*) FROM kpi_1m WHERE window_end <= \
                  assay.watermark('ecommerce/stream') - interval '5 minutes') FROM v_kpi_1m_final";
    assert_eq!(shop.sql(finals), "t");
    // All of it is in the graph, and what the figures are made of.
    let shown = shop.done(&["lineage", "show", "gold.kpi_1m"]);
    assert!(shown.contains("log.events_raw"), "{shown}");
}

#[test]
fn what_is_behind_the_watermark_is_needed_no_more() {
    let Some(shop) = shop("bounded") else { return };
    let now =
        shop.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')");
    let generate =
        ["--count", "2500", "--rate", "5", "--until", &now, "--late", "1%", "--duplicates", "2%"];
    shop.generates(&generate);
    shop.done(&RUN);
    let figures = shop.sql("SELECT sum(revenue), sum(orders_created), count(*) FROM kpi_1m");
    let gone = shop.sql(
        "WITH gone AS (DELETE FROM events_clean WHERE event_time < ( \
           SELECT min((mark::jsonb ->> 'event_time')::timestamptz AT TIME ZONE 'UTC') \
           FROM assay.positions) - interval '5 minutes' RETURNING 1) SELECT count(*) FROM gone",
    );
    assert!(gone.parse::<u32>().unwrap() > 500, "{gone}");
    shop.sql("TRUNCATE event_traces");
    // The same again, as if none had been sent: what was forgotten is late, what is younger is known.
    shop.generates(&[&generate[..], &["--truth", "again"]].concat());
    let runs = shop.json(&RUN);
    let counts = &runs[0]["counts"];
    assert_eq!((&counts["read"], &counts["written"]), (&2500.into(), &0.into()));
    assert_eq!(shop.sql("SELECT sum(revenue), sum(orders_created), count(*) FROM kpi_1m"), figures);
    // Nothing else grew than the reports of two batches or some more.
    assert_eq!(shop.sql("SELECT count(*) FROM assay.positions"), "3");
}

#[test]
fn a_database_is_migrated_twice_and_by_two_at_once() {
    let Some(shop) = shop("migrated") else { return };
    shop.sql(
        "DROP VIEW v_kpi_1m_final, v_kpi_15m, v_kpi_1h, v_kpi_24h; \
         DROP TABLE events_clean, kpi_1m, event_traces; DROP SCHEMA assay CASCADE",
    );
    let migrate = ["db", "migrate", "--pipeline", "ecommerce"];
    let dry = shop.done(&[&migrate[..], &["--dry-run"]].concat());
    assert!(dry.contains("would apply migrations/0001_tables.sql of ecommerce"), "{dry}");
    assert_eq!(shop.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'assay'"), "0");
    let both: Vec<_> = (0..2).map(|_| shop.start(&migrate)).collect();
    let told: Vec<String> = both.into_iter().map(shop::ended).collect();
    assert_eq!(told.iter().filter(|text| text.contains("applied migrations/0002")).count(), 1);
    assert!(shop.done(&migrate).contains("is up to date"));
}

#[test]
fn what_is_wrong_with_the_database_is_said_with_what_to_do() {
    let Some(shop) = shop("wrong") else { return };
    shop.generates(&["--count", "10"]);
    let cases = [
        (
            "ALTER TABLE kpi_1m RENAME TO other",
            "ALTER TABLE other RENAME TO kpi_1m",
            "there is no such table: make it with `assay db migrate",
        ),
        (
            "ALTER TABLE events_clean ALTER amount TYPE double precision",
            "ALTER TABLE events_clean ALTER amount TYPE decimal(15,2)",
            "`amount` is float8 there and decimal(15,2) in the contract",
        ),
        (
            "ALTER TABLE events_clean ADD more int NOT NULL",
            "ALTER TABLE events_clean DROP more",
            "`more` needs a value, and the contract does not have it",
        ),
    ];
    for (spoil, mend, told) in cases {
        shop.sql(&format!("DROP VIEW v_kpi_1m_final, v_kpi_15m, v_kpi_1h, v_kpi_24h; {spoil}"));
        let error = shop.fails(&RUN);
        assert!(error.contains(told), "{error}");
        shop.sql(&format!(
            "{mend}; CREATE VIEW v_kpi_1m_final AS SELECT 1; CREATE VIEW v_kpi_15m \
                           AS SELECT 1; CREATE VIEW v_kpi_1h AS SELECT 1; CREATE VIEW v_kpi_24h AS \
                           SELECT 1"
        ));
    }
    // Nobody may be there who reads it: each is a run that failed.
    let failed = shop.json(&["runs", "--status", "failed", "--stage", "ecommerce/stream"]);
    assert_eq!(failed.as_array().unwrap().len(), 3, "{failed}");
    let error =
        shop.fails(&[&RUN[..], &["--postgres", "postgres://nobody@127.0.0.1:19150/none"]].concat());
    assert!(error.contains("does not exist"), "{error}");
    let error = shop.fails(&[&RUN[..], &["--postgres", "mysql://a/b"]].concat());
    assert!(error.contains("no address of Postgres"), "{error}");
    shop.done(&RUN);
    shop.verified();
}
