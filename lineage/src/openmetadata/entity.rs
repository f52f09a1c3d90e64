//! Entities: looked up by their full names, made with all that is above them, changed only when
//! they are ours and something differs.

use serde::Serialize;
use serde_json::{Value, json};

use super::api::{Change, Trouble};
use super::body::{
    Column, CreateDatabase, CreatePipeline, CreateSchema, CreateService, CreateTable, CreateTopic,
    Reference, Task,
};
use super::name::{clean, full, in_path};
use super::place::{Place, Service};
use super::told::{Dataset, Job};
use super::{Known, OpenMetadata};
use crate::http::Method;
use crate::target::Refusal;

/// What the server has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entity {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) tasks: Vec<Task>,
    pub(super) description: Option<String>,
}

impl Entity {
    pub(super) fn of(kind: &'static str, name: &str, body: &Value) -> Entity {
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        let read = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        Entity {
            // In a dry run there is no body.
            id: text("id").unwrap_or_default(),
            kind,
            name: text("fullyQualifiedName").unwrap_or_else(|| name.to_owned()),
            columns: read("columns")
                .into_iter()
                .filter_map(|c| serde_json::from_value(c).ok())
                .collect(),
            tasks: read("tasks")
                .into_iter()
                .filter_map(|t| serde_json::from_value(t).ok())
                .collect(),
            description: text("description").filter(|text| !text.is_empty()),
        }
    }

    pub(super) fn reference(&self) -> Reference {
        Reference { id: self.id.clone(), kind: self.kind.to_owned() }
    }
}

