//! The pipelines that are shipped, against answers written by hand; and what a run tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use assay_core::{DatasetName, Governed};
use assay_lineage::{ColumnLineage, Trace};
use assay_pipeline::{Folder, Pipeline, Stage};
use serde_json::{Value, json};

use super::desk::list;
use crate::shop::{Shop, order};

/// `log.raw_metrics_avro` → `bronze.github_events`.
const LAND: &str = "
id                   log.raw_metrics_avro.id id
type                 log.raw_metrics_avro.type id
public               log.raw_metrics_avro.public id
actor_id             log.raw_metrics_avro.actor tr
actor_login          log.raw_metrics_avro.actor tr
actor_gravatar_id    log.raw_metrics_avro.actor tr
actor_url            log.raw_metrics_avro.actor tr
actor_avatar_url     log.raw_metrics_avro.actor tr
repo_id              log.raw_metrics_avro.repo tr
repo_name            log.raw_metrics_avro.repo tr
repo_url             log.raw_metrics_avro.repo tr
payload              log.raw_metrics_avro.payload id
created_at           log.raw_metrics_avro.created_at id
ingestion_timestamp  –
ingestion_date       –
kafka_partition      log.raw_metrics_avro._partition id
kafka_offset         log.raw_metrics_avro._offset id
trace_id             log.raw_metrics_avro.trace_id id
(rows)               –";

/// `bronze.github_events` → `silver.github_events_parsed`. A row is taken when its id is new.
const PARSE: &str = "
event_id               bronze.github_events.id id
event_type             bronze.github_events.type id
created_at             bronze.github_events.created_at tr
public                 bronze.github_events.public tr
actor_id               bronze.github_events.actor_id id
actor_login            bronze.github_events.actor_login id
actor_url              bronze.github_events.actor_url id
actor_avatar_url       bronze.github_events.actor_avatar_url id
repo_id                bronze.github_events.repo_id id
repo_name              bronze.github_events.repo_name id
repo_url               bronze.github_events.repo_url id
payload_action         bronze.github_events.payload tr
payload_ref            bronze.github_events.payload tr
payload_ref_type       bronze.github_events.payload tr
push_size              bronze.github_events.payload tr
push_distinct_size     bronze.github_events.payload tr
push_head_sha          bronze.github_events.payload tr
pull_request_number    bronze.github_events.payload tr
pull_request_id        bronze.github_events.payload tr
pull_request_state     bronze.github_events.payload tr
pull_request_title     bronze.github_events.payload tr
pull_request_merge     bronze.github_events.payload tr
pull_request_merge_at  bronze.github_events.payload tr
issue_number           bronze.github_events.payload tr
issue_title            bronze.github_events.payload tr
issue_state            bronze.github_events.payload tr
ingestion_date         bronze.github_events.ingestion_date id
processed_at           –
(rows)                 bronze.github_events.id filter";

/// `silver.github_events_parsed` (`from.`) → `silver.github_events`.
const ENRICH: &str = "
event_id               from.event_id id
event_type             from.event_type id
created_at             from.created_at id
public                 from.public id
actor_id               from.actor_id id
actor_login            from.actor_login tr
actor_url              from.actor_url id
actor_avatar_url       from.actor_avatar_url id
repo_id                from.repo_id id
repo_name              from.repo_name id
repo_url               from.repo_url id
payload_action         from.payload_action id
payload_ref            from.payload_ref id
payload_ref_type       from.payload_ref_type id
push_size              from.push_size id
push_distinct_size     from.push_distinct_size id
push_head_sha          from.push_head_sha id
pull_request_number    from.pull_request_number id
pull_request_id        from.pull_request_id id
pull_request_state     from.pull_request_state id
pull_request_title     from.pull_request_title id
pull_request_merge     from.pull_request_merge id
pull_request_merge_at  from.pull_request_merge_at id
issue_number           from.issue_number id
issue_title            from.issue_title id
issue_state            from.issue_state id
ingestion_date         from.ingestion_date id
processed_at           –
repo_owner             from.repo_name tr
repo_project           from.repo_name tr
event_date             from.created_at tr
event_hour             from.created_at tr
branch_or_tag_name     from.payload_ref tr+cond
is_main_branch         from.payload_ref tr+cond
event_category         from.event_type cond
activity_score         from.event_type cond, from.pull_request_merge cond, from.push_size tr
(rows)                 from.event_id filter";

