//! Another pipeline with windows, which needs no code: per user, ten seconds, every five.

use std::fs;
use std::path::Path;

use super::shop;

fn pipeline(folder: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/ecommerce");
    for part in ["contracts", "models", "migrations"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    let read = |path: &str| fs::read_to_string(shipped.join(path)).unwrap();
    let write = |path: &str, text: &str| fs::write(folder.join(path), text).unwrap();
    let clean = read("contracts/silver.events_clean.odcs.yaml");
    write("contracts/clean.odcs.yaml", &clean.replace("events_clean", "hop_events"));
    write("models/events.sql", &read("models/events_clean.sql"));
    write(
        "models/hops.sql",
        "SELECT window_start, window_end, user_id, count(*) AS events, sum(amount) AS paid\n\
         FROM silver.hop_events GROUP BY window_start, window_end, user_id",
    );
    write(
        "migrations/1.sql",
        "CREATE TABLE hop_events (LIKE events_clean INCLUDING ALL);\n\
         CREATE TABLE hops (window_start timestamp, window_end timestamp, user_id text,\n\
           events bigint, paid numeric, PRIMARY KEY (window_start, user_id));",
    );
    let column = |name: &str, logical: &str, physical: &str| {
        format!("      - {{name: {name}, logicalType: {logical}, physicalType: \"{physical}\"}}\n")
    };
    let hops = clean.split("    properties:").next().unwrap().replace("events_clean", "hops");
    let hops = hops.replace("silver", "gold")
        + "    properties:\n"
        + &column("window_start", "timestamp", "timestamptz")
        + &column("window_end", "timestamp", "timestamptz")
        + &column("user_id", "string", "string")
        + &column("events", "integer", "bigint")
        + &column("paid", "number", "decimal(38,2)");
    write("contracts/hops.odcs.yaml", &hops);
    let shipped = read("pipeline.yaml");
    let extract = shipped.split("    extract:").nth(1).unwrap().split("    model:").next().unwrap();
    write(
        "pipeline.yaml",
        &format!(
            "apiVersion: assay/v1\nkind: Pipeline\nname: hopping\ndatasets:\n  \
             log.events_raw: {{format: json, partitions: 3, origin: [_partition, _offset]}}\n  \
             silver.hop_events: {{contract: contracts/clean.odcs.yaml, postgres: hop_events, origin: [id]}}\n  \
             gold.hops: {{contract: contracts/hops.odcs.yaml, postgres: hops, origin: [window_start, user_id]}}\n\
             migrations: [migrations/1.sql]\nstages:\n  - name: hop\n    read: log.events_raw\n    \
             extract:{extract}    model: models/events.sql\n    deduplicate: [id]\n    \
             event_time: {{column: event_time, late_after_seconds: 300}}\n    write: silver.hop_events\n    \
             also:\n      - write: gold.hops\n        model: models/hops.sql\n        \
             windows: {{seconds: 10, every_seconds: 5}}\n        \
             merge: {{key: [window_start, user_id], sum: [events, paid], max: [window_end]}}\n"
        ),
    );
}

#[test]
fn windows_that_overlap_need_no_code() {
    let Some(shop) = shop("hops") else { return };
    let folder = shop.path("hopping");
    pipeline(&folder);
    let name = folder.display().to_string();
    shop.done(&["db", "migrate", "--pipeline", &name]);
    // In two runs, so that windows are added to.
    for seed in ["1", "2"] {
        shop.generates(&["--count", "400", "--rate", "20", "--seed", seed]);
        shop.done(&["run", "stream", "--pipeline", &name, "--governed"]);
    }
    let expected = "SELECT s AS window_start, s + interval '10 seconds' AS window_end, user_id, \
           count(*) AS events, sum(amount) AS paid FROM hop_events, generate_series( \
             date_bin('5 seconds', event_time, timestamp '2000-01-01') - interval '5 seconds', \
             event_time, interval '5 seconds') AS s \
         WHERE s > event_time - interval '10 seconds' GROUP BY 1, 2, 3";
    let differ = format!(
        "SELECT count(*) FROM ((({expected}) EXCEPT TABLE hops) UNION ALL \
         (TABLE hops EXCEPT ({expected}))) AS d"
    );
    assert_eq!(shop.sql(&differ), "0");
    assert_ne!(shop.sql("SELECT count(*) FROM hops"), "0");
}

#[test]
fn what_can_not_be_merged_or_windowed_is_found_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    pipeline(folder.path());
    let path = folder.path().join("pipeline.yaml");
    let sound = fs::read_to_string(&path).unwrap();
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_assay"));
        let output = command.arg("check").arg(folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(&sound).0, Some(0));
    let merge = "merge: {key: [window_start, user_id], sum: [events, paid], max: [window_end]}";
    let cases = [
        (merge, "", "every batch adds to its windows, and nothing says how"),
        ("sum: [events, paid]", "sum: [events]", "how two values of `paid` become one"),
        ("sum: [events, paid]", "sum: [events, paid, user_id]", "`user_id` is named twice"),
        ("max: [window_end]", "sum: [window_end]", "pipeline.yaml"),
        ("every_seconds: 5", "every_seconds: 0", "a window of no length holds nothing"),
        ("column: event_time", "column: amount", "has no time `amount`"),
        ("postgres: hops, ", "", "gold.hops is a table of the lake, which is committed alone"),
        ("postgres: hop_events, ", "", "silver.hop_events is a table of the lake"),
        ("migrations: [migrations/1.sql]", "migrations: [migrations/2.sql]", "migrations/2.sql"),
    ];
    for (from, to, told) in cases {
        assert!(sound.contains(from), "{from}");
        let (code, error) = check(&sound.replace(from, to));
        assert_eq!(code, Some(2), "{from}: {error}");
        assert!(error.contains(told), "{told} is not in: {error}");
    }
}
