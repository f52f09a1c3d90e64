use std::collections::BTreeMap;
use std::sync::Arc;

use assay_core::{Contract, DatasetName, Document, Layer, Mistake, Mistakes};

use super::file::{DatasetFile, IngestFile, PipelineFile, StageFile};
use super::{Folder, FolderError, IngestSpec, MessageFormat, Pipeline, TableSpec, TopicSpec};
use crate::avro::RecordSchema;
use crate::postgres::Migration;
use crate::source::{json_schema, topic_schema};
use crate::stage::arrow_schema;

/// The largest payload that a topic takes, when the pipeline does not say: a broker's default
/// limit of 1 MB, less what headers and framing need.
const MESSAGE_BYTES: usize = 900_000;

/// Why a pipeline was refused.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{pipeline} is not a pipeline that can run: {mistakes}")]
    Mistakes { pipeline: String, mistakes: Mistakes },
}

/// What is gathered while a pipeline is loaded, mistakes and all.
pub(super) struct Loader<'a> {
    pub(super) folder: &'a Folder,
    pub(super) document: &'a Document,
    pub(super) topics: BTreeMap<DatasetName, Arc<TopicSpec>>,
    pub(super) tables: BTreeMap<DatasetName, Arc<TableSpec>>,
    /// Datasets that are declared but whose own files are broken: no need to complain twice.
    pub(super) broken: Vec<DatasetName>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Pipeline {
    /// Loads and checks a pipeline. A broken one gives all its mistakes at once.
    pub fn load(folder: &Folder) -> Result<Pipeline, LoadError> {
        let place = folder.place("pipeline.yaml");
        let refused = |mistakes| LoadError::Mistakes { pipeline: place.clone(), mistakes };
        let text = folder.read("pipeline.yaml")?;
        let document = Document::parse(&place, &text).map_err(refused)?;
        let (file, mistakes) = document.read_on::<PipelineFile>();
        let Some(file) = file else { return Err(refused(mistakes)) };
        let mut loader = Loader {
            folder,
            document: &document,
            topics: BTreeMap::new(),
            tables: BTreeMap::new(),
            broken: Vec::new(),
            mistakes: mistakes.0,
        };
        loader.name("/name", &file.name);
        for (name, dataset) in &file.datasets {
            loader.dataset(name, dataset, keys(&file.stages, name));
        }
        let ingest = file.ingest.as_ref().and_then(|ingest| loader.ingest(ingest));
        let stages = loader.stages(&file.name, &file.stages);
        let migrations = loader.migrations(&file.migrations);
        let Loader { topics, tables, mistakes, .. } = loader;
        let description = file.description;
        Mistakes(mistakes)
            .none_or(Pipeline {
                name: file.name,
                description,
                topics,
                tables,
                ingest,
                stages,
                migrations,
            })
            .map_err(refused)
    }
}

