use assay_metrics::names::{
    BUILD_INFO, DATA_QUALITY_SCORE, DEAD_LETTERS, EVENT_BREAKDOWN, JOB_DURATION, JOB_SUCCESS_RATE,
    LAG_SECONDS, LINEAGE_EVENTS, LOG_UP, OUTBOX_DELIVERED, OUTBOX_DEPTH, OUTBOX_FAILURES,
    OUTBOX_OLDEST_AGE, RECORDS_FAILED, RECORDS_PROCESSED, SERIES_DROPPED,
};

use crate::grafana::{Dashboard, Panel, Shape, Variable, query};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "assay-overview",
        title: "Assay: Platform Overview",
        description: "Is it fine? If not, which pipeline is it, and where to look next.",
        variables: vec![
            Variable { label: "env", of: &JOB_SUCCESS_RATE },
            Variable { label: "pipeline", of: &JOB_SUCCESS_RATE },
        ],
        rows: vec![
            ("Is it fine?", fine()),
            ("What flows", flows()),
            ("Which one is it?", which()),
            ("Is lineage delivered?", delivered()),
            ("Whether we would know", known()),
        ],
    }
}

fn stat(title: &'static str, description: &'static str, unit: &'static str) -> Panel {
    let (shape, queries) = (Shape::Stat, vec![]);
    Panel { title, description, shape, unit, limits: None, width: 4, queries }
}

fn fine() -> Vec<Panel> {
    vec![
        Panel {
            limits: Some((90.0, 80.0)),
            queries: vec![query(
                "min(@{env=~\"$env\", pipeline=~\"$pipeline\"})",
                &[&DATA_QUALITY_SCORE],
                "worst",
            )],
            ..stat(
                "Worst score",
                "The lowest score of the last judged batches of all datasets.",
                "none",
            )
        },
        Panel {
            limits: Some((99.0, 90.0)),
            queries: vec![query(
                "min(@{env=~\"$env\", pipeline=~\"$pipeline\"})",
                &[&JOB_SUCCESS_RATE],
                "worst",
            )],
            ..stat(
                "Worst success rate",
                "Of the stages, the lowest share of runs in 24 hours that completed.",
                "percent",
            )
        },
        Panel {
            queries: vec![query(
                "sum(increase(@{env=~\"$env\", pipeline=~\"$pipeline\"}[24h]))",
                &[&RECORDS_PROCESSED],
                "rows",
            )],
            ..stat(
                "Records in 24 hours",
                "Rows written by all stages: a row counts in each table that it reaches.",
                "short",
            )
        },
        Panel {
            queries: vec![query(
                "sum(increase(@_sum{env=~\"$env\", pipeline=~\"$pipeline\", status=\"complete\"}[24h])) / (sum(increase(@_count{env=~\"$env\", pipeline=~\"$pipeline\", status=\"complete\"}[24h])) > 0)",
                &[&JOB_DURATION, &JOB_DURATION],
                "mean",
            )],
            ..stat("Mean duration of a run", "Of the runs of 24 hours that completed.", "s")
        },
        Panel {
            limits: Some((1.0, 1000.0)),
            queries: vec![query("sum(@{env=~\"$env\"})", &[&DEAD_LETTERS], "letters")],
            ..stat("Dead letters", "Rows that were set aside and wait, of all pipelines.", "short")
        },
        Panel {
            limits: Some((1.0, 1.0001)),
            queries: vec![query(
                "count(ALERTS{alertstate=\"firing\", alertname!=\"AssayWatchdog\"}) or vector(0)",
                &[],
                "alerts",
            )],
            ..stat("Alerts", "Alerts that fire now, without the one that always does.", "short")
        },
    ]
}

