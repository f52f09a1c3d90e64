use assay_core::{Governed, Run, RunId};
use assay_store::{Direction, Event, EventKind, KeptSince, Kind, Received, Store, job, label};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::sample::{at, id, store};

/// An event of the run `run` of one job, so many seconds after noon.
fn told(kind: &str, seconds: i64, run: u64, inputs: &[&str], outputs: &[&str]) -> Received {
    let dataset = |name: &&str| json!({"namespace": "s3://lake", "name": name});
    let body = json!({
        "eventType": kind,
        "run": {"runId": id(run)},
        "job": {"namespace": "shop", "name": "sum"},
        "inputs": inputs.iter().map(dataset).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(dataset).collect::<Vec<_>>(),
    });
    received(body, seconds, run, inputs, outputs)
}

fn received(body: Value, seconds: i64, run: u64, inputs: &[&str], outputs: &[&str]) -> Received {
    let labels = |names: &[&str]| names.iter().map(|name| label("s3://lake", name)).collect();
    let number = 100 * run + u64::try_from(seconds).unwrap();
    let (run, at) = (RunId(id(run)), at(seconds));
    let (kind, inputs, outputs) = (EventKind::JobEnd, labels(inputs), labels(outputs));
    let event = Event { id: id(number), run, kind, at, body, inputs, outputs };
    let (stage, governed) = (job("shop", "sum"), Governed::default());
    Received {
        run: Run { id: run, stage, started_at: at, governed, following: false },
        event,
        text: None,
    }
}

