//! The figures of the shop, from the tables that the stream keeps, and whether they can be trusted.

use assay_metrics::names::{DATA_QUALITY_SCORE, DEAD_LETTERS, LAG_MESSAGES, LAG_SECONDS};

use crate::grafana::{Dashboard, Panel, Shape, Variable, query, sql};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "assay-business",
        title: "Assay: Business KPIs",
        description: "Orders and payments of the pipeline ecommerce by event time, in UTC, and how far they can be trusted.",
        variables: vec![Variable { label: "env", of: &DATA_QUALITY_SCORE }],
        rows: vec![
            ("How is business?", business()),
            ("Minute by minute", minutes()),
            ("Longer spans", spans()),
            ("Can the figures be trusted?", trust()),
        ],
    }
}

/// One figure of the chosen time.
fn figure(
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    limits: Option<(f64, f64)>,
    of: &str,
) -> Panel {
    Panel {
        title,
        description,
        shape: Shape::Stat,
        unit,
        limits,
        width: 6,
        queries: vec![sql(&format!("SELECT {of} FROM kpi_1m WHERE $__timeFilter(window_start)"))],
    }
}

fn business() -> Vec<Panel> {
    vec![
        figure(
            "Revenue",
            "Sum of the successful payments in the chosen time, as they are, whatever the currency.",
            "short",
            None,
            "coalesce(sum(revenue), 0) AS revenue",
        ),
        figure(
            "Orders",
            "Orders created in the chosen time.",
            "short",
            None,
            "coalesce(sum(orders_created), 0) AS orders",
        ),
        figure(
            "Payments that succeeded",
            "Of the payments that succeeded or failed in the chosen time; nothing when there were none.",
            "percent",
            Some((80.0, 50.0)),
            "100.0 * sum(payment_success) / nullif(sum(payment_success + payment_failed), 0) AS success_rate",
        ),
        figure(
            "Orders cancelled",
            "Orders cancelled in the chosen time.",
            "short",
            None,
            "coalesce(sum(order_cancelled), 0) AS cancelled",
        ),
    ]
}

fn minutes() -> Vec<Panel> {
    let lines = |columns: &str| {
        vec![sql(&format!(
            "SELECT window_start AS time, {columns} FROM kpi_1m WHERE $__timeFilter(window_start) ORDER BY 1"
        ))]
    };
    vec![
        Panel {
            title: "Revenue of each minute",
            description: "Successful payments by the minute in which they happened; the last minutes still grow.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 8,
            queries: lines("revenue"),
        },
        Panel {
            title: "Orders and payments of each minute",
            description: "Events of each kind by the minute in which they happened.",
            shape: Shape::Lines,
            unit: "short",
            limits: None,
            width: 8,
            queries: lines(
                "orders_created, payment_initiated, payment_success, payment_failed, order_cancelled",
            ),
        },
        Panel {
            title: "Success of each minute",
            description: "Of the payments that succeeded or failed in a minute; a gap where there were none.",
            shape: Shape::Lines,
            unit: "percent",
            limits: Some((80.0, 50.0)),
            width: 8,
            queries: lines("success_rate"),
        },
    ]
}

fn spans() -> Vec<Panel> {
    let table = |title, description, view: &str, rows: u32| Panel {
        title,
        description,
        shape: Shape::Table,
        unit: "short",
        limits: None,
        width: 8,
        queries: vec![sql(&format!(
            "SELECT window_start, revenue, orders_created, payment_success, payment_failed, order_cancelled, success_rate FROM {view} WHERE $__timeFilter(window_end) ORDER BY window_start DESC LIMIT {rows}"
        ))],
    };
    vec![
        table("By the quarter of an hour", "Sums of the minutes, newest first.", "v_kpi_15m", 96),
        table("By the hour", "Sums of the minutes, newest first.", "v_kpi_1h", 48),
        Panel {
            title: "Revenue by currency",
            description: "Successful payments of the chosen time, which the sums above add up as they are.",
            shape: Shape::Table,
            unit: "short",
            limits: None,
            width: 8,
            queries: vec![sql(
                "SELECT currency, count(*) AS payments, sum(amount) AS revenue FROM events_clean WHERE event_type = 'payment_success' AND $__timeFilter(event_time) GROUP BY currency ORDER BY currency",
            )],
        },
    ]
}

