use assay_metrics::names::{
    FOLLOW_LAST_SUCCESS, FOLLOW_PAUSED, JOB_DURATION, JOB_LAST_SUCCESS, JOB_SUCCESS_RATE,
};

use crate::grafana::{Dashboard, Panel, Shape, Variable, query};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "assay-sla",
        title: "Assay: Pipeline SLA",
        description: "Whether stages run, end well, and keep what is promised: less than 26 hours old in 99 % of the minutes.",
        variables: vec![
            Variable { label: "env", of: &JOB_LAST_SUCCESS },
            Variable { label: "pipeline", of: &JOB_LAST_SUCCESS },
            Variable { label: "stage", of: &JOB_LAST_SUCCESS },
        ],
        rows: vec![
            ("Is the promise kept?", promise()),
            ("Which stage?", which()),
            ("Workers that follow", workers()),
        ],
    }
}

fn promise() -> Vec<Panel> {
    vec![
        Panel {
            title: "Stalest stage",
            description: "How long ago the stage that is worst off completed.",
            shape: Shape::Stat,
            unit: "s",
            limits: Some((93600.0, 180000.0)),
            width: 8,
            queries: vec![query(
                "max(time() - @{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"})",
                &[&JOB_LAST_SUCCESS],
                "age",
            )],
        },
        Panel {
            title: "Stale in three days",
            description: "Of all minutes of three days, the share in which a stage was stale; 1 % is promised.",
            shape: Shape::Stat,
            unit: "percentunit",
            limits: Some((0.005, 0.01)),
            width: 8,
            queries: vec![query(
                "max(assay:job_stale:ratio3d{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"})",
                &[],
                "stale",
            )],
        },
        Panel {
            title: "Completed in 24 hours",
            description: "Share of the runs of all stages that completed.",
            shape: Shape::Stat,
            unit: "percentunit",
            limits: Some((0.99, 0.9)),
            width: 8,
            queries: vec![query(
                "sum(increase(@_count{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\", status=\"complete\"}[24h])) / (sum(increase(@_count{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"}[24h])) > 0)",
                &[&JOB_DURATION, &JOB_DURATION],
                "complete",
            )],
        },
    ]
}

fn which() -> Vec<Panel> {
    vec![
        Panel {
            title: "Age of the last success",
            description: "By stage; beyond 26 hours an alert fires.",
            shape: Shape::Bars,
            unit: "s",
            limits: Some((93600.0, 180000.0)),
            width: 12,
            queries: vec![query(
                "time() - @{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"}",
                &[&JOB_LAST_SUCCESS],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Success rate",
            description: "Share of the runs of 24 hours that completed; below 90 an alert fires.",
            shape: Shape::Bars,
            unit: "percent",
            limits: Some((99.0, 90.0)),
            width: 12,
            queries: vec![query(
                "@{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"}",
                &[&JOB_SUCCESS_RATE],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Runs by how they ended",
            description: "Runs of a day by status: halted by quality, failed, or aborted with their process.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![query(
                "sum by (status) (increase(@_count{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"}[1d]))",
                &[&JOB_DURATION],
                "{{status}}",
            )],
        },
        Panel {
            title: "Rows in 24 hours",
            description: "Rows that each stage wrote.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![query(
                "assay:records_processed:increase24h{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"}",
                &[],
                "{{pipeline}}/{{stage}}",
            )],
        },
    ]
}

fn workers() -> Vec<Panel> {
    vec![
        Panel {
            title: "Paused stages",
            description: "1 while a person has paused the stage.",
            shape: Shape::Lines,
            unit: "none",
            limits: None,
            width: 12,
            queries: vec![query(
                "max by (pipeline, stage) (@{pipeline=~\"$pipeline\", stage=~\"$stage\"})",
                &[&FOLLOW_PAUSED],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Since a worker got on",
            description: "Seconds since it committed, or found nothing new; beyond ten minutes an alert fires.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((300.0, 600.0)),
            width: 12,
            queries: vec![query(
                "time() - @{pipeline=~\"$pipeline\", stage=~\"$stage\"}",
                &[&FOLLOW_LAST_SUCCESS],
                "{{stage}} {{instance}}",
            )],
        },
    ]
}
