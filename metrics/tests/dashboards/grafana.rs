//! Just enough of Grafana's dashboards: panels in rows, with queries, a unit and words.

use assay_metrics::names::Metric;
use serde_json::{Value, json};

/// The version of the schema that this is written in; Grafana migrates it to its own.
const SCHEMA_VERSION: u32 = 42;

/// A row of Grafana's grid has so many columns.
const COLUMNS: u32 = 24;

/// Who answers a query; which one it is is chosen at the top.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Prometheus,
    Postgres,
}

impl Source {
    fn kind(self) -> &'static str {
        match self {
            Source::Prometheus => "prometheus",
            Source::Postgres => "grafana-postgresql-datasource",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Source::Prometheus => "datasource",
            Source::Postgres => "database",
        }
    }

    fn json(self) -> Value {
        json!({"type": self.kind(), "uid": format!("${{{}}}", self.variable())})
    }

    fn choice(self) -> Value {
        let label = match self {
            Source::Prometheus => "Data source",
            Source::Postgres => "Database",
        };
        json!({
            "name": self.variable(), "label": label, "type": "datasource",
            "query": self.kind(), "hide": 0, "refresh": 1, "current": {}, "options": [],
        })
    }
}

pub(crate) struct Dashboard {
    pub(crate) uid: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) variables: Vec<Variable>,
    pub(crate) rows: Vec<(&'static str, Vec<Panel>)>,
}

/// A choice at the top: the values of a label.
pub(crate) struct Variable {
    pub(crate) label: &'static str,
    pub(crate) of: &'static Metric,
}

#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One number, with the line behind it.
    Stat,
    Lines,
    Bars,
    Table,
}

pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) shape: Shape,
    pub(crate) unit: &'static str,
    /// Where it turns from good to warning to bad; the first is the worse when they fall.
    pub(crate) limits: Option<(f64, f64)>,
    pub(crate) width: u32,
    pub(crate) queries: Vec<Query>,
}

pub(crate) struct Query {
    expression: String,
    legend: &'static str,
    source: Source,
}

/// A query in which each `@` stands for the name of the next metric.
pub(crate) fn query(expression: &str, metrics: &[&Metric], legend: &'static str) -> Query {
    let mut parts = expression.split('@');
    let mut expression = parts.next().unwrap_or_default().to_owned();
    let mut metrics = metrics.iter();
    for part in parts {
        expression.push_str(metrics.next().expect("a metric for each @").name);
        expression.push_str(part);
    }
    assert!(metrics.next().is_none(), "an @ for each metric: {expression}");
    Query { expression, legend, source: Source::Prometheus }
}

/// A query of the database of a stream. Lines have their time in `time`, and one for each other
/// column.
pub(crate) fn sql(text: &str) -> Query {
    Query { expression: text.to_owned(), legend: "", source: Source::Postgres }
}

impl Dashboard {
    pub(crate) fn json(&self) -> Value {
        let mut panels = vec![];
        let (mut id, mut y) = (0, 0);
        for (title, row) in &self.rows {
            id += 1;
            panels.push(json!({
                "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            }));
            y += 1;
            let (mut x, mut height) = (0, 0);
            for panel in row {
                if x + panel.width > COLUMNS {
                    (x, y, height) = (0, y + height, 0);
                }
                id += 1;
                let tall = panel.height();
                let place = json!({"x": x, "y": y, "w": panel.width, "h": tall});
                panels.push(panel.json(id, &place));
                (x, height) = (x + panel.width, height.max(tall));
            }
            y += height;
        }
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["assay"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-24h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": self.variables_json()},
            "annotations": {"list": annotations()},
            "links": links(),
            "panels": panels,
        })
    }

    fn variables_json(&self) -> Vec<Value> {
        let mut list = vec![Source::Prometheus.choice()];
        let mut panels = self.rows.iter().flat_map(|(_, row)| row);
        if panels.any(|panel| panel.source() == Source::Postgres) {
            list.push(Source::Postgres.choice());
        }
        for Variable { label, of } in &self.variables {
            let query = format!("label_values({}, {label})", of.series());
            list.push(json!({
                "name": label, "label": label, "type": "query",
                "datasource": Source::Prometheus.json(),
                "query": {"query": query, "refId": label}, "definition": query,
                "includeAll": true, "multi": true, "allValue": ".*", "refresh": 2, "sort": 1,
                "hide": 0, "regex": "", "options": [],
                "current": {"text": ["All"], "value": ["$__all"]},
            }));
        }
        list
    }
}

/// The series by whose labels a choice is made.
trait Series {
    fn series(&self) -> String;
}

impl Series for Metric {
    fn series(&self) -> String {
        match self.kind {
            assay_metrics::names::Kind::Histogram => format!("{}_count", self.name),
            _ => self.name.to_owned(),
        }
    }
}

impl Panel {
    fn height(&self) -> u32 {
        if matches!(self.shape, Shape::Stat) { 4 } else { 8 }
    }

    fn json(&self, id: u32, place: &Value) -> Value {
        let target = |(at, query): (usize, &Query)| {
            let name = char::from(b'A' + u8::try_from(at).unwrap()).to_string();
            query.json(&name, self.shape)
        };
        let targets: Vec<Value> = self.queries.iter().enumerate().map(target).collect();
        json!({
            "id": id,
            "type": self.kind(),
            "title": self.title,
            "description": self.description,
            "datasource": self.source().json(),
            "gridPos": place,
            "targets": targets,
            "fieldConfig": {"defaults": self.field(), "overrides": []},
            "options": self.options(),
        })
    }

    /// All queries of a panel are answered by the same.
    fn source(&self) -> Source {
        let mut sources = self.queries.iter().map(|query| query.source);
        let first = sources.next().expect("a panel asks something");
        assert!(sources.all(|source| source == first), "{}: two sources", self.title);
        first
    }

    fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Stat => "stat",
            Shape::Lines => "timeseries",
            Shape::Bars => "bargauge",
            Shape::Table => "table",
        }
    }

