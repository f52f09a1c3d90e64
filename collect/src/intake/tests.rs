use std::sync::atomic::{AtomicU64, Ordering};

use assay_pipeline::{Folder, Pipeline};
use serde_json::Value;

use super::*;

/// Ids that count.
struct Counted(AtomicU64);

impl Ids for Counted {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

fn spec() -> IngestSpec {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/github_events");
    let pipeline = Pipeline::load(&Folder::Disk(folder.into())).unwrap();
    pipeline.ingest.unwrap()
}

fn take(form: Form, body: &str) -> String {
    let spec = spec();
    let intake = Intake::new(&spec, Arc::new(Counted(AtomicU64::new(0))));
    let taken = match intake.take(form, body.as_bytes()) {
        Ok(taken) => taken,
        Err(refusal) => return format!("whole body: {refusal:?}"),
    };
    let count = taken.records.len();
    let message = spec.topic.schema.pack(taken.records.datums, count, [1; 16]);
    let records = spec.topic.schema.decode(&message).unwrap();
    let ids = records.column_by_name("id").unwrap();
    let outcomes = taken.outcomes.iter().map(|outcome| match outcome {
        Ok(id) => format!("{}", id.as_u128()),
        Err(refusal) => {
            let Refusal { reason, detail, line, byte } = refusal;
            format!("{}: {detail} (line {line}, byte {byte})", reason.name())
        }
    });
    let outcomes: Vec<String> = outcomes.collect();
    format!("{} records, {:?}\n{}", records.num_rows(), ids.len(), outcomes.join("\n"))
}

#[test]
fn one_event_a_list_and_lines_are_taken() {
    let event = r#"{"id":"1","type":"PushEvent"}"#;
    insta::assert_snapshot!(take(Form::Json, event));
    insta::assert_snapshot!(take(Form::Json, &format!("\u{feff} [ {event} ,\n {event}]")));
    insta::assert_snapshot!(take(Form::Lines, &format!("{event}\r\n\n  \n{event}")));
}

#[test]
fn what_is_wrong_with_one_line_is_no_fault_of_the_others() {
    let lines = [
        r#"{"id":"1","type":"PushEvent"}"#,
        r#"{"id":"2","type":"PushEvent""#,
        r#"{"type":"PushEvent"}"#,
        r#"{"id":4,"type":"PushEvent"}"#,
        r#"{"id":"5","type":"PushEvent"} {}"#,
        r#"{"id":"6","type":"PushEvent"}"#,
    ];
    insta::assert_snapshot!(take(Form::Lines, &lines.join("\n")));
    let large = format!(r#"{{"id":"7","type":"{}"}}"#, "x".repeat(900_000));
    insta::assert_snapshot!(take(Form::Lines, &format!("{}\n{large}", lines[0])));
}

#[test]
fn a_body_that_can_not_be_divided_is_refused_with_the_place() {
    insta::assert_snapshot!(take(Form::Json, " \n"));
    insta::assert_snapshot!(take(Form::Json, "[{\"id\":\"1\",\n\"type\":\"PushEvent\"} {}]"));
    insta::assert_snapshot!(take(Form::CloudEvents, "[{\"id\":\"1\"}"));
}

#[test]
fn a_cloud_event_fills_in_what_its_data_lacks() {
    let envelope = |data: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"9","type":"WatchEvent","source":"/x","time":"2026-03-01T00:00:00Z","data":{data}}}"#
        )
    };
    insta::assert_snapshot!(take(Form::CloudEvent, &envelope(r#"{"actor":{"id":1}}"#)));
    insta::assert_snapshot!(take(Form::CloudEvent, &envelope(r#""text""#)));
    let all = [envelope("{}"), r#"{"id":"1"}"#.to_owned(), "7".to_owned(), envelope(r#"{"id":3}"#)];
    insta::assert_snapshot!(take(Form::CloudEvents, &format!("[{}]", all.join(","))));
    let given: Value = serde_json::from_str(&envelope("{}")).unwrap();
    assert_eq!(given["specversion"], "1.0");
}
