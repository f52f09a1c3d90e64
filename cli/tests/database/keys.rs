//! The keys of tables, on which it rests that nothing counts twice.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::office::{RUN, office};

/// Events that all land.
const PLAIN: [&str; 8] = ["--count", "20", "--defects", "0%", "--late", "0%", "--duplicates", "0%"];

#[test]
fn a_table_that_would_take_a_row_twice_is_not_written() {
    let Some(office) = office("unique") else { return };
    office.generates(&PLAIN);
    let events = "CREATE UNIQUE INDEX ON \"events_clean\" (\"id\")";
    let kpi = "CREATE UNIQUE INDEX ON \"kpi_1m\" (\"window_start\")";
    let cases = [
        ("ALTER TABLE events_clean DROP CONSTRAINT events_clean_pkey", events),
        // One that is partial, or on more than the key, refuses no second row.
        ("CREATE UNIQUE INDEX a ON events_clean (id) WHERE amount > 0", events),
        ("CREATE UNIQUE INDEX b ON events_clean (id, event_time)", events),
        ("ALTER TABLE events_clean ADD CONSTRAINT c UNIQUE (id) DEFERRABLE", events),
        (
            "CREATE UNIQUE INDEX d ON events_clean (id); \
             ALTER TABLE events_clean ALTER id DROP NOT NULL",
            "ALTER TABLE \"events_clean\" ALTER \"id\" SET NOT NULL",
        ),
        (
            "ALTER TABLE events_clean ALTER id SET NOT NULL; \
             ALTER TABLE kpi_1m DROP CONSTRAINT kpi_1m_pkey",
            kpi,
        ),
        (
            "ALTER TABLE kpi_1m ALTER window_start DROP NOT NULL; \
             CREATE UNIQUE INDEX e ON kpi_1m (window_start)",
            "ALTER TABLE \"kpi_1m\" ALTER \"window_start\" SET NOT NULL",
        ),
    ];
    for (spoil, told) in cases {
        office.sql(spoil);
        let error = office.fails(&RUN);
        assert!(error.contains(told), "{spoil}: {error}");
        assert_eq!(office.sql("SELECT count(*) FROM events_clean"), "0", "{spoil}");
    }
    // To this one a NULL is like another, so it is as good as a key.
    office.sql("DROP INDEX e; CREATE UNIQUE INDEX ON kpi_1m (window_start) NULLS NOT DISTINCT");
    office.done(&RUN);
    assert_eq!(office.sql("SELECT count(*) FROM events_clean"), "20");
}

#[test]
fn a_key_that_nobody_looks_up_is_named_and_not_tried_again() {
    let Some(office) = office("other_key") else { return };
    office.generates(&PLAIN);
    office.sql("CREATE UNIQUE INDEX one_of_each ON events_clean (event_type)");
    let error = office.fails(&RUN);
    assert!(error.contains("constraint `one_of_each`"), "{error}");
    assert!(!error.contains("another writer"), "{error}");
    office.sql("DROP INDEX one_of_each");

    // A trace of an event that is new to the table of events.
    office.done(&RUN);
    let id = office.sql("SELECT min(id) FROM events_clean");
    office.sql(&format!("DELETE FROM events_clean WHERE id = '{id}'; DELETE FROM assay.positions"));
    let error = office.fails(&RUN);
    assert!(error.contains("table `event_traces`"), "{error}");
    office.sql(&format!("DELETE FROM event_traces WHERE event_id = '{id}'"));
    office.done(&RUN);
    assert_eq!(office.sql("SELECT count(*) FROM events_clean"), "20");
}

#[test]
fn the_watermark_does_not_jump_when_all_partitions_are_silent() {
    let Some(office) = office("silent") else { return };
    office.generates(&["--count", "300"]);
    office.done(&RUN);
    office.sql("UPDATE assay.positions SET moved_at = now() - interval '1 hour'");
    let least = "SELECT assay.watermark('ecommerce/stream') = \
                 min((mark::jsonb ->> 'event_time')::timestamptz AT TIME ZONE 'UTC') \
                 FROM assay.positions";
    assert_eq!(office.sql(least), "t");
}

#[test]
fn a_table_is_written_once_by_a_stage() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/ecommerce");
    let copied = Command::new("cp").arg("-r").arg(&shipped).arg(folder.path()).status();
    assert!(copied.unwrap().success());
    let folder = folder.path().join("ecommerce");
    let path = folder.join("pipeline.yaml");
    let sound = fs::read_to_string(&path).unwrap();
    let traces = "      - write: silver.event_traces\n        model: models/event_traces.sql\n";
    assert!(sound.contains(traces));
    let own = "      - write: silver.events_clean\n        model: models/again.sql\n";
    let columns = "id, event_time, event_type, order_id, user_id, amount, currency, status";
    let again = format!("SELECT {columns}, ingest_time FROM silver.events_clean\n");
    fs::write(folder.join("models/again.sql"), again).unwrap();
    for (more, table) in [(traces, "silver.event_traces"), (own, "silver.events_clean")] {
        fs::write(&path, sound.replace(traces, &[traces, more].concat())).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        let output = command.arg("check").arg(&folder).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("the stage writes {table} already")), "{error}");
    }
}