impl Loader<'_> {
    pub(super) fn mistake(&mut self, at: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.mistakes.push(self.document.mistake(at, what, fix));
    }

    /// Names stand in positions, headers and labels, between dots and slashes.
    pub(super) fn name(&mut self, at: &str, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            self.mistake(at, format!("`{name}` is no name"), "letters, digits, `_` and `-`");
        }
    }

    /// The text of another file of the pipeline.
    pub(super) fn text(&mut self, at: &str, path: &str) -> Option<String> {
        match self.folder.read(path) {
            Ok(text) => Some(text),
            Err(error) => {
                let source = std::error::Error::source(&error).map(|s| format!(": {s}"));
                let what = format!("{error}{}", source.unwrap_or_default());
                self.mistake(at, what, "create the file, or name another");
                None
            }
        }
    }

    fn dataset(&mut self, name: &str, file: &DatasetFile, keys: Vec<String>) {
        let at = format!("/datasets/{name}");
        let dataset: DatasetName = match name.parse() {
            Ok(dataset) => dataset,
            Err(error) => return self.mistake(&at, error.to_string(), "rename it"),
        };
        let before = self.mistakes.len();
        if file.origin.is_empty() {
            let fix = "name the columns that tell a row from all others for ever";
            self.mistake(&format!("{at}/origin"), format!("{dataset} has no origin"), fix);
        }
        if dataset.layer() == Layer::Log {
            self.topic(&at, &dataset, file);
        } else {
            self.table(&at, &dataset, file, keys);
        }
        if self.mistakes.len() > before {
            self.broken.push(dataset);
        }
    }

    fn topic(&mut self, at: &str, dataset: &DatasetName, file: &DatasetFile) {
        let foreign = [
            ("contract", file.contract.is_some()),
            ("partition_by", file.partition_by.is_some()),
            ("target_file_size", file.target_file_size.is_some()),
            ("postgres", file.postgres.is_some()),
        ];
        for (key, _) in foreign.into_iter().filter(|(_, there)| *there) {
            self.mistake(&format!("{at}/{key}"), format!("a topic has no `{key}`"), "remove it");
        }
        if file.format.is_none() {
            let fix = "add `format: avro` or `format: json`";
            self.mistake(at, format!("{dataset} does not say its format"), fix);
        }
        let format = file.format.unwrap_or(MessageFormat::Avro);
        let partitions = file.partitions.unwrap_or(1);
        if !(1..=1000).contains(&partitions) {
            self.mistake(
                &format!("{at}/partitions"),
                "a topic has 1 to 1000 partitions",
                "say how many",
            );
        }
        let headers = file.headers.clone().unwrap_or_default();
        if format == MessageFormat::Avro && !headers.is_empty() {
            let fix = "remove it; records of Avro have fields";
            self.mistake(&format!("{at}/headers"), "a topic of Avro has no `headers`", fix);
        }
        let Some(schema) = self.records(at, dataset, (format, &headers), file.schema.as_deref())
        else {
            return;
        };
        let columns = match format {
            MessageFormat::Avro => Arc::clone(schema.arrow()),
            // A message is known by its place.
            MessageFormat::Json => topic_schema(schema.arrow()),
        };
        let known: Vec<&str> = columns.fields().iter().map(|f| f.name().as_str()).collect();
        self.columns_exist(&format!("{at}/origin"), &file.origin, &known);
        let topic = TopicSpec {
            dataset: dataset.clone(),
            format,
            partitions,
            retention_hours: file.retention_hours,
            headers,
            origin: file.origin.clone(),
            schema,
        };
        self.topics.insert(dataset.clone(), Arc::new(topic));
    }

    /// The schema of a topic's records; JSON has the one that it always has.
    fn records(
        &mut self,
        at: &str,
        dataset: &DatasetName,
        (format, headers): (MessageFormat, &[String]),
        path: Option<&str>,
    ) -> Option<RecordSchema> {
        let place = format!("{at}/schema");
        if format == MessageFormat::Json {
            if path.is_some() {
                let fix = "remove it; take columns out of `payload` by `extract`";
                self.mistake(&place, "a topic of JSON has no `schema`", fix);
            }
            for (place, header) in headers.iter().enumerate() {
                self.name(&format!("{at}/headers/{place}"), header);
            }
            let columns = RecordSchema::parse(&json_schema(headers));
            let wrong = |error| {
                let what = format!("they are no columns: {error}");
                self.mistake(&format!("{at}/headers"), what, "letters, digits and `_`, each once");
            };
            return columns.map_err(wrong).ok();
        }
        let Some(path) = path else {
            let what = format!("{dataset} lacks its schema");
            self.mistake(at, what, "add `schema: schemas/….avsc`");
            return None;
        };
        let text = self.text(&place, path)?;
        let schema = RecordSchema::parse(&text);
        schema
            .map_err(|error| {
                let what = format!("{path} is no Avro schema: {error}");
                self.mistake(&place, what, "mend the schema");
            })
            .ok()
    }

    fn table(&mut self, at: &str, dataset: &DatasetName, file: &DatasetFile, keys: Vec<String>) {
        let foreign = [
            ("format", file.format.is_some()),
            ("schema", file.schema.is_some()),
            ("partitions", file.partitions.is_some()),
            ("retention_hours", file.retention_hours.is_some()),
            ("headers", file.headers.is_some()),
        ];
        for (key, _) in foreign.into_iter().filter(|(_, there)| *there) {
            self.mistake(&format!("{at}/{key}"), format!("a table has no `{key}`"), "remove it");
        }
        let Some(path) = &file.contract else {
            let fix = "add `contract: contracts/….odcs.yaml`";
            return self.mistake(at, format!("{dataset} lacks its contract"), fix);
        };
        let Some(text) = self.text(&format!("{at}/contract"), path) else { return };
        let contract = match Contract::parse(&self.folder.place(path), &text, dataset) {
            Ok(contract) => contract,
            Err(mistakes) => return self.mistakes.extend(mistakes.0),
        };
        let known: Vec<&str> = contract.columns.iter().map(|column| column.name.as_str()).collect();
        let partition_by = file.partition_by.clone().unwrap_or_default();
        self.columns_exist(&format!("{at}/origin"), &file.origin, &known);
        self.columns_exist(&format!("{at}/partition_by"), &partition_by, &known);
        let target_file_size = file.target_file_size.unwrap_or(128 << 20);
        if target_file_size < 1 << 20 {
            let at = format!("{at}/target_file_size");
            self.mistake(
                &at,
                "files below 1 MB make every read slow",
                "in bytes, at least 1048576",
            );
        }
        let schema = arrow_schema(&contract);
        let origin = file.origin.clone();
        let table = TableSpec {
            dataset: dataset.clone(),
            contract,
            schema,
            partition_by,
            target_file_size,
            origin,
            keys,
            postgres: file.postgres.clone(),
        };
        self.tables.insert(dataset.clone(), Arc::new(table));
    }

    fn migrations(&mut self, paths: &[String]) -> Vec<Migration> {
        let mut all = Vec::new();
        for (place, path) in paths.iter().enumerate() {
            let sql = self.text(&format!("/migrations/{place}"), path);
            all.extend(sql.map(|sql| Migration { name: path.clone(), sql }));
        }
        all
    }

    fn columns_exist(&mut self, at: &str, columns: &[String], known: &[&str]) {
        for (place, column) in columns.iter().enumerate() {
            if !known.contains(&column.as_str()) {
                let fix = format!("use one of {}", known.join(", "));
                self.mistake(
                    &format!("{at}/{place}"),
                    format!("there is no column `{column}`"),
                    fix,
                );
            }
        }
    }

    fn ingest(&mut self, file: &IngestFile) -> Option<IngestSpec> {
        let topic = self.dataset_named("/ingest/write", &file.write)?;
        let Some(topic) = self.topics.get(&topic).map(Arc::clone) else {
            if !self.broken.contains(&topic) {
                self.mistake(
                    "/ingest/write",
                    format!("{topic} is no topic of this pipeline"),
                    "declare it under `datasets`",
                );
            }
            return None;
        };
        if topic.format == MessageFormat::Json {
            let what =
                format!("{topic} holds JSON, and `ingest` writes Avro", topic = topic.dataset);
            self.mistake("/ingest/write", what, "write a topic with `format: avro`");
            return None;
        }
        let known: Vec<&str> =
            topic.schema.arrow().fields().iter().map(|f| f.name().as_str()).collect();
        self.columns_exist("/ingest/json_text", &file.json_text, &known);
        if let Some(trace_id) =
            file.trace_id.as_ref().filter(|name| !known.contains(&name.as_str()))
        {
            let fix = format!("use one of {}", known.join(", "));
            self.mistake("/ingest/trace_id", format!("there is no field `{trace_id}`"), fix);
        }
        Some(IngestSpec {
            json_text: file.json_text.clone(),
            trace_id: file.trace_id.clone(),
            max_event_bytes: file.max_event_bytes.unwrap_or(MESSAGE_BYTES),
            events_per_message: file.events_per_message.unwrap_or(1000).max(1),
            message_bytes: file.message_bytes.unwrap_or(MESSAGE_BYTES),
            topic,
        })
    }

    pub(super) fn dataset_named(&mut self, at: &str, name: &str) -> Option<DatasetName> {
        match name.parse() {
            Ok(dataset) => Some(dataset),
            Err(error) => {
                let error: assay_core::InvalidDatasetName = error;
                self.mistake(at, error.to_string(), "name a dataset of this pipeline");
                None
            }
        }
    }
}

/// The first of the columns by which stages that write `dataset` deduplicate: it leads to the
/// files that may have a key.
fn keys(stages: &[StageFile], dataset: &str) -> Vec<String> {
    let writing = stages.iter().filter(|stage| stage.write == dataset);
    let mut keys: Vec<String> =
        writing.filter_map(|stage| stage.deduplicate.first().cloned()).collect();
    keys.dedup();
    keys
}
