//! What the labels of metrics may say. Each is a closed set, so that the number of series is known.

/// A label, whatever metrics have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
}

/// What bounds the values of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// These, and no others.
    Closed(&'static [&'static str]),
    /// What a person wrote down: as many as there.
    Written(&'static str),
}

pub static LABELS: [Label; 17] = [
    Label {
        name: "dataset",
        values: Values::Written("`datasets` of the pipelines, as layer.name"),
    },
    Label {
        name: "dimension",
        values: Values::Closed(&[
            "completeness",
            "uniqueness",
            "validity",
            "consistency",
            "timeliness",
            "accuracy",
        ]),
    },
    Label {
        name: "endpoint",
        values: Values::Written(
            "the own paths of the collector or sidecar; every other one is `other`",
        ),
    },
    Label {
        name: "event_type",
        values: Values::Closed(&[
            "ingestion",
            "transformation",
            "job_start",
            "job_end",
            "api_request",
        ]),
    },
    Label {
        name: "group",
        values: Values::Written("the reader of a topic, as pipeline/stage; its group in Kafka"),
    },
    Label { name: "layer", values: Values::Closed(&["log", "bronze", "silver", "gold"]) },
    Label {
        name: "outcome",
        values: Values::Closed(&["written", "rejected", "filtered", "duplicate"]),
    },
    Label { name: "partition", values: Values::Written("`partitions` of the topic, from 0") },
    Label { name: "pipeline", values: Values::Written("the names of the pipelines") },
    Label {
        name: "reason",
        values: Values::Written(
            "of a letter as in [dead letters](dead-letters.md), or `unknown`; of a refusal the `error` of the answer",
        ),
    },
    Label { name: "severity", values: Values::Closed(&["info", "warning", "error", "critical"]) },
    Label { name: "stage", values: Values::Written("`stages` of the pipeline, and `ingest`") },
    Label {
        name: "state",
        values: Values::Closed(&["waiting", "parked", "running", "stopped", "failed"]),
    },
    Label {
        name: "status",
        values: Values::Written(
            "of a run `complete`, `halted`, `failed`, `aborted`; of a request its HTTP status",
        ),
    },
    Label {
        name: "target",
        values: Values::Written("`openmetadata`, and the names of `openlineage` in the settings"),
    },
    Label { name: "topic", values: Values::Written("the topics of the log") },
    Label { name: "version", values: Values::Written("the version of the process") },
];