fn flows() -> Vec<Panel> {
    vec![
        Panel {
            title: "Rows written",
            description: "Rows a second that each stage commits.",
            shape: Shape::Lines,
            unit: "rowsps",
            limits: None,
            width: 12,
            queries: vec![query(
                "sum by (pipeline, stage) (rate(@{env=~\"$env\", pipeline=~\"$pipeline\"}[$__rate_interval]))",
                &[&RECORDS_PROCESSED],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Rows rejected",
            description: "Rows a second that each stage sets aside.",
            shape: Shape::Lines,
            unit: "rowsps",
            limits: None,
            width: 12,
            queries: vec![query(
                "sum by (pipeline, stage) (rate(@{env=~\"$env\", pipeline=~\"$pipeline\"}[$__rate_interval]))",
                &[&RECORDS_FAILED],
                "{{pipeline}}/{{stage}}",
            )],
        },
    ]
}

fn which() -> Vec<Panel> {
    vec![
        Panel {
            title: "Quality trend",
            description: "Score of the last judged batch of each dataset; below 80 an alert fires.",
            shape: Shape::Lines,
            unit: "none",
            limits: Some((90.0, 80.0)),
            width: 12,
            queries: vec![query(
                "@{env=~\"$env\", pipeline=~\"$pipeline\"}",
                &[&DATA_QUALITY_SCORE],
                "{{dataset}}",
            )],
        },
        Panel {
            title: "Oldest unread message",
            description: "Age of the oldest message that each reader of a topic has not read.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((300.0, 900.0)),
            width: 12,
            queries: vec![query(
                "max by (group, topic) (@)",
                &[&LAG_SECONDS],
                "{{group}} of {{topic}}",
            )],
        },
        Panel {
            title: "Success of each stage",
            description: "Share of the runs of 24 hours that completed, the worst first.",
            shape: Shape::Table,
            unit: "percent",
            limits: Some((99.0, 90.0)),
            width: 12,
            queries: vec![query(
                "sort(@{env=~\"$env\", pipeline=~\"$pipeline\"})",
                &[&JOB_SUCCESS_RATE],
                "",
            )],
        },
        Panel {
            title: "Lineage events",
            description: "Events kept, of each kind; together they are the total.",
            shape: Shape::Bars,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![
                query(
                    "sum by (event_type) (@{env=~\"$env\"})",
                    &[&EVENT_BREAKDOWN],
                    "{{event_type}}",
                ),
                query("sum(@{env=~\"$env\"})", &[&LINEAGE_EVENTS], "total"),
            ],
        },
    ]
}

/// A worker shows the outbox as well as the store, so it is never added up.
fn delivered() -> Vec<Panel> {
    vec![
        Panel {
            title: "Oldest event to send",
            description: "Age of the oldest event that a target has not taken; above 15 minutes an alert fires.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((300.0, 900.0)),
            width: 8,
            queries: vec![query("max by (target) (@)", &[&OUTBOX_OLDEST_AGE], "{{target}}")],
        },
        Panel {
            title: "Events to send",
            description: "Events that wait to be sent, and those that were refused and wait for a person.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 8,
            queries: vec![query(
                "max by (target, state) (@)",
                &[&OUTBOX_DEPTH],
                "{{target}} {{state}}",
            )],
        },
        Panel {
            title: "Attempts to send",
            description: "A second: events that a target has taken, and attempts that failed.",
            shape: Shape::Lines,
            unit: "ops",
            limits: None,
            width: 8,
            queries: vec![
                query(
                    "max by (target) (rate(@[$__rate_interval]))",
                    &[&OUTBOX_DELIVERED],
                    "{{target}} taken",
                ),
                query(
                    "max by (target) (rate(@[$__rate_interval]))",
                    &[&OUTBOX_FAILURES],
                    "{{target}} failed",
                ),
            ],
        },
    ]
}

fn known() -> Vec<Panel> {
    vec![
        Panel {
            title: "Components that answer",
            description: "1 for each component that answered the last time, 0 for one that did not.",
            shape: Shape::Lines,
            unit: "none",
            limits: None,
            width: 12,
            queries: vec![query("up", &[], "{{job}} {{instance}}")],
        },
        Panel {
            limits: Some((1.0, 0.5)),
            queries: vec![query("min(@)", &[&LOG_UP], "log")],
            ..stat("Log answers", "1 when the log answers all who show metrics, else 0.", "none")
        },
        Panel {
            queries: vec![query("count by (version) (@)", &[&BUILD_INFO], "{{version}}")],
            ..stat("Versions", "How many processes answer with each version of Assay.", "short")
        },
        Panel {
            limits: Some((1.0, 1.0001)),
            queries: vec![query("sum(@)", &[&SERIES_DROPPED], "series")],
            ..stat(
                "Series left out",
                "Series that are not shown since there are more than 10,000.",
                "short",
            )
        },
    ]
}