/// `silver.github_events` (`from.`), and earlier days of the table itself (`own.`), →
/// `gold.user_activity`.
const USER_ACTIVITY: &str = "
actor_id                     from.actor_id id
actor_login                  from.actor_login ag, from.created_at sort, from.event_id sort
activity_date                from.event_date id
total_events                 –
unique_events                from.event_id ag
repos_contributed_to         from.repo_name ag
push_events                  from.event_type filter
pull_request_events          from.event_type filter
issue_events                 from.event_type filter
issue_comment_events         from.event_type filter
watch_events                 from.event_type filter
fork_events                  from.event_type filter
create_events                from.event_type filter
delete_events                from.event_type filter
code_change_events           from.event_category filter
pull_request_related_events  from.event_category filter
issue_related_events         from.event_category filter
social_events                from.event_category filter
total_commits                from.push_size ag
merged_pull_requests         from.event_type filter, from.pull_request_merge filter
main_branch_events           from.is_main_branch filter
total_activity_score         from.activity_score ag
avg_activity_score           from.activity_score ag
public_events                from.public filter
private_events               from.public filter
most_active_hour             from.event_hour ag+sort
top_repo                     from.repo_name ag+sort
top_repo_event_count         –
events_7day_avg              from.actor_id window, from.event_date window, own.activity_date window, own.actor_id window, own.total_events ag
commits_7day_avg             from.actor_id window, from.event_date window, from.push_size ag, own.activity_date window, own.actor_id window, own.total_commits ag
cumulative_events            from.actor_id window, from.event_date window, own.activity_date window, own.actor_id window, own.total_events ag
cumulative_commits           from.actor_id window, from.event_date window, from.push_size ag, own.activity_date window, own.actor_id window, own.total_commits ag
user_activity_level          from.activity_score cond
user_specialization          from.event_category cond
created_at                   –
(rows)                       from.actor_id join+group+filter, from.event_date join+group, from.event_hour group, from.event_id group, from.repo_name group, own.activity_date join, own.actor_id join+filter";

fn load(name: &str) -> Pipeline {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    Pipeline::load(&Folder::Disk(shipped.join(name))).unwrap()
}

fn stage<'p>(pipeline: &'p Pipeline, name: &str) -> &'p Stage {
    pipeline.stages.iter().find(|stage| stage.id.stage == name).unwrap()
}

#[test]
fn every_column_of_github_events_is_made_as_its_models_say() {
    let pipeline = load("github_events");
    let answers =
        [("land", LAND), ("parse", PARSE), ("enrich", ENRICH), ("user_activity", USER_ACTIVITY)];
    assert_eq!(pipeline.stages.len(), answers.len());
    for (name, answer) in answers {
        let stage = stage(&pipeline, name);
        let (from, own) = (stage.reads.dataset().to_string(), stage.writes.dataset.to_string());
        let mut wanted = BTreeMap::new();
        for line in answer.trim().lines() {
            let (column, inputs) = line.split_once("  ").unwrap();
            let inputs =
                inputs.replace("from.", &format!("{from}.")).replace("own.", &format!("{own}."));
            wanted.insert(column.to_owned(), inputs.trim().to_owned());
        }
        let told = |inputs| list(inputs, &|dataset: &DatasetName| dataset.to_string());
        let lineage = stage.columns();
        let mut found: BTreeMap<String, String> = lineage
            .columns
            .iter()
            .map(|column| (column.column.clone(), told(&column.inputs)))
            .collect();
        found.insert("(rows)".to_owned(), told(&lineage.rows));
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn of_every_pipeline_that_is_shipped_every_column_is_known() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    for entry in std::fs::read_dir(shipped).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for stage in &load(&name).stages {
            let lineage = stage.columns();
            assert_eq!(lineage.unknown, [""; 0], "{}", stage.id);
            let columns: Vec<&str> = lineage.columns.iter().map(|c| c.column.as_str()).collect();
            let promised: Vec<&String> =
                stage.writes.schema.fields().iter().map(|field| field.name()).collect();
            assert_eq!(columns, promised, "{}", stage.id);
            let inputs = lineage.columns.iter().flat_map(|column| &column.inputs);
            for input in inputs.chain(&lineage.rows) {
                let schema = match input.dataset == *stage.reads.dataset() {
                    true => stage.reads.schema(),
                    false => stage.writes.schema.clone(),
                };
                assert!(schema.field_with_name(&input.column).is_ok(), "{}: {input:?}", stage.id);
            }
        }
    }
}