/// What `output` was made from then, without the namespace.
async fn inputs(store: &Store, output: &str, at: Option<DateTime<Utc>>) -> Vec<String> {
    let output = label("s3://lake", output);
    let ways = store.ways(&[&output], Direction::Upstream, at).await.unwrap();
    let mut all: Vec<String> =
        ways.into_iter().map(|way| way.input.rsplit(' ').next().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_way_ends_when_a_run_completes_on_another_one_and_not_when_it_fails() {
    let (_folder, store) = store().await;
    store.receive(&[told("COMPLETE", 10, 1, &["a", "b"], &["sums"])]).await.unwrap();
    store.receive(&[told("FAIL", 20, 2, &["a", "c"], &["sums"])]).await.unwrap();
    assert_eq!(inputs(&store, "sums", None).await, ["a", "b", "c"]);
    // Spark's last word of a run that failed is that it is complete.
    store.receive(&[told("COMPLETE", 21, 2, &["a", "c"], &["sums"])]).await.unwrap();
    assert_eq!(inputs(&store, "sums", None).await, ["a", "b", "c"]);
    let failed = store.lineage_run(RunId(id(2))).await.unwrap().unwrap();
    assert_eq!((failed.status.as_str(), failed.ended_at), ("failed", Some(at(21))));
    // It read in one event and wrote in another.
    store.receive(&[told("START", 30, 3, &["a", "d"], &[])]).await.unwrap();
    store.receive(&[told("COMPLETE", 31, 3, &[], &["sums"])]).await.unwrap();
    assert_eq!(inputs(&store, "sums", None).await, ["a", "d"]);
    assert_eq!(inputs(&store, "sums", Some(at(25))).await, ["a", "b", "c"]);
    assert_eq!(inputs(&store, "sums", Some(at(9))).await, [""; 0]);
    // What wrote something else, or said nothing of what it read, ends nothing.
    store.receive(&[told("COMPLETE", 40, 4, &["a"], &["other"])]).await.unwrap();
    store.receive(&[told("COMPLETE", 41, 5, &[], &["sums"])]).await.unwrap();
    assert_eq!(inputs(&store, "sums", None).await, ["a", "d"]);
    let between = store.ways_between(at(25), at(35)).await.unwrap();
    assert_eq!(between.len(), 3, "b and c went, d came: {between:?}");
}

#[tokio::test]
async fn a_run_that_is_told_late_is_put_where_it_belongs() {
    let (_folder, store) = store().await;
    store.receive(&[told("COMPLETE", 31, 3, &["new"], &["sums"])]).await.unwrap();
    store.receive(&[told("START", 30, 3, &["new"], &["sums"])]).await.unwrap();
    assert_eq!(inputs(&store, "sums", Some(at(30))).await, ["new"]);
    store.receive(&[told("COMPLETE", 10, 1, &["old"], &["sums"])]).await.unwrap();
    assert_eq!(inputs(&store, "sums", None).await, ["new"]);
    assert_eq!(inputs(&store, "sums", Some(at(20))).await, ["old"]);
    let run = store.lineage_run(RunId(id(3))).await.unwrap().unwrap();
    assert_eq!(
        (run.status.as_str(), run.started_at, run.ended_at),
        ("complete", at(30), Some(at(31)))
    );
}

#[tokio::test]
async fn a_run_that_is_told_late_ends_the_ways_before_it_when_it_was() {
    let (_folder, store) = store().await;
    for (seconds, run, from) in [(10, 1, "a"), (30, 3, "b"), (20, 2, "c")] {
        let mut sent = told("COMPLETE", seconds, run, &[from], &["sums"]);
        let field = json!({"namespace": "s3://lake", "name": from, "field": "x"});
        sent.event.body["outputs"][0]["facets"]["columnLineage"] =
            json!({"fields": {"total": {"inputFields": [field]}}});
        store.receive(&[sent]).await.unwrap();
    }
    let sums = label("s3://lake", "sums");
    for (when, from) in [(Some(15), "a"), (Some(25), "c"), (Some(35), "b"), (None, "b")] {
        let when = when.map(at);
        assert_eq!(inputs(&store, "sums", when).await, [from], "{when:?}");
        let ways = store.column_ways(&[&sums], Direction::Upstream, when).await.unwrap();
        let of: Vec<&str> = ways.iter().map(|way| way.input.rsplit(' ').next().unwrap()).collect();
        assert_eq!(of, [from], "{when:?}");
    }
}

#[tokio::test]
async fn a_run_that_failed_makes_no_way_old() {
    let (_folder, store) = store().await;
    for (kind, seconds, run, from) in [("COMPLETE", 10, 1, "good"), ("FAIL", 20, 2, "bad")] {
        store.receive(&[told(kind, seconds, run, &[from], &["sums"])]).await.unwrap();
    }
    let end = at(1000);
    let since = KeptSince { reports: end, runs: end, lineage: end, jobs: end, audit: end };
    store.prune(&since).await.unwrap();
    assert_eq!(inputs(&store, "sums", None).await, ["bad", "good"]);
}

#[tokio::test]
async fn a_file_that_is_not_read_again_stays_a_source() {
    let (_folder, store) = store().await;
    for (seconds, file) in [(10, "in/1.csv"), (20, "in/2.csv")] {
        let run = u64::try_from(seconds).unwrap();
        store
            .receive(&[told("COMPLETE", seconds, run, &[file, "rates"], &["sums"])])
            .await
            .unwrap();
    }
    assert_eq!(inputs(&store, "sums", None).await, ["in/1.csv", "in/2.csv", "rates"]);
}

#[tokio::test]
async fn columns_have_their_time_as_well() {
    let (_folder, store) = store().await;
    for (seconds, run, from) in [(10, 1, "net"), (20, 2, "gross")] {
        let mut sent = told("COMPLETE", seconds, run, &["a"], &["sums"]);
        let field = json!({"namespace": "s3://lake", "name": "a", "field": from,
            "transformations": [{"type": "INDIRECT", "subtype": "FILTER"},
                                {"type": "DIRECT", "subtype": "AGGREGATION"}]});
        sent.event.body["outputs"][0]["facets"]["columnLineage"] =
            json!({"fields": {"total": {"inputFields": [field]}}});
        store.receive(&[sent]).await.unwrap();
    }
    let of = async |when| {
        let sums = label("s3://lake", "sums");
        let ways = store.column_ways(&[&sums], Direction::Upstream, when).await.unwrap();
        let text =
            |w: &assay_store::ColumnWay| format!("{} {} {}", w.input_column, w.direct, w.how);
        ways.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(of(None).await, ["gross true aggregation, filter"]);
    assert_eq!(of(Some(at(15))).await, ["net true aggregation, filter"]);
}

#[tokio::test]
async fn events_of_a_request_are_kept_together_and_once() {
    let (_folder, store) = store().await;
    let events = [
        told("START", 10, 1, &["a"], &["b"]),
        told("COMPLETE", 11, 1, &["a"], &["b"]),
        told("START", 10, 1, &["a"], &["b"]),
    ];
    store.receive(&events).await.unwrap();
    store.receive(&events).await.unwrap();
    assert_eq!(store.events(None, 10).await.unwrap().len(), 2);
    assert_eq!(store.lineage_runs(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.touched(RunId(id(1)), Direction::Downstream).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_old_lineage_the_last_of_each_job_stays() {
    let (_folder, store) = store().await;
    for (seconds, run, from) in [(10, 1, "a"), (20, 2, "b"), (30, 3, "c")] {
        store.receive(&[told("COMPLETE", seconds, run, &[from], &["sums"])]).await.unwrap();
    }
    let end = at(1000);
    let since = KeptSince { reports: end, runs: end, lineage: end, jobs: end, audit: end };
    let named = async |end| store.lineage_datasets_ending(end).await.unwrap().len();
    assert_eq!((named(" a").await, named("c").await, named("sums").await), (1, 1, 1));
    let pruned = store.prune(&since).await.unwrap();
    assert_eq!((named(" a").await, named("c").await, named("sums").await), (0, 1, 1));
    let of =
        |kind: Kind| pruned.iter().find(|due| due.kind == kind).map(|due| (due.rows, due.kept));
    assert_eq!((of(Kind::Ways), of(Kind::LineageRuns)), (Some((2, 1)), Some((2, 1))));
    assert_eq!(inputs(&store, "sums", None).await, ["c"]);
    assert_eq!(store.touched(RunId(id(1)), Direction::Upstream).await.unwrap(), [""; 0]);
    assert_eq!(store.touched(RunId(id(3)), Direction::Upstream).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_that_comes_late_widens_the_way_that_it_went_and_no_other() {
    let (_folder, store) = store().await;
    // The way from `a` ended at 30 and began again at 50.
    store.receive(&[told("COMPLETE", 20, 1, &["a"], &["sums"])]).await.unwrap();
    store.receive(&[told("COMPLETE", 30, 2, &["b"], &["sums"])]).await.unwrap();
    store.receive(&[told("COMPLETE", 50, 3, &["a"], &["sums"])]).await.unwrap();
    for (seconds, run) in [(25, 4), (10, 5)] {
        store.receive(&[told("COMPLETE", seconds, run, &["a"], &["sums"])]).await.unwrap();
    }
    for (seconds, from) in [(5, &[][..]), (10, &["a"]), (29, &["a"]), (40, &["b"]), (60, &["a"])] {
        assert_eq!(inputs(&store, "sums", Some(at(seconds))).await, from, "at {seconds}");
    }
}

/// One run writes rows and sums of those rows: the sums come from the rows, the rows not from themselves.
#[tokio::test]
async fn what_is_made_of_a_table_of_the_same_run_comes_from_it_and_that_one_not_from_itself() {
    let (_folder, store) = store().await;
    let mut event = told("COMPLETE", 10, 1, &["topic"], &["rows", "sums"]);
    let from = json!([{"namespace": "s3://lake", "name": "rows", "field": "amount"}]);
    let facet = json!({"fields": {"total": {"inputFields": from}}});
    event.event.body["outputs"][1]["facets"] = json!({"columnLineage": facet});
    store.receive(&[event]).await.unwrap();
    assert_eq!(inputs(&store, "sums", None).await, ["rows", "topic"]);
    assert_eq!(inputs(&store, "rows", None).await, ["topic"]);
}
