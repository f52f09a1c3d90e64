//! Messages that go before they are read, and those that must not.

use assay_log::Log;
use serde_json::json;

use crate::office::{RUN, office};

#[tokio::test]
async fn that_it_reads_is_known_before_it_has_read_and_until_it_is_forgotten() {
    let Some(office) = office("readers") else { return };
    office.generates(&["--count", "10"]);
    // It fails before it has a position.
    office.sql("ALTER TABLE kpi_1m RENAME TO other");
    office.fails(&RUN);
    let known = office.store().await.database_readers().await.unwrap();
    let known: Vec<_> = known.iter().map(|(reader, topic)| (&*reader.0, &**topic)).collect();
    assert_eq!(known, [("ecommerce/stream", "events_raw")]);

    let forget = ["prune", "--reason", "it was a try", "--forget"];
    let error = office.fails(&[&forget[..], &["ecommerce/land"]].concat());
    assert!(error.contains("known here: ecommerce/stream"), "{error}");
    office.done(&[&forget[..], &["ecommerce/stream"]].concat());
    assert_eq!(office.store().await.database_readers().await.unwrap(), []);
    let audit = office.json(&["audit", "--subject", "ecommerce/stream"]);
    assert_eq!(audit[0]["reason"], "it was a try");
}

#[tokio::test]
async fn the_stream_goes_on_behind_a_gap_when_a_person_says_so() {
    let Some(office) = office("gap") else { return };
    office.generates(&["--count", "300"]);
    office.done(&RUN);
    let ends = office.log().await.ends("events_raw").await.unwrap();
    let read = ends.iter().find(|ends| ends.partition == 1).unwrap().end;
    office.generates(&["--count", "300", "--seed", "7"]);
    office.loses(1, read + 5).await;

    let error = office.fails(&RUN);
    assert!(error.contains("deleted 5 messages that were not read yet"), "{error}");
    assert!(error.contains("--to kept --reason"), "{error}");
    let rewind = ["rewind", "stream", "--pipeline", "ecommerce", "--reason", "too long away"];
    let to = |place: &'static str| [&rewind[..], &["--to", place, "--yes"]].concat();
    assert!(office.fails(&to("beginning")).contains("`--to kept` goes on"));
    let before = office.sql("SELECT mark FROM assay.positions WHERE slice <> 'events_raw/1'");
    let moved = office.json(&to("kept"));
    let slice = json!({"slice": "events_raw/1", "from": read, "to": read + 5, "again": 0, "gone": 5,
                       "unit": "messages"});
    assert_eq!(moved["plan"]["slices"], json!([slice]));
    assert_eq!(
        office.sql("SELECT mark FROM assay.positions WHERE slice <> 'events_raw/1'"),
        before
    );
    let event_time = "SELECT mark::jsonb ->> 'event_time' IS NOT NULL FROM assay.positions \
                      WHERE slice = 'events_raw/1'";
    assert_eq!(office.sql(event_time), "t", "what is late stays late");

    let runs = office.json(&RUN);
    assert_eq!(runs[0]["counts"]["read"], 295);
    assert!(office.fails(&to("kept")).contains("stands there already"));
    assert_eq!(office.json(&["audit", "--action", "rewind"])[0]["reason"], "too long away");
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_read_from_its_beginning() {
    let Some(office) = office("anew_topic") else { return };
    office.generates(&["--count", "300"]);
    office.done(&RUN);
    for file in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(office.path("data").join(file));
    }
    office.generates(&["--count", "90", "--seed", "7"]);
    let error = office.fails(&RUN);
    assert!(error.contains("made anew") && error.contains("--to kept"), "{error}");
    let rewind = ["rewind", "stream", "--pipeline", "ecommerce", "--to", "kept", "--yes"];
    office.done(&[&rewind[..], &["--reason", "the log was lost"]].concat());
    assert_eq!(office.json(&RUN)[0]["counts"]["read"], 90);
}

#[test]
fn places_of_jobs_that_are_over_go_after_a_week() {
    let Some(office) = office("places") else { return };
    office.generates(&["--count", "600", "--late", "5%"]);
    office.done(&RUN);
    office.done(&["dlq", "replay", "--reason", "late", "--yes"]);
    let places = "SELECT count(*) FROM assay.positions WHERE slice LIKE 'replay:%'";
    let others = "INSERT INTO assay.positions VALUES ('a.b', 'c+replay', \
                  'replay:00000000-0000-0000-0000-000000000001', '{\"at\":1}')";
    office.sql(others);
    let readers = "SELECT count(*) FROM assay.positions WHERE slice NOT LIKE 'replay:%'";
    let reading = office.sql(readers);
    assert_eq!(office.sql(places), "2");
    office.done(&["prune"]);
    assert_eq!(office.sql(places), "2");
    office.sql("UPDATE assay.positions SET moved_at = now() - interval '8 days'");
    office.done(&["prune"]);
    // Another store's job may not be over.
    assert_eq!((office.sql(places), office.sql(readers)), ("1".to_owned(), reading));
}