#[test]
fn what_is_taken_out_of_json_is_told_with_its_path() {
    let pipeline = load("github_events");
    let parse = stage(&pipeline, "parse");
    let made = |column: &str| parse.columns().column(column).unwrap().expression.clone().unwrap();
    assert_eq!(
        made("pull_request_number"),
        "`pull_request.number` in the JSON of payload, as long"
    );
    assert_eq!(made("created_at"), "created_at as timestamp");
    let merged = made("pull_request_merge");
    assert!(merged.starts_with("coalesce(pull_request_merged, false), where"), "{merged}");
    assert!(
        merged.ends_with("`pull_request.merged` in the JSON of payload, as boolean"),
        "{merged}"
    );
}

#[test]
fn a_column_of_gold_is_followed_to_the_topic() {
    let pipeline = load("github_events");
    let known: BTreeMap<&DatasetName, &ColumnLineage> =
        pipeline.stages.iter().map(|stage| (&stage.writes.dataset, stage.columns())).collect();
    let gold: DatasetName = "gold.user_activity".parse().unwrap();
    insta::assert_snapshot!(Trace::of(&gold, "total_commits", &known).to_string(), @"
    gold.user_activity.total_commits  = sum(coalesce(push_size, 0))
    └── silver.github_events.push_size  [aggregation]
        └── silver.github_events_parsed.push_size  [identity]  = `size` in the JSON of payload, as long
            └── bronze.github_events.payload  [transformation]
                └── log.raw_metrics_avro.payload  [identity]
    ");
    let mut leaves = BTreeSet::new();
    sources(&Trace::of(&gold, "cumulative_commits", &known), &mut leaves);
    let wanted = ["actor", "created_at", "payload"];
    assert_eq!(leaves, wanted.map(|column| format!("log.raw_metrics_avro.{column}")).into());
}

fn sources(trace: &Trace, into: &mut BTreeSet<String>) {
    if trace.branches.is_empty() && !trace.repeated {
        into.insert(format!("{}.{}", trace.dataset, trace.column));
    }
    trace.branches.iter().for_each(|branch| sources(branch, into));
}

#[tokio::test]
async fn the_events_of_a_run_say_how_its_columns_are_made() {
    let shop = Shop::open().await;
    shop.take(&[order("o1", "Rome", 5, "2026-03-01T08:00:00Z")]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    let run = shop.run("sell", Governed::ALL).await.unwrap().run.id;
    let events = shop.store.events_of(run).await.unwrap();
    assert_eq!(events.len(), 3, "start, batch and end");
    for event in &events {
        let (input, output) = (&event.body["inputs"][0], &event.body["outputs"][0]);
        let facets = &output["facets"];
        let from = |field: &str, transformations: Value| {
            json!({
                "namespace": input["namespace"], "name": input["name"],
                "field": field, "transformations": transformations,
            })
        };
        let direct = |how: &str, what: &str| json!({"type": "DIRECT", "subtype": how, "description": what, "masking": false});
        let made = direct("TRANSFORMATION", "`price.amount` in the JSON of details, as long");
        let amount = from("details", json!([made]));
        let columns = &facets["columnLineage"];
        assert_eq!(columns["fields"]["amount"]["inputFields"], json!([amount]));
        // The filter, and the key by which rows are deduplicated.
        let decided: Vec<&str> = columns["dataset"]
            .as_array()
            .unwrap()
            .iter()
            .map(|input| input["field"].as_str().unwrap())
            .collect();
        assert_eq!(decided, ["kind", "no"]);
        // The newer facet says the same, and that the input is a dataset.
        let mut explicit = amount.clone();
        explicit["type"] = json!("DATASET");
        assert_eq!(facets["lineage"]["fields"]["amount"]["inputs"], json!([explicit]));
        assert_eq!(facets["lineage"]["inputs"].as_array().unwrap().len(), 2);
    }
}
