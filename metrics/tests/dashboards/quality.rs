use assay_metrics::names::{
    DATA_QUALITY_SCORE, DEAD_LETTERS, DIMENSION_SCORE, QUALITY_CHECKS, QUALITY_CHECKS_FAILED,
    RECORDS_FAILED, RECORDS_PROCESSED,
};

use crate::grafana::{Dashboard, Panel, Shape, Variable, query};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "assay-quality",
        title: "Assay: Data Quality",
        description: "How good the data is: by layer, by dataset, by rule, and what was set aside.",
        variables: vec![
            Variable { label: "env", of: &DATA_QUALITY_SCORE },
            Variable { label: "pipeline", of: &DATA_QUALITY_SCORE },
            Variable { label: "dataset", of: &DATA_QUALITY_SCORE },
        ],
        rows: vec![("Is it good?", good()), ("Which dataset?", which()), ("What broke?", broke())],
    }
}

fn good() -> Vec<Panel> {
    vec![
        Panel {
            title: "Score by layer",
            description: "The lowest score of the last judged batches of each layer.",
            shape: Shape::Stat,
            unit: "none",
            limits: Some((90.0, 80.0)),
            width: 8,
            queries: vec![query(
                "min by (layer) (@{env=~\"$env\", pipeline=~\"$pipeline\", dataset=~\"$dataset\"})",
                &[&DATA_QUALITY_SCORE],
                "{{layer}}",
            )],
        },
        Panel {
            title: "Rules broken in 24 hours",
            description: "Rules that batches of 24 hours broke, by severity.",
            shape: Shape::Stat,
            unit: "short",
            limits: None,
            width: 8,
            queries: vec![query(
                "sum by (severity) (increase(@{env=~\"$env\", pipeline=~\"$pipeline\", dataset=~\"$dataset\"}[24h]))",
                &[&QUALITY_CHECKS_FAILED],
                "{{severity}}",
            )],
        },
        Panel {
            title: "Data loss in 24 hours",
            description: "Share of the rows of 24 hours that was rejected.",
            shape: Shape::Stat,
            unit: "percentunit",
            limits: Some((0.01, 0.05)),
            width: 8,
            queries: vec![query(
                "sum(increase(@{env=~\"$env\", pipeline=~\"$pipeline\"}[24h])) / (sum(increase(@{env=~\"$env\", pipeline=~\"$pipeline\"}[24h])) + sum(increase(@{env=~\"$env\", pipeline=~\"$pipeline\"}[24h])) > 0)",
                &[&RECORDS_FAILED, &RECORDS_FAILED, &RECORDS_PROCESSED],
                "lost",
            )],
        },
    ]
}

fn which() -> Vec<Panel> {
    vec![
        Panel {
            title: "Score by dataset",
            description: "Score of the last judged batch; below 80 an alert fires.",
            shape: Shape::Lines,
            unit: "none",
            limits: Some((90.0, 80.0)),
            width: 12,
            queries: vec![query(
                "@{env=~\"$env\", pipeline=~\"$pipeline\", dataset=~\"$dataset\"}",
                &[&DATA_QUALITY_SCORE],
                "{{dataset}}",
            )],
        },
        Panel {
            title: "Score by dimension",
            description: "What the rules of one dimension alone give; completeness is about missing values.",
            shape: Shape::Bars,
            unit: "none",
            limits: Some((95.0, 80.0)),
            width: 12,
            queries: vec![query(
                "min by (dataset, dimension) (@{env=~\"$env\", pipeline=~\"$pipeline\", dataset=~\"$dataset\"})",
                &[&DIMENSION_SCORE],
                "{{dataset}} {{dimension}}",
            )],
        },
    ]
}

fn broke() -> Vec<Panel> {
    vec![
        Panel {
            title: "Rules broken",
            description: "Rules that were broken or not evaluated, a day.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 8,
            queries: vec![query(
                "sum by (dataset, severity) (increase(@{env=~\"$env\", pipeline=~\"$pipeline\", dataset=~\"$dataset\"}[1d]))",
                &[&QUALITY_CHECKS_FAILED],
                "{{dataset}} {{severity}}",
            )],
        },
        Panel {
            title: "Share of rules broken",
            description: "Of the rules that were judged, by dataset.",
            shape: Shape::Lines,
            unit: "percentunit",
            limits: Some((0.01, 0.1)),
            width: 8,
            queries: vec![query(
                "sum by (dataset) (increase(@{env=~\"$env\", pipeline=~\"$pipeline\", dataset=~\"$dataset\"}[1d])) / sum by (dataset) (increase(@{env=~\"$env\", pipeline=~\"$pipeline\", dataset=~\"$dataset\"}[1d]))",
                &[&QUALITY_CHECKS_FAILED, &QUALITY_CHECKS],
                "{{dataset}}",
            )],
        },
        Panel {
            title: "Schema errors",
            description: "Messages that were set aside since nobody could read them, and wait.",
            shape: Shape::Lines,
            unit: "short",
            limits: Some((1.0, 10.0)),
            width: 8,
            queries: vec![query(
                "sum by (reason) (@{env=~\"$env\", reason=~\"schema|undecodable\"})",
                &[&DEAD_LETTERS],
                "{{reason}}",
            )],
        },
    ]
}
