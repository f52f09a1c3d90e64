use assay_core::RunId;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use uuid::Uuid;

use super::*;

fn edge(input: &str, output: &str, stage: &str) -> Edge {
    let at = "2026-11-21T12:00:00Z".parse().unwrap();
    Edge {
        input: input.into(),
        output: output.into(),
        stage: StageId { pipeline: "github_events".into(), stage: stage.into() },
        run: RunId(Uuid::nil()),
        first_seen_at: at,
        last_seen_at: at,
    }
}

fn github_events() -> Graph {
    Graph::new(&[
        edge("file /in/a.json.gz", "log.raw_metrics_avro", "ingest"),
        edge("log.raw_metrics_avro", "bronze.github_events", "land"),
        edge("bronze.github_events", "silver.github_events_parsed", "parse"),
        edge("silver.github_events_parsed", "silver.github_events", "enrich"),
        edge("silver.github_events", "gold.user_activity", "activity"),
        edge("silver.github_events", "gold.user_activity", "backfill"),
        edge("bronze.github_events", "gold.user_activity", "activity"),
    ])
}

#[test]
fn upstream_shows_what_a_dataset_was_made_from() {
    insta::assert_snapshot!(github_events().upstream("gold.user_activity"), @r#"
    gold.user_activity
    ├── [github_events/activity] bronze.github_events
    │   └── [github_events/land] log.raw_metrics_avro
    │       └── [github_events/ingest] file /in/a.json.gz
    └── [github_events/activity, github_events/backfill] silver.github_events
        └── [github_events/enrich] silver.github_events_parsed
            └── [github_events/parse] bronze.github_events (again)
    "#);
}

#[test]
fn downstream_shows_what_was_made_from_a_dataset() {
    insta::assert_snapshot!(github_events().downstream("bronze.github_events"), @r#"
    bronze.github_events
    ├── [github_events/activity] gold.user_activity
    └── [github_events/parse] silver.github_events_parsed
        └── [github_events/enrich] silver.github_events
            └── [github_events/activity, github_events/backfill] gold.user_activity
    "#);
}

#[test]
fn a_tree_is_also_json() {
    let graph = Graph::new(&[edge("bronze.a", "silver.a", "clean")]);
    let json = serde_json::to_value(graph.upstream("silver.a")).unwrap();
    let expected = serde_json::json!({
        "dataset": "silver.a", "stages": [], "repeated": false,
        "branches": [{
            "dataset": "bronze.a",
            "stages": [{"pipeline": "github_events", "stage": "clean"}],
            "repeated": false,
            "branches": [],
        }],
    });
    assert_eq!(json, expected);
}

#[test]
fn a_loop_ends_where_it_comes_back() {
    let graph = Graph::new(&[
        edge("silver.a", "gold.b", "forth"),
        edge("gold.b", "silver.a", "back"),
        edge("silver.a", "silver.a", "itself"),
    ]);
    insta::assert_snapshot!(graph.upstream("gold.b"), @r#"
    gold.b
    └── [github_events/forth] silver.a
        ├── [github_events/back] gold.b (again)
        └── [github_events/itself] silver.a (again)
    "#);
}

#[test]
fn a_dataset_that_nobody_knows_stands_alone() {
    assert_eq!(github_events().upstream("gold.unknown").to_string(), "gold.unknown");
}

proptest! {
    /// Whatever the graph: the tree has exactly the datasets that can be reached, follows each
    /// once, and has a branch for each edge among them.
    #[test]
    fn a_tree_reaches_everything_and_follows_it_once(
        pairs in proptest::collection::vec((0_u8..8, 0_u8..8), 0..30)
    ) {
        let name = |number: &u8| format!("silver.t{number}");
        let edges: Vec<_> = pairs.iter().map(|(a, b)| edge(&name(a), &name(b), "x")).collect();
        let tree = Graph::new(&edges).upstream("silver.t0");

        let mut reached = BTreeSet::from(["silver.t0".to_owned()]);
        while let Some(edge) = edges.iter().find(|edge| {
            reached.contains(&edge.output) && !reached.contains(&edge.input)
        }) {
            reached.insert(edge.input.clone());
        }
        let mut all = vec![];
        let mut open = vec![&tree];
        while let Some(tree) = open.pop() {
            all.push(tree);
            prop_assert!(!tree.repeated || tree.branches.is_empty());
            open.extend(&tree.branches);
        }
        let shown: BTreeSet<_> = all.iter().map(|tree| tree.dataset.clone()).collect();
        let walked: BTreeSet<_> = edges
            .iter()
            .filter(|edge| reached.contains(&edge.output))
            .map(|edge| (&edge.input, &edge.output))
            .collect();
        prop_assert_eq!(&shown, &reached);
        prop_assert_eq!(all.len(), walked.len() + 1);
    }
}
