//! Where a dataset of a lineage event stands in OpenMetadata.

use std::collections::BTreeMap;

use serde_json::Value;

use super::name::{clean, full};

/// The catalog that our own tables are named in by their symlinks.
const OURS: &str = "assay";

/// How services are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// Of our own tables, topics and pipelines.
    pub service: String,
    /// The database that our tables are shown in.
    pub database: String,
    /// Services that are there already, by the OpenLineage namespace of what is in them. What they
    /// hold is theirs: it is made when it is missing, and never changed.
    pub services: BTreeMap<String, String>,
}

impl Default for Naming {
    fn default() -> Naming {
        let (service, database) = ("assay".to_owned(), "lake".to_owned());
        Naming { service, database, services: BTreeMap::new() }
    }
}

/// A table or topic by its names in OpenMetadata.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Table { service: String, database: String, schema: String, table: String },
    Topic { service: String, topic: String },
}

/// What a service is, for one that has to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) kind: &'static str,
    /// Whether we may change what is in it.
    pub(super) ours: bool,
    /// Of a broker.
    pub(super) brokers: Option<String>,
}

impl Place {
    pub(super) fn full_name(&self) -> String {
        match self {
            Place::Table { service, database, schema, table } => {
                full([service.as_str(), database, schema, table])
            }
            Place::Topic { service, topic } => full([service.as_str(), topic]),
        }
    }
}

impl Naming {
    /// One of our own tables.
    pub(super) fn table(&self, layer: &str, table: &str) -> Place {
        Place::Table {
            service: clean(&self.service),
            database: clean(&self.database),
            schema: clean(layer),
            table: clean(table),
        }
    }

    /// A topic of the log that has `namespace`.
    pub(super) fn topic(&self, namespace: &str, topic: &str) -> (Place, Service) {
        let brokers = namespace.strip_prefix("kafka://");
        let given = self.services.get(namespace);
        let service = given.map(String::as_str).or(brokers).unwrap_or(&self.service);
        let kind = if brokers.is_some() { "Kafka" } else { "CustomMessaging" };
        let place = Place::Topic { service: clean(service), topic: clean(topic) };
        let ours = given.is_none();
        (place, Service { kind, ours, brokers: brokers.map(str::to_owned) })
    }

    /// Where the dataset of an event stands; nowhere when it is a file, which comes and goes.
    pub(super) fn place(&self, dataset: &Value) -> Option<(Place, Service)> {
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let (namespace, name) = (text(dataset, "namespace")?, text(dataset, "name")?);
        let facets = &dataset["facets"];
        let links = facets["symlinks"]["identifiers"].as_array();
        let link = links.into_iter().flatten().find_map(|link| {
            Some((text(link, "namespace")?, text(link, "name")?))
                .filter(|_| link["type"] != "TOPIC")
        });
        let kind = facets["datasetType"]["datasetType"].as_str().unwrap_or_default();
        let topic = kind == "TOPIC"
            || ["kafka://", "assay-log://"].iter().any(|scheme| namespace.starts_with(scheme));
        match link {
            Some((catalog, name)) if catalog == OURS => {
                let (layer, table) = name.split_once('.')?;
                let ours = Service { kind: "CustomDatabase", ours: true, brokers: None };
                Some((self.table(layer, table), ours))
            }
            _ if topic => Some(self.topic(&namespace, &name)),
            Some((catalog, name)) => Some(self.foreign(&catalog, &name)),
            None if is_of_files(&namespace) => None,
            None => Some(self.foreign(&namespace, &name)),
        }
    }

    fn foreign(&self, namespace: &str, name: &str) -> (Place, Service) {
        let (scheme, authority) = namespace.split_once("://").unwrap_or(("", namespace));
        let given = self.services.get(namespace);
        let authority = if authority.is_empty() { scheme } else { authority };
        let service = given.map_or(authority, String::as_str);
        // The last part is the table, and what is not said is called default.
        let mut parts = name.trim_matches('/').rsplitn(3, '.');
        let table = parts.next().unwrap_or_default();
        let schema = parts.next().unwrap_or("default");
        let database = parts.next().unwrap_or("default");
        let place = Place::Table {
            service: clean(service),
            database: clean(database),
            schema: clean(schema),
            table: clean(table),
        };
        let kind = match scheme {
            "postgres" | "postgresql" => "Postgres",
            "mysql" => "Mysql",
            "snowflake" => "Snowflake",
            "bigquery" => "BigQuery",
            "trino" => "Trino",
            _ => "CustomDatabase",
        };
        (place, Service { kind, ours: given.is_none(), brokers: None })
    }
}

fn is_of_files(namespace: &str) -> bool {
    let scheme = namespace.split("://").next().unwrap_or_default();
    ["file", "s3", "s3a", "gs", "hdfs", "abfss", "wasbs", "dbfs"].contains(&scheme)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(dataset: &Value) -> Option<(String, &'static str)> {
        let (place, service) = Naming::default().place(dataset)?;
        Some((place.full_name(), service.kind))
    }

    #[test]
    fn a_table_of_ours_stands_in_our_service_under_its_layer() {
        let table = json!({"namespace": "file", "name": "/lake/silver/events", "facets": {
            "symlinks": {"identifiers": [{"namespace": "assay", "name": "silver.events.v1", "type": "TABLE"}]},
            "datasetType": {"datasetType": "TABLE"}}});
        assert_eq!(
            of(&table),
            Some(("assay.lake.silver.\"events.v1\"".to_owned(), "CustomDatabase"))
        );
    }

    #[test]
    fn a_topic_stands_in_its_log_and_a_file_nowhere() {
        let facets = json!({"datasetType": {"datasetType": "TOPIC"}});
        let topic =
            json!({"namespace": "assay-log:///data/log.db", "name": "raw", "facets": facets});
        assert_eq!(of(&topic), Some(("assay.raw".to_owned(), "CustomMessaging")));
        let topic = json!({"namespace": "kafka://k1:9092", "name": "orders.v1"});
        assert_eq!(of(&topic), Some(("k1:9092.\"orders.v1\"".to_owned(), "Kafka")));
        assert_eq!(of(&json!({"namespace": "file", "name": "/in/a.json"})), None);
    }

    #[test]
    fn what_others_hold_stands_where_it_is_said_or_under_its_server() {
        let table = json!({"namespace": "postgres://db:5432", "name": "shop.public.orders"});
        assert_eq!(of(&table), Some(("db:5432.shop.public.orders".to_owned(), "Postgres")));
        let services = BTreeMap::from([("postgres://db:5432".to_owned(), "my_pg".to_owned())]);
        let naming = Naming { services, ..Naming::default() };
        let (place, service) = naming.place(&table).unwrap();
        assert_eq!((place.full_name().as_str(), service.ours), ("my_pg.shop.public.orders", false));
        let short = json!({"namespace": "bigquery", "name": "orders"});
        assert_eq!(
            of(&short),
            Some(("bigquery.default.default.orders".to_owned(), "CustomDatabase"))
        );
    }
}