impl OpenMetadata {
    /// The entity `name`; none when the server has none.
    pub(super) async fn find(&self, path: &str, name: &str) -> Result<Option<Value>, Trouble> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        match self.api.get(&format!("{path}/name/{}{query}", in_path(name))).await {
            Ok(body) => Ok(Some(body)),
            Err(Trouble::NotFound(_)) => Ok(None),
            // Asked for a user, it says that of the one who is asked for, not of us.
            Err(Trouble::Other(Refusal::Unauthorized(why)))
                if path == "/users" && why.contains(&format!("user instance for {name} ")) =>
            {
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes or changes an entity. Of several that make it at once one does, and the others see it.
    pub(super) async fn put(
        &self,
        path: &str,
        name: &str,
        what: &'static str,
        body: &impl Serialize,
    ) -> Result<Value, Trouble> {
        let kind = path.rsplit('/').next().unwrap_or_default().trim_end_matches('s').to_owned();
        let change = || Change { what, kind: kind.clone(), name: name.to_owned() };
        match self.api.change(Method::PUT, path, body, change()).await {
            Err(Trouble::Exists(_)) => self.api.change(Method::PUT, path, body, change()).await,
            done => done,
        }
    }

    async fn service(
        &self,
        path: &str,
        name: &str,
        body: CreateService,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let key = format!("{path} {name}");
        if known.entities.contains_key(&key) {
            return Ok(());
        }
        let found = match self.find(path, &super::name::quoted(name)).await? {
            Some(found) => found,
            None => self.put(path, name, "create", &body).await?,
        };
        known.entities.insert(key, Entity::of("service", name, &found));
        Ok(())
    }

    /// The pipeline of a job, which has the job's task.
    pub(super) async fn pipeline(&self, job: &Job, known: &mut Known) -> Result<Entity, Trouble> {
        let task = Task { name: job.task.clone(), ..Task::default() };
        self.pipeline_with(&job.pipeline, &[task], None, known).await
    }

    /// The pipeline with `tasks`; those that it has and that are not meant stay, since what is not
    /// in a PUT would go.
    pub(super) async fn pipeline_with(
        &self,
        pipeline: &str,
        tasks: &[Task],
        description: Option<&str>,
        known: &mut Known,
    ) -> Result<Entity, Trouble> {
        let service = clean(&self.naming.service);
        let name = full([service.as_str(), pipeline]);
        let has = |entity: &Entity| {
            let is = |task: &Task| entity.tasks.iter().any(|known| covers(known, task));
            tasks.iter().all(is) && (description.is_none() || entity.description.is_some())
        };
        if let Some(entity) = known.entities.get(&name).filter(|entity| has(entity)) {
            return Ok(entity.clone());
        }
        let found = self.find("/pipelines?fields=tasks", &name).await?;
        let before = found.map(|found| Entity::of("pipeline", &name, &found));
        if let Some(entity) = before.as_ref().filter(|entity| has(entity)) {
            known.entities.insert(name, entity.clone());
            return Ok(entity.clone());
        }
        if before.is_none() {
            let connection = json!({"config": {"type": "CustomPipeline", "sourcePythonClass": "none", "connectionOptions": {}}});
            let body = of_service(&service, "CustomPipeline", Some(connection));
            self.service("/services/pipelineServices", &service, body, known).await?;
        }
        let mut all = before.as_ref().map(|entity| entity.tasks.clone()).unwrap_or_default();
        for task in tasks {
            match all.iter_mut().find(|known| known.name == task.name) {
                Some(known) => complete(known, task),
                None => all.push(task.clone()),
            }
        }
        let kept = before.as_ref().and_then(|entity| entity.description.clone());
        let body = CreatePipeline {
            name: pipeline.to_owned(),
            service: super::name::quoted(&service),
            tasks: all.clone(),
            description: kept.or_else(|| description.map(str::to_owned)),
        };
        let what = if before.is_some() { "change" } else { "create" };
        let put = self.put("/pipelines", &name, what, &body).await?;
        let mut entity = Entity::of("pipeline", &name, &put);
        entity.tasks = all;
        if put.is_null() {
            entity.id = before.map(|entity| entity.id).unwrap_or_default();
        }
        known.entities.insert(name, entity.clone());
        Ok(entity)
    }

    /// The table or topic that an event names.
    pub(super) async fn dataset(
        &self,
        told: &Dataset,
        known: &mut Known,
    ) -> Result<Entity, Trouble> {
        let name = told.place.full_name();
        let same =
            |entity: &&Entity| told.columns.is_empty() || alike(&entity.columns, &told.columns);
        if let Some(entity) = known.entities.get(&name).filter(same) {
            return Ok(entity.clone());
        }
        let entity = match &told.place {
            Place::Table { .. } => self.table(told, known).await?,
            Place::Topic { .. } => self.topic(told, 1, known).await?,
        };
        known.entities.insert(name, entity.clone());
        Ok(entity)
    }

    async fn table(&self, told: &Dataset, known: &mut Known) -> Result<Entity, Trouble> {
        let Place::Table { service, database, schema, table } = &told.place else {
            return Err(Trouble::Bad("it is no table".to_owned()));
        };
        let name = told.place.full_name();
        let found = self.find("/tables?fields=columns,tags", &name).await?;
        let before = found.map(|found| Entity::of("table", &name, &found));
        if let Some(entity) = &before {
            let same = told.columns.is_empty() || alike(&entity.columns, &told.columns);
            // What others hold is theirs to describe.
            if same || !told.service.ours {
                return Ok(entity.clone());
            }
        } else {
            self.above(&told.service, service, database, schema, known).await?;
        }
        let of_before = |name: &str| {
            before.as_ref()?.columns.iter().find(|column| column.name == name).cloned()
        };
        let mut columns = told.columns.clone();
        for column in &mut columns {
            // What people have said of a column stays.
            let Some(before) = of_before(&column.name) else { continue };
            column.description = before.description.or(column.description.take());
            column.constraint = before.constraint;
            column.tags = before.tags.filter(|tags| tags.as_array().is_some_and(|t| !t.is_empty()));
        }
        let kept = before.as_ref().and_then(|entity| entity.description.clone());
        let body = CreateTable {
            name: table.clone(),
            database_schema: full([service.as_str(), database, schema]),
            table_type: if told.service.ours && service == &clean(&self.naming.service) {
                "Iceberg"
            } else {
                "Regular"
            }
            .to_owned(),
            columns,
            display_name: None,
            description: kept.or_else(|| told.description.clone()),
        };
        let what = if before.is_some() { "change" } else { "create" };
        let put = self.put("/tables", &name, what, &body).await?;
        let mut entity = Entity::of("table", &name, &put);
        if put.is_null() {
            entity.id = before.map(|entity| entity.id).unwrap_or_default();
            entity.columns = told.columns.clone();
        }
        Ok(entity)
    }

    /// The service, database and schema that a table stands in.
    async fn above(
        &self,
        kind: &Service,
        service: &str,
        database: &str,
        schema: &str,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let connection = (kind.kind == "CustomDatabase").then(|| {
            json!({"config": {"type": "CustomDatabase", "sourcePythonClass": "none", "connectionOptions": {}}})
        });
        let body = of_service(service, kind.kind, connection);
        self.service("/services/databaseServices", service, body, known).await?;
        let (of_database, of_schema) =
            (full([service, database]), full([service, database, schema]));
        let body = CreateDatabase { name: database.to_owned(), service: full([service]) };
        self.made("/databases", &of_database, &body, known).await?;
        let body = CreateSchema { name: schema.to_owned(), database: of_database };
        self.made("/databaseSchemas", &of_schema, &body, known).await
    }

    /// Makes what the server has not.
    async fn made(
        &self,
        path: &'static str,
        name: &str,
        body: &impl Serialize,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        if known.entities.contains_key(name) {
            return Ok(());
        }
        let found = match self.find(path, name).await? {
            Some(found) => found,
            None => self.put(path, name, "create", body).await?,
        };
        known.entities.insert(name.to_owned(), Entity::of(path, name, &found));
        Ok(())
    }

    /// A topic. How many partitions it has no event says; the sync of a pipeline does.
    pub(super) async fn topic(
        &self,
        told: &Dataset,
        partitions: u32,
        known: &mut Known,
    ) -> Result<Entity, Trouble> {
        let Place::Topic { service, topic } = &told.place else {
            return Err(Trouble::Bad("it is no topic".to_owned()));
        };
        let name = told.place.full_name();
        if let Some(found) = self.find("/topics", &name).await? {
            let entity = Entity::of("topic", &name, &found);
            let fewer = found["partitions"].as_u64().is_none_or(|has| has < partitions.into());
            if !fewer || !told.service.ours {
                return Ok(entity);
            }
        } else {
            let connection = match &told.service.brokers {
                Some(brokers) => json!({"config": {"type": "Kafka", "bootstrapServers": brokers}}),
                None => {
                    json!({"config": {"type": "CustomMessaging", "sourcePythonClass": "none", "connectionOptions": {}}})
                }
            };
            let body = of_service(service, told.service.kind, Some(connection));
            self.service("/services/messagingServices", service, body, known).await?;
        }
        let body = CreateTopic {
            name: topic.clone(),
            service: full([service.as_str()]),
            partitions,
            description: told.description.clone(),
        };
        let put = self.put("/topics", &name, "create", &body).await?;
        Ok(Entity::of("topic", &name, &put))
    }
}

fn of_service(name: &str, kind: &str, connection: Option<Value>) -> CreateService {
    let (name, service_type) = (name.to_owned(), kind.to_owned());
    CreateService { name, service_type, connection, description: None }
}

/// Whether both have the same columns of the same types.
fn alike(some: &[Column], others: &[Column]) -> bool {
    some.len() == others.len() && others.iter().all(|other| some.iter().any(|one| one.alike(other)))
}

/// Whether the server's task says all that ours says.
fn covers(known: &Task, task: &Task) -> bool {
    let has = |known: &Option<String>, wanted: &Option<String>| wanted.is_none() || known == wanted;
    known.name == task.name
        && has(&known.description, &task.description)
        && has(&known.task_type, &task.task_type)
        && has(&known.task_sql, &task.task_sql)
        && (task.downstream_tasks.as_ref().is_none_or(Vec::is_empty)
            || known.downstream_tasks == task.downstream_tasks)
}

fn complete(known: &mut Task, task: &Task) {
    let fill = |known: &mut Option<String>, wanted: &Option<String>| {
        if wanted.is_some() {
            known.clone_from(wanted);
        }
    };
    fill(&mut known.description, &task.description);
    fill(&mut known.task_type, &task.task_type);
    fill(&mut known.task_sql, &task.task_sql);
    if task.downstream_tasks.is_some() {
        known.downstream_tasks.clone_from(&task.downstream_tasks);
    }
}
