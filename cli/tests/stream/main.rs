//! The e-commerce stream, through the real command, into a real Postgres.

mod faults;
mod hops;
mod shop;

use shop::{Shop, shop};

#[test]
fn every_event_is_counted_once_and_to_the_cent() {
    let Some(shop) = shop("once") else { return };
    shop.generates(&["--count", "3000", "--defects", "3%", "--late", "2%", "--duplicates", "3%"]);
    let runs = shop.json(&["run", "stream", "--pipeline", "ecommerce", "--governed"]);
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
    let again = shop.json(&["run", "stream", "--pipeline", "ecommerce", "--governed"]);
    assert_eq!(again[0]["counts"]["read"], 0);
    assert_eq!(shop.verified(), outcome);
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
    let run = ["run", "stream", "--pipeline", "ecommerce", "--governed"];
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
        let error = shop.fails(&run);
        assert!(error.contains(told), "{error}");
        shop.sql(&format!(
            "{mend}; CREATE VIEW v_kpi_1m_final AS SELECT 1; CREATE VIEW v_kpi_15m \
                           AS SELECT 1; CREATE VIEW v_kpi_1h AS SELECT 1; CREATE VIEW v_kpi_24h AS \
                           SELECT 1"
        ));
    }
    let error =
        shop.fails(&[&run[..], &["--postgres", "postgres://nobody@127.0.0.1:19150/none"]].concat());
    assert!(error.contains("does not exist"), "{error}");
    let error = shop.fails(&[&run[..], &["--postgres", "mysql://a/b"]].concat());
    assert!(error.contains("no address of Postgres"), "{error}");
    shop.done(&run);
    shop.verified();
}
