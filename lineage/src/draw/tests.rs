use assay_core::{RunId, StageId};
use uuid::Uuid;

use super::*;
use crate::{Link, Node, Passage};

fn link(input: &str, output: &str, stage: &str) -> Link {
    let at = "2026-11-21T12:00:00Z".parse().unwrap();
    let job = StageId { pipeline: "shop".to_owned(), stage: stage.to_owned() };
    let passage = Passage { job: job.into(), since: at, run: RunId(Uuid::nil()), last_at: at };
    Link { input: input.into(), output: output.into(), jobs: vec![passage] }
}

fn picture(links: Vec<Link>, dataset: &str) -> Picture {
    let mut names: Vec<&str> = links.iter().flat_map(|l| [&*l.input, &*l.output]).collect();
    names.sort();
    names.dedup();
    let node = |name: &str| Node { dataset: name.to_owned(), distance: 0, aliases: vec![] };
    let nodes = names.into_iter().map(node).collect();
    Picture::from(&Map { dataset: dataset.to_owned(), at: None, nodes, links, cut: false })
}

fn shop() -> Picture {
    let links = vec![
        link("bronze.orders", "silver.orders", "clean"),
        link("bronze.people", "silver.people", "clean"),
        link("silver.orders", "gold.sales", "sum"),
        link("silver.people", "gold.sales", "sum"),
        link("s3://in \"a\" & <b>/😀.csv", "bronze.orders", "load"),
    ];
    picture(links, "gold.sales")
}

#[test]
fn a_map_is_a_flowchart_of_mermaid() {
    insta::assert_snapshot!(mermaid(&shop()), @r#"
    flowchart LR
      n0["bronze.orders"]
      n1["bronze.people"]
      n2["gold.sales"]
      n3["s3://in #34;a#34; #38; #60;b#62;/#128512;.csv"]
      n4["silver.orders"]
      n5["silver.people"]
      n0 -->|"shop/clean"| n4
      n1 -->|"shop/clean"| n5
      n4 -->|"shop/sum"| n2
      n5 -->|"shop/sum"| n2
      n3 -->|"shop/load"| n0
      style n2 stroke-width:3px
    "#);
}

#[test]
fn a_map_is_a_graph_of_graphviz() {
    insta::assert_snapshot!(dot(&shop()), @r#"
    digraph lineage {
      rankdir=LR;
      node [shape=box];
      "bronze.orders";
      "bronze.people";
      "gold.sales" [style=bold];
      "s3://in \"a\" & <b>/😀.csv";
      "silver.orders";
      "silver.people";
      "bronze.orders" -> "silver.orders" [label="shop/clean"];
      "bronze.people" -> "silver.people" [label="shop/clean"];
      "silver.orders" -> "gold.sales" [label="shop/sum"];
      "silver.people" -> "gold.sales" [label="shop/sum"];
      "s3://in \"a\" & <b>/😀.csv" -> "bronze.orders" [label="shop/load"];
    }
    "#);
}

#[test]
fn a_map_is_a_picture_in_layers() {
    insta::assert_snapshot!("picture", svg(&shop()));
    assert_eq!(svg(&shop()), svg(&shop()));
}

#[test]
fn a_loop_and_a_dataset_alone_are_drawn() {
    let looped = picture(
        vec![
            link("a", "b", "x"),
            link("b", "c", "x"),
            link("c", "a", "x"),
            link("c", "d", "x"),
            link("d", "d", "x"),
        ],
        "a",
    );
    let drawn = svg(&looped);
    assert_eq!(drawn.matches("<rect").count(), 4);
    assert_eq!(drawn.matches("marker-end").count(), 5);
    let alone = Node { dataset: "x".to_owned(), distance: 0, aliases: vec![] };
    let dataset = "x".to_owned();
    let alone = Map { dataset, at: None, nodes: vec![alone], links: vec![], cut: false };
    assert_eq!(svg(&Picture::from(&alone)).matches("<rect").count(), 1);
}