fn trust() -> Vec<Panel> {
    let mut panels = arrival();
    panels.extend(state());
    panels
}

/// How soon an event is in the figures.
fn arrival() -> Vec<Panel> {
    vec![
        Panel {
            title: "Figures are final until",
            description: "How long ago the last minute ended that no event on time can change any more; five minutes and a bit while events come.",
            shape: Shape::Stat,
            unit: "s",
            limits: Some((600.0, 1800.0)),
            width: 6,
            queries: vec![sql(
                "SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - max(window_end)) AS age FROM v_kpi_1m_final",
            )],
        },
        Panel {
            title: "From the event to the table",
            description: "Time from when an event was made until it was written, half of them and 95 and 99 of 100, by the minute of writing.",
            shape: Shape::Lines,
            unit: "ms",
            limits: None,
            width: 9,
            queries: vec![sql(
                "SELECT date_trunc('minute', t_db_written) AS time, percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_total_ms) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_total_ms) AS p95, percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_total_ms) AS p99 FROM event_traces WHERE $__timeFilter(t_db_written) GROUP BY 1 ORDER BY 1",
            )],
        },
        Panel {
            title: "Where the time goes",
            description: "Mean time of an event to the log, from there to the worker, and into the table, by the minute of writing.",
            shape: Shape::Lines,
            unit: "ms",
            limits: None,
            width: 9,
            queries: vec![sql(
                "SELECT date_trunc('minute', t_db_written) AS time, avg(latency_gen_to_kafka_ms) AS to_log, avg(latency_kafka_to_process_ms) AS to_worker, avg(latency_process_to_db_ms) AS to_table FROM event_traces WHERE $__timeFilter(t_db_written) GROUP BY 1 ORDER BY 1",
            )],
        },
    ]
}

/// What is not in the figures.
fn state() -> Vec<Panel> {
    vec![
        Panel {
            title: "Late events",
            description: "Came more than five minutes behind, and are in no figure until they are sent back: `assay dlq replay --reason late`. Above 100 in an hour an alert fires.",
            shape: Shape::Stat,
            unit: "short",
            limits: Some((1.0, 100.0)),
            width: 6,
            queries: vec![query(
                "sum(@{env=~\"$env\", reason=\"late\"}) or vector(0)",
                &[&DEAD_LETTERS],
                "letters",
            )],
        },
        Panel {
            title: "Events not yet read",
            description: "Messages that each reader of the pipeline has before it; above 10,000 an alert fires.",
            shape: Shape::Lines,
            unit: "short",
            limits: Some((1000.0, 10_000.0)),
            width: 6,
            queries: vec![query(
                "sum by (group) (max by (group, partition) (@{group=~\"ecommerce/.*\"}))",
                &[&LAG_MESSAGES],
                "{{group}}",
            )],
        },
        Panel {
            title: "Age of what is not read",
            description: "Of the oldest message that a reader of the pipeline has before it; above 15 minutes an alert fires.",
            shape: Shape::Lines,
            unit: "s",
            limits: Some((60.0, 900.0)),
            width: 6,
            queries: vec![query(
                "max by (group) (@{group=~\"ecommerce/.*\"})",
                &[&LAG_SECONDS],
                "{{group}}",
            )],
        },
        Panel {
            title: "Score of the events",
            description: "Points of 100 of the last batch of each table; below 80 an alert fires.",
            shape: Shape::Bars,
            unit: "short",
            limits: Some((95.0, 80.0)),
            width: 6,
            queries: vec![query(
                "min by (dataset) (@{env=~\"$env\", pipeline=\"ecommerce\"})",
                &[&DATA_QUALITY_SCORE],
                "{{dataset}}",
            )],
        },
    ]
}
