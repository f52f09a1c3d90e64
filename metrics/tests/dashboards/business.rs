use crate::grafana::{Dashboard, Panel, Query, Shape, Source, sql};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        source: Source::Postgres,
        uid: "assay-business",
        title: "Assay: Business KPIs",
        description: "What the shop earns, minute by minute, as the stream writes it into Postgres.",
        variables: vec![],
        rows: vec![
            ("How does it go?", sums()),
            ("Each minute", minutes()),
            ("How fresh is it?", freshness()),
            ("Day by day", days()),
        ],
    }
}

fn sums() -> Vec<Panel> {
    let of = |what: &str| {
        vec![sql(&format!("SELECT {what} FROM kpi_1m WHERE $__timeFilter(window_start)"))]
    };
    let stat = |title, description, unit, queries| Panel {
        title,
        description,
        shape: Shape::Stat,
        unit,
        limits: None,
        width: 8,
        queries,
    };
    let share = "100.0 * sum(payment_success) / nullif(sum(payment_success + payment_failed), 0)";
    vec![
        stat(
            "Revenue",
            "Successful payments of the chosen time, as they are, whatever the currency.",
            "none",
            of("sum(revenue) AS revenue"),
        ),
        stat(
            "Orders",
            "Orders that were created in the chosen time.",
            "short",
            of("sum(orders_created) AS orders"),
        ),
        Panel {
            limits: Some((85.0, 70.0)),
            ..stat(
                "Payments that succeed",
                "Of all payments of the chosen time that succeeded or failed.",
                "percent",
                of(&format!("{share} AS share")),
            )
        },
    ]
}

fn lines(
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    queries: Vec<Query>,
) -> Panel {
    Panel { title, description, shape: Shape::Lines, unit, limits: None, width: 12, queries }
}

fn of_table(columns: &str, table: &str) -> Vec<Query> {
    vec![sql(&format!(
        "SELECT window_start AS \"time\", {columns} FROM {table} \
         WHERE $__timeFilter(window_start) ORDER BY 1"
    ))]
}

fn minutes() -> Vec<Panel> {
    vec![
        lines(
            "Revenue of each minute",
            "By the time of the events. Late ones that were replayed are in their minutes.",
            "none",
            of_table("revenue", "kpi_1m"),
        ),
        lines(
            "Events of each minute",
            "By what happened, and when.",
            "short",
            of_table(
                "orders_created, payment_initiated, payment_success, payment_failed, order_cancelled",
                "kpi_1m",
            ),
        ),
        lines(
            "Revenue of each quarter of an hour",
            "The same, summed up by the database.",
            "none",
            of_table("revenue", "v_kpi_15m"),
        ),
        lines(
            "Share of payments that succeed",
            "In each quarter of an hour; nothing where none succeeded or failed.",
            "percent",
            of_table("success_rate", "v_kpi_15m"),
        ),
    ]
}

fn freshness() -> Vec<Panel> {
    let waits = "SELECT count(*) AS minutes FROM kpi_1m \
                 WHERE window_end > assay.final_until('ecommerce/stream')";
    let parts = |quantile: &str, name: &str| {
        format!(
            "percentile_cont({quantile}) WITHIN GROUP (ORDER BY latency_total_ms) AS \"{name}\""
        )
    };
    let all = [parts("0.5", "p50"), parts("0.95", "p95"), parts("0.99", "p99")].join(", ");
    vec![
        lines(
            "From made to written",
            "How long events take that were written in a minute: from the time that their sender says to \
             the transaction that writes them. Those that were replayed took long.",
            "ms",
            vec![sql(&format!(
                "SELECT date_trunc('minute', t_db_written) AS \"time\", {all} FROM event_traces \
                 WHERE $__timeFilter(t_db_written) GROUP BY 1 ORDER BY 1"
            ))],
        ),
        Panel {
            title: "Minutes that may still change",
            description: "Those that an event on time can still add to. Many of them: a partition is behind.",
            shape: Shape::Stat,
            unit: "short",
            limits: Some((15.0, 60.0)),
            width: 12,
            queries: vec![sql(waits)],
        },
    ]
}

fn days() -> Vec<Panel> {
    vec![Panel {
        title: "Days",
        description: "The figures of each day, by UTC. Today's goes on.",
        shape: Shape::Table,
        unit: "none",
        limits: None,
        width: 24,
        queries: vec![sql(
            "SELECT window_start::date AS day, revenue, orders_created, payment_initiated, \
             payment_success, payment_failed, order_cancelled, success_rate \
             FROM v_kpi_24h ORDER BY 1 DESC LIMIT 31",
        )],
    }]
}