    fn field(&self) -> Value {
        let steps = match self.limits {
            None => json!([{"color": "text", "value": null}]),
            Some((warning, bad)) if warning < bad => json!([
                {"color": "green", "value": null},
                {"color": "orange", "value": warning},
                {"color": "red", "value": bad},
            ]),
            Some((warning, bad)) => json!([
                {"color": "red", "value": null},
                {"color": "orange", "value": bad},
                {"color": "green", "value": warning},
            ]),
        };
        let mode = if self.limits.is_some() { "thresholds" } else { "palette-classic" };
        let colour = if matches!(self.shape, Shape::Lines) { "palette-classic" } else { mode };
        json!({
            "unit": self.unit,
            "color": {"mode": colour},
            "thresholds": {"mode": "absolute", "steps": steps},
        })
    }

    fn options(&self) -> Value {
        let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        match self.shape {
            Shape::Stat => json!({
                "reduceOptions": last, "colorMode": "value", "graphMode": "area",
                "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
            }),
            Shape::Bars => json!({
                "reduceOptions": last, "displayMode": "gradient", "orientation": "horizontal",
            }),
            Shape::Lines => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true,
                           "calcs": []},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Shape::Table => json!({"showHeader": true}),
        }
    }
}

impl Query {
    fn json(&self, name: &str, shape: Shape) -> Value {
        let table = matches!(shape, Shape::Table);
        match self.source {
            Source::Prometheus => json!({
                "refId": name, "datasource": self.source.json(),
                "expr": self.expression, "legendFormat": self.legend,
                "range": !table, "instant": table,
                "format": if table { "table" } else { "time_series" },
            }),
            Source::Postgres => json!({
                "refId": name, "datasource": self.source.json(),
                "rawSql": self.expression, "rawQuery": true, "editorMode": "code",
                "format": if matches!(shape, Shape::Lines) { "time_series" } else { "table" },
            }),
        }
    }
}

/// When runs completed, and when another version came.
fn annotations() -> Vec<Value> {
    use assay_metrics::names::{BUILD_INFO, JOB_LAST_SUCCESS};
    let one = |name: &str, expression: Query, colour: &str, on: bool| {
        json!({
            "name": name, "datasource": Source::Prometheus.json(), "enable": on, "hide": false,
            "iconColor": colour, "expr": expression.expression, "step": "60s",
            "titleFormat": name, "textFormat": expression.legend,
        })
    };
    let runs = query("changes(@[5m]) > 0", &[&JOB_LAST_SUCCESS], "{{pipeline}}/{{stage}}");
    let versions = "count by (version) (@) unless count by (version) (@ offset 5m)";
    let versions = query(versions, &[&BUILD_INFO, &BUILD_INFO], "{{version}}");
    vec![
        one("A run completed", runs, "green", false),
        one("Another version", versions, "blue", true),
    ]
}

fn links() -> Vec<Value> {
    let link = |title: &str, kind: &str, url: &str, tags: &[&str]| {
        json!({
            "title": title, "type": kind, "url": url, "tags": tags, "icon": "external link",
            "asDropdown": kind == "dashboards", "includeVars": true, "keepTime": true,
            "targetBlank": false, "tooltip": "",
        })
    };
    vec![link("Assay", "dashboards", "", &["assay"]), link("Alerts", "link", "/alerting/list", &[])]
}
