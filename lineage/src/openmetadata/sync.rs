//! What a pipeline's definition and contracts say, shown at once, without any run.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::api::{Change, Trouble};
use super::body::{Column, Details, Task};
use super::column::column;
use super::entity::Entity;
use super::name::{clean, full, in_path};
use super::place::{Place, Service};
use super::told::Dataset;
use super::{Known, OpenMetadata};
use crate::http::Method;
use crate::target::Refusal;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedPipeline {
    pub name: String,
    pub description: Option<String>,
    pub tasks: Vec<WantedTask>,
    pub topics: Vec<WantedTopic>,
    pub tables: Vec<WantedTable>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedTask {
    pub name: String,
    pub sql: Option<String>,
    pub downstream: Vec<String>,
    /// Layer and name of what it reads, and of what it writes.
    pub reads: (String, String),
    pub writes: (String, String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedTopic {
    /// The lineage namespace of its log.
    pub namespace: String,
    pub layer: String,
    pub name: String,
    pub partitions: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedTable {
    pub layer: String,
    pub name: String,
    pub description: Option<String>,
    pub columns: Vec<WantedColumn>,
    /// Names of users or teams.
    pub owners: Vec<String>,
    pub tags: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedColumn {
    pub name: String,
    pub kind: String,
    pub description: Option<String>,
}

/// Where our tags are kept.
const CLASSIFICATION: &str = "Contract";

impl OpenMetadata {
    /// Makes the server show what `wanted` says, and answers with what was changed: nothing, the
    /// second time. Texts of others stay, unless they are to be `overwritten`. A dry run changes
    /// nothing and answers with what would be changed.
    pub async fn sync(
        &self,
        wanted: &WantedPipeline,
        dry: bool,
        overwrite: bool,
    ) -> Result<Vec<Change>, Refusal> {
        self.api.dry.store(dry, Ordering::Relaxed);
        let mut known = self.known.lock().await;
        *known = Known::default();
        if let Ok(mut changes) = self.api.changes.lock() {
            changes.clear();
        }
        let done = self.show_all(wanted, overwrite, &mut known).await;
        self.api.dry.store(false, Ordering::Relaxed);
        // What a dry run has seen in its mind is not there.
        *known = Known::default();
        done?;
        Ok(self
            .api
            .changes
            .lock()
            .map(|mut changes| std::mem::take(&mut *changes))
            .unwrap_or_default())
    }

    async fn show_all(
        &self,
        wanted: &WantedPipeline,
        overwrite: bool,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let task = |task: &WantedTask| Task {
            name: clean(&task.name),
            task_sql: task.sql.clone(),
            task_type: Some("stage".to_owned()),
            downstream_tasks: Some(task.downstream.iter().map(|name| clean(name)).collect()),
            ..Task::default()
        };
        let tasks: Vec<Task> = wanted.tasks.iter().map(task).collect();
        let (name, description) = (clean(&wanted.name), wanted.description.as_deref());
        let pipeline = self.pipeline_with(&name, &tasks, description, known).await?;
        let mut datasets = std::collections::BTreeMap::new();
        for topic in &wanted.topics {
            let (place, service) = self.naming.topic(&topic.namespace, &topic.name);
            let told = plain(place, service);
            let entity = self.topic(&told, topic.partitions, known).await?;
            datasets.insert((topic.layer.clone(), topic.name.clone()), entity);
        }
        for table in &wanted.tables {
            let entity = self.wanted_table(table, overwrite, known).await?;
            datasets.insert((table.layer.clone(), table.name.clone()), entity);
        }
        for task in &wanted.tasks {
            let (from, to) = (datasets.get(&task.reads), datasets.get(&task.writes));
            let (Some(from), Some(to)) = (from, to) else { continue };
            let details = Details {
                source: Some("PipelineLineage".to_owned()),
                sql_query: task.sql.clone(),
                columns_lineage: vec![],
                pipeline: Some(pipeline.reference()),
                description: None,
            };
            self.connect(from, to, details, known).await?;
        }
        Ok(())
    }

    async fn wanted_table(
        &self,
        wanted: &WantedTable,
        overwrite: bool,
        known: &mut Known,
    ) -> Result<Entity, Trouble> {
        let place = self.naming.table(&wanted.layer, &wanted.name);
        let service = Service { kind: "CustomDatabase", ours: true, brokers: None };
        let described = |(index, wanted): (usize, &WantedColumn)| Column {
            description: wanted.description.clone(),
            ..column(&wanted.name, &wanted.kind, index + 1)
        };
        let told = Dataset {
            columns: wanted.columns.iter().enumerate().map(described).collect(),
            description: wanted.description.clone(),
            ..plain(place, service)
        };
        let entity = self.dataset(&told, known).await?;
        let mut patch = texts(&entity, &told, overwrite);
        if !wanted.tags.is_empty() || !wanted.owners.is_empty() {
            let there = match entity.id.is_empty() {
                true => Value::Null,
                false => self.with_owners(&entity.name).await?,
            };
            patch.extend(self.tags(&there, &wanted.tags, known).await?);
            patch.extend(self.owners(&there, &wanted.owners).await?);
        }
        if !patch.is_empty() {
            let name = entity.name.clone();
            let change = Change { what: "change", kind: "table".to_owned(), name };
            let path = format!("/tables/{}", entity.id);
            self.api.change(Method::PATCH, &path, &patch, change).await?;
        }
        Ok(entity)
    }

    /// The table with its tags and owners, of which older servers have one.
    async fn with_owners(&self, name: &str) -> Result<Value, Trouble> {
        let path = |fields: &str| format!("/tables/name/{}?fields=tags,{fields}", in_path(name));
        let owners = &self.api.dialect.owners;
        if owners.load(Ordering::Relaxed) {
            return self.api.get(&path("owners")).await;
        }
        match self.api.get(&path("owner")).await {
            Err(Trouble::Bad(why)) if why.contains("Invalid field name") => {
                owners.store(true, Ordering::Relaxed);
                self.api.get(&path("owners")).await
            }
            answer => answer,
        }
    }

    /// Tags of the contract that the table has not.
    async fn tags(
        &self,
        there: &Value,
        wanted: &[String],
        known: &mut Known,
    ) -> Result<Vec<Value>, Trouble> {
        let has = there["tags"].as_array().cloned().unwrap_or_default();
        let mut patch = vec![];
        for tag in wanted {
            let tag = clean(tag);
            let name = full([CLASSIFICATION, &tag]);
            if has.iter().any(|known| known["tagFQN"] == name.as_str()) {
                continue;
            }
            self.tag(&name, &tag, known).await?;
            let label = json!({"tagFQN": name, "source": "Classification",
                "labelType": "Automated", "state": "Confirmed"});
            let path = format!("/tags/{}", has.len() + patch.len());
            patch.push(json!({"op": "add", "path": path, "value": label}));
        }
        Ok(patch)
    }

    async fn tag(&self, name: &str, tag: &str, known: &mut Known) -> Result<(), Trouble> {
        let said = "From the data contracts that Assay judges by.";
        for (path, name, body) in [
            (
                "/classifications",
                CLASSIFICATION,
                json!({"name": CLASSIFICATION, "description": said}),
            ),
            (
                "/tags",
                name,
                json!({"name": tag, "classification": CLASSIFICATION, "description": said}),
            ),
        ] {
            let key = format!("{path} {name}");
            if known.entities.contains_key(&key) {
                continue;
            }
            let found = match self.find(path, name).await? {
                Some(found) => found,
                None => self.put(path, name, "create", &body).await?,
            };
            known.entities.insert(key, Entity::of("tag", name, &found));
        }
        Ok(())
    }

    /// Owners for a table that has none. Who is not known there is left out, and that is said.
    async fn owners(&self, there: &Value, wanted: &[String]) -> Result<Vec<Value>, Trouble> {
        let some = |value: &Value| {
            value.is_object() || value.as_array().is_some_and(|all| !all.is_empty())
        };
        if wanted.is_empty() || some(&there["owner"]) || some(&there["owners"]) {
            return Ok(vec![]);
        }
        let mut owners = vec![];
        for name in wanted {
            let user =
                self.find("/users", &full([name.as_str()])).await?.map(|user| (user, "user"));
            let found = match user {
                Some(user) => Some(user),
                None => {
                    self.find("/teams", &full([name.as_str()])).await?.map(|team| (team, "team"))
                }
            };
            match found {
                Some((found, kind)) => owners.push(json!({"id": found["id"], "type": kind})),
                None => tracing::warn!(name, "OpenMetadata has no user and no team of this name"),
            }
        }
        let Some(first) = owners.first() else { return Ok(vec![]) };
        Ok(vec![match self.api.dialect.owners.load(Ordering::Relaxed) {
            true => json!({"op": "add", "path": "/owners", "value": owners}),
            false => json!({"op": "add", "path": "/owner", "value": first}),
        }])
    }
}

fn plain(place: Place, service: Service) -> Dataset {
    Dataset {
        place,
        service,
        columns: vec![],
        description: None,
        assertions: vec![],
        score: None,
        derivations: vec![],
    }
}

/// Descriptions that are missing, or that differ and are to be overwritten. A PUT would do neither:
/// the server keeps from a bot's what it has.
fn texts(entity: &Entity, told: &Dataset, overwrite: bool) -> Vec<Value> {
    let mut patch = vec![];
    let mut say = |path: String, there: Option<&String>, wanted: Option<&String>| {
        let Some(wanted) = wanted.filter(|text| !text.is_empty()) else { return };
        let there = there.filter(|text| !text.is_empty());
        if there.is_none() || (overwrite && there != Some(wanted)) {
            patch.push(json!({"op": "add", "path": path, "value": wanted}));
        }
    };
    if entity.id.is_empty() {
        return patch;
    }
    say("/description".to_owned(), entity.description.as_ref(), told.description.as_ref());
    for (index, column) in entity.columns.iter().enumerate() {
        let wanted = told.columns.iter().find(|wanted| wanted.name == column.name);
        let wanted = wanted.and_then(|wanted| wanted.description.as_ref());
        say(format!("/columns/{index}/description"), column.description.as_ref(), wanted);
    }
    patch
}
