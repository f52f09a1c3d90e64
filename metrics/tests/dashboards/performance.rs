use assay_metrics::names::{
    API_REQUEST_DURATION, API_REQUESTS, BACKLOG_AGE, BACKLOG_BYTES, BACKLOG_LIMIT, BATCH_SIZE,
    BATCHES_FAILED, BATCHES_SENT, FALLBACK_BATCHES, FOLLOW_BATCHES, FOLLOW_COMMIT, FOLLOW_FENCED,
    FOLLOW_PARTITIONS, FOLLOW_RETRIES, FOLLOW_ROWS, JOB_DURATION, LAG_MESSAGES, LAG_SECONDS,
    METRICS_RECEIVED, METRICS_REJECTED, QUEUE_CAPACITY, QUEUE_SIZE, QUEUE_UTILIZATION,
    RECORDS_PROCESSED, SEND_DURATION, SEND_RETRIES, SERIALIZATION_DURATION, WORKER_ACTIVE,
    WORKER_UPTIME,
};

use crate::grafana::{Dashboard, Panel, Shape, Variable, query};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "assay-performance",
        title: "Assay: Performance",
        description: "How fast rows flow, how far readers are behind, how quickly the collector answers.",
        variables: vec![
            Variable { label: "env", of: &JOB_DURATION },
            Variable { label: "pipeline", of: &JOB_DURATION },
            Variable { label: "stage", of: &JOB_DURATION },
            Variable { label: "topic", of: &LAG_MESSAGES },
            Variable { label: "instance", of: &QUEUE_SIZE },
        ],
        rows: vec![
            ("Does it keep up?", keeps_up()),
            ("Stages", stages()),
            ("Workers that follow", workers()),
            ("Collector: requests", requests()),
            ("Collector: on the way to the log", sending()),
        ],
    }
}

fn keeps_up() -> Vec<Panel> {
    vec![
        Panel {
            title: "Throughput",
            description: "Rows a second that each stage commits.",
            shape: Shape::Lines,
            unit: "rowsps",
            limits: None,
            width: 8,
            queries: vec![query(
                "sum by (pipeline, stage) (rate(@{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"}[$__rate_interval]))",
                &[&RECORDS_PROCESSED],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Unread messages",
            description: "Messages of the log that each reader has not read; above 10,000 an alert fires.",
            shape: Shape::Lines,
            unit: "short",
            limits: Some((1000.0, 10000.0)),
            width: 8,
            queries: vec![query(
                "sum by (group, topic) (max by (group, topic, partition) (@{topic=~\"$topic\"}))",
                &[&LAG_MESSAGES],
                "{{group}} of {{topic}}",
            )],
        },
        Panel {
            title: "Age of the oldest unread message",
            description: "By reader and topic; above a quarter of an hour an alert fires.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((300.0, 900.0)),
            width: 8,
            queries: vec![query(
                "max by (group, topic) (@{topic=~\"$topic\"})",
                &[&LAG_SECONDS],
                "{{group}} of {{topic}}",
            )],
        },
    ]
}

