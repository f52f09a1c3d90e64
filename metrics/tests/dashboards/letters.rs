use assay_metrics::names::{
    COLLECTOR_DEAD_LETTERS, DEAD_LETTERS, DEAD_LETTERS_OLDEST_AGE, RECORDS_FAILED, REPLAY_JOBS,
    REPLAY_SILENCE, SERIALIZATION_ERRORS,
};

use crate::grafana::{Dashboard, Panel, Shape, Variable, query};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "assay-letters",
        title: "Assay: Dead Letters",
        description: "Rows that were set aside: how many, why, since when, and from where.",
        variables: vec![
            Variable { label: "env", of: &DEAD_LETTERS },
            Variable { label: "topic", of: &DEAD_LETTERS },
            Variable { label: "pipeline", of: &RECORDS_FAILED },
        ],
        rows: vec![
            ("Is there anything?", anything()),
            ("Why?", why()),
            ("Where from?", origin()),
            ("Do they come back?", replays()),
        ],
    }
}

fn anything() -> Vec<Panel> {
    vec![
        Panel {
            title: "Letters that wait",
            description: "All letters that are not void.",
            shape: Shape::Stat,
            unit: "short",
            limits: Some((1.0, 1000.0)),
            width: 8,
            queries: vec![query(
                "sum(@{env=~\"$env\", topic=~\"$topic\"})",
                &[&DEAD_LETTERS],
                "letters",
            )],
        },
        Panel {
            title: "More than an hour ago",
            description: "How many came in an hour; above 100 in a topic an alert fires.",
            shape: Shape::Stat,
            unit: "short",
            limits: Some((1.0, 100.0)),
            width: 8,
            queries: vec![query(
                "sum(delta(@{env=~\"$env\", topic=~\"$topic\"}[1h]))",
                &[&DEAD_LETTERS],
                "letters",
            )],
        },
        Panel {
            title: "Oldest letter",
            description: "Age of the oldest letter that waits.",
            shape: Shape::Stat,
            unit: "s",
            limits: Some((86400.0, 604800.0)),
            width: 8,
            queries: vec![query(
                "max(@{env=~\"$env\", topic=~\"$topic\"})",
                &[&DEAD_LETTERS_OLDEST_AGE],
                "oldest",
            )],
        },
    ]
}

fn why() -> Vec<Panel> {
    vec![
        Panel {
            title: "Letters by topic",
            description: "Each topic holds another kind of trouble.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![query(
                "sum by (topic) (@{env=~\"$env\", topic=~\"$topic\"})",
                &[&DEAD_LETTERS],
                "{{topic}}",
            )],
        },
        Panel {
            title: "Letters by reason",
            description: "Why they were set aside.",
            shape: Shape::Bars,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![query(
                "sum by (reason) (@{env=~\"$env\", topic=~\"$topic\"})",
                &[&DEAD_LETTERS],
                "{{reason}}",
            )],
        },
        Panel {
            title: "Age by reason",
            description: "Of the oldest letter of each reason; a week is too long.",
            shape: Shape::Bars,
            unit: "s",
            limits: Some((86400.0, 604800.0)),
            width: 12,
            queries: vec![query(
                "max by (reason) (@{env=~\"$env\", topic=~\"$topic\"})",
                &[&DEAD_LETTERS_OLDEST_AGE],
                "{{reason}}",
            )],
        },
        Panel {
            title: "Unreadable messages",
            description: "Letters whose message nobody could read: a source changed.",
            shape: Shape::Lines,
            unit: "short",
            limits: Some((1.0, 10.0)),
            width: 12,
            queries: vec![query(
                "sum by (reason) (@{env=~\"$env\", reason=~\"schema|undecodable\"})",
                &[&DEAD_LETTERS],
                "{{reason}}",
            )],
        },
    ]
}

fn origin() -> Vec<Panel> {
    vec![
        Panel {
            title: "Rejected rows by stage",
            description: "Rows that each stage set aside in a day.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![query(
                "sum by (pipeline, stage) (increase(@{env=~\"$env\", pipeline=~\"$pipeline\"}[1d]))",
                &[&RECORDS_FAILED],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Events that a collector set aside",
            description: "Accepted events that can never be sent, a day.",
            shape: Shape::Lines,
            unit: "short",
            limits: Some((1.0, 10.0)),
            width: 6,
            queries: vec![query(
                "sum by (instance) (increase(@[1d]))",
                &[&COLLECTOR_DEAD_LETTERS],
                "{{instance}}",
            )],
        },
        Panel {
            title: "Events that became no record",
            description: "Events that did not fit the schema, a day.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 6,
            queries: vec![query(
                "sum by (instance) (increase(@[1d]))",
                &[&SERIALIZATION_ERRORS],
                "{{instance}}",
            )],
        },
    ]
}

fn replays() -> Vec<Panel> {
    vec![
        Panel {
            title: "Replays that are not over",
            description: "Jobs that send letters back; those that stopped or failed wait for a person.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![query("sum by (state) (@{env=~\"$env\"})", &[&REPLAY_JOBS], "{{state}}")],
        },
        Panel {
            title: "Silence of a replay",
            description: "How long the job that was heard of longest ago says nothing; above 15 minutes its process is dead.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((60.0, 900.0)),
            width: 12,
            queries: vec![query("max(@{env=~\"$env\"})", &[&REPLAY_SILENCE], "longest")],
        },
    ]
}