fn stages() -> Vec<Panel> {
    vec![
        Panel {
            title: "Duration of runs, 95th percentile",
            description: "Of the runs of a day that completed.",
            shape: Shape::Lines,
            unit: "s",
            limits: None,
            width: 12,
            queries: vec![query(
                "histogram_quantile(0.95, sum by (pipeline, stage, le) (increase(@_bucket{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\", status=\"complete\"}[1d])))",
                &[&JOB_DURATION],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Mean duration of runs",
            description: "Of the runs of an hour that completed.",
            shape: Shape::Lines,
            unit: "s",
            limits: None,
            width: 12,
            queries: vec![query(
                "assay:job_duration_seconds:mean1h{env=~\"$env\", pipeline=~\"$pipeline\", stage=~\"$stage\"}",
                &[],
                "{{pipeline}}/{{stage}}",
            )],
        },
    ]
}

fn workers() -> Vec<Panel> {
    vec![
        Panel {
            title: "Batches",
            description: "Batches a second that workers commit.",
            shape: Shape::Lines,
            unit: "ops",
            limits: None,
            width: 8,
            queries: vec![query(
                "sum by (pipeline, stage) (rate(@{pipeline=~\"$pipeline\", stage=~\"$stage\"}[$__rate_interval]))",
                &[&FOLLOW_BATCHES],
                "{{pipeline}}/{{stage}}",
            )],
        },
        Panel {
            title: "Rows by what became of them",
            description: "Rows a second of the batches that workers committed.",
            shape: Shape::Lines,
            unit: "rowsps",
            limits: None,
            width: 8,
            queries: vec![query(
                "sum by (stage, outcome) (rate(@{pipeline=~\"$pipeline\", stage=~\"$stage\"}[$__rate_interval]))",
                &[&FOLLOW_ROWS],
                "{{stage}} {{outcome}}",
            )],
        },
        Panel {
            title: "Commits, 95th percentile",
            description: "From the verdict to the end of the commit.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((1.0, 5.0)),
            width: 8,
            queries: vec![query(
                "histogram_quantile(0.95, sum by (stage, le) (rate(@_bucket{pipeline=~\"$pipeline\", stage=~\"$stage\"}[$__rate_interval])))",
                &[&FOLLOW_COMMIT],
                "{{stage}}",
            )],
        },
        Panel {
            title: "Batches begun again",
            description: "Failures that may go by, and batches dropped since another worker was faster.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 12,
            queries: vec![
                query(
                    "sum by (stage) (increase(@{pipeline=~\"$pipeline\", stage=~\"$stage\"}[1h]))",
                    &[&FOLLOW_RETRIES],
                    "{{stage}} again",
                ),
                query(
                    "sum by (stage) (increase(@{pipeline=~\"$pipeline\", stage=~\"$stage\"}[1h]))",
                    &[&FOLLOW_FENCED],
                    "{{stage}} overtaken",
                ),
            ],
        },
        Panel {
            title: "Partitions by worker",
            description: "How the partitions of a topic are shared out.",
            shape: Shape::Lines,
            unit: "none",
            limits: None,
            width: 12,
            queries: vec![query(
                "@{pipeline=~\"$pipeline\", stage=~\"$stage\"}",
                &[&FOLLOW_PARTITIONS],
                "{{stage}} {{instance}}",
            )],
        },
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        Panel {
            title: "Requests",
            description: "Requests a second, by what was answered.",
            shape: Shape::Lines,
            unit: "reqps",
            limits: None,
            width: 8,
            queries: vec![query(
                "sum by (status) (rate(@{instance=~\"$instance\", endpoint=\"/collect\"}[$__rate_interval]))",
                &[&API_REQUESTS],
                "{{status}}",
            )],
        },
        Panel {
            title: "Time to answer",
            description: "95th and 99th percentile; above two seconds an alert fires.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((1.0, 2.0)),
            width: 8,
            queries: vec![
                query(
                    "histogram_quantile(0.95, sum by (le) (rate(@_bucket{instance=~\"$instance\", endpoint=\"/collect\"}[$__rate_interval])))",
                    &[&API_REQUEST_DURATION],
                    "p95",
                ),
                query(
                    "histogram_quantile(0.99, sum by (le) (rate(@_bucket{instance=~\"$instance\", endpoint=\"/collect\"}[$__rate_interval])))",
                    &[&API_REQUEST_DURATION],
                    "p99",
                ),
            ],
        },
        Panel {
            title: "Events",
            description: "Events a second that came, and that were refused by reason.",
            shape: Shape::Lines,
            unit: "ops",
            limits: None,
            width: 8,
            queries: vec![
                query(
                    "sum(rate(@{instance=~\"$instance\"}[$__rate_interval]))",
                    &[&METRICS_RECEIVED],
                    "received",
                ),
                query(
                    "sum by (reason) (rate(@{instance=~\"$instance\"}[$__rate_interval]))",
                    &[&METRICS_REJECTED],
                    "refused: {{reason}}",
                ),
            ],
        },
    ]
}

fn sending() -> Vec<Panel> {
    vec![
        Panel {
            title: "Events that wait",
            description: "Events that were accepted and are not in the log yet, and how many may.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 8,
            queries: vec![
                query("@{instance=~\"$instance\"}", &[&QUEUE_SIZE], "{{instance}}"),
                query("@{instance=~\"$instance\"}", &[&QUEUE_CAPACITY], "may"),
            ],
        },
        Panel {
            title: "Queue",
            description: "Share of what may wait; above 80 an alert fires.",
            shape: Shape::Lines,
            unit: "percent",
            limits: Some((80.0, 100.0)),
            width: 8,
            queries: vec![query(
                "@{instance=~\"$instance\"}",
                &[&QUEUE_UTILIZATION],
                "{{instance}}",
            )],
        },
        Panel {
            title: "Backlog on the disk",
            description: "What segments take, and what they may.",
            shape: Shape::Lines,
            unit: "bytes",
            limits: None,
            width: 8,
            queries: vec![
                query("@{instance=~\"$instance\"}", &[&BACKLOG_BYTES], "{{instance}}"),
                query("@{instance=~\"$instance\"}", &[&BACKLOG_LIMIT], "may"),
            ],
        },
        Panel {
            title: "Messages",
            description: "Messages a second that the log has taken, has not taken, and that were left for later.",
            shape: Shape::Lines,
            unit: "ops",
            limits: None,
            width: 8,
            queries: vec![
                query(
                    "sum(rate(@{instance=~\"$instance\"}[$__rate_interval]))",
                    &[&BATCHES_SENT],
                    "sent",
                ),
                query(
                    "sum(rate(@{instance=~\"$instance\"}[$__rate_interval]))",
                    &[&BATCHES_FAILED],
                    "failed",
                ),
                query(
                    "sum(rate(@{instance=~\"$instance\"}[$__rate_interval]))",
                    &[&FALLBACK_BATCHES],
                    "left for later",
                ),
                query(
                    "sum(rate(@{instance=~\"$instance\"}[$__rate_interval]))",
                    &[&SEND_RETRIES],
                    "again",
                ),
            ],
        },
        Panel {
            title: "Time of an append, 95th percentile",
            description: "How long the log takes for one append.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((1.0, 5.0)),
            width: 8,
            queries: vec![
                query(
                    "histogram_quantile(0.95, sum by (le) (rate(@_bucket{instance=~\"$instance\"}[$__rate_interval])))",
                    &[&SEND_DURATION],
                    "append",
                ),
                query(
                    "histogram_quantile(0.95, sum by (le) (rate(@_bucket{instance=~\"$instance\"}[$__rate_interval])))",
                    &[&SERIALIZATION_DURATION],
                    "packing",
                ),
            ],
        },
        Panel {
            title: "Events in a message",
            description: "The mean; more is cheaper, and comes later.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 8,
            queries: vec![query(
                "sum(rate(@_sum{instance=~\"$instance\"}[$__rate_interval])) / sum(rate(@_count{instance=~\"$instance\"}[$__rate_interval]))",
                &[&BATCH_SIZE, &BATCH_SIZE],
                "mean",
            )],
        },
        Panel {
            title: "Age of the oldest event",
            description: "How long the oldest event has waited to be sent.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((60.0, 900.0)),
            width: 8,
            queries: vec![query("@{instance=~\"$instance\"}", &[&BACKLOG_AGE], "{{instance}}")],
        },
        Panel {
            title: "Sends",
            description: "1 while the log takes what is sent, 0 while it does not.",
            shape: Shape::Lines,
            unit: "none",
            limits: None,
            width: 8,
            queries: vec![query("@{instance=~\"$instance\"}", &[&WORKER_ACTIVE], "{{instance}}")],
        },
        Panel {
            title: "Uptime",
            description: "How long the sender has run.",
            shape: Shape::Lines,
            unit: "s",
            limits: None,
            width: 8,
            queries: vec![query("@{instance=~\"$instance\"}", &[&WORKER_UPTIME], "{{instance}}")],
        },
    ]
}
