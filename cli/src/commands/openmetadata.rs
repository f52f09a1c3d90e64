use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use assay_core::contract::{ContractColumn, ContractFile};
use assay_core::{Clock, DatasetName, SystemClock};
use assay_lineage::OpenMetadata;
use assay_lineage::openmetadata::{
    Change, Exchange, Recording, WantedColumn, WantedPipeline, WantedTable, WantedTask,
    WantedTopic, parse_recording,
};
use assay_pipeline::{Folder, Pipeline};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::open_log;
use crate::args::OpenMetadataCommand;
use crate::config::Config;
use crate::exit::Usage;
use crate::output::{Grid, json, line, printable};
use crate::shipped;

pub(crate) async fn openmetadata(
    config: Config,
    command: OpenMetadataCommand,
    as_json: bool,
) -> Result<()> {
    match command {
        OpenMetadataCommand::Check => check(&server(&config)?, as_json).await,
        OpenMetadataCommand::Sync { pipeline, dry_run, overwrite } => {
            let (folder, pipeline) = shipped::opened(&pipeline)?;
            let server = server(&config)?;
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let log = open_log(&config, &clock).await?;
            let wanted = wanted(&folder, &pipeline, &log.namespace())?;
            let changes = server.sync(&wanted, dry_run, overwrite).await;
            told(
                &changes.context("OpenMetadata could not be brought up to date")?,
                dry_run,
                as_json,
            )
        }
        OpenMetadataCommand::Record { file } => record(&server(&config)?, &file, as_json).await,
        OpenMetadataCommand::Replay { file, listen } => replay(&file, listen.0).await,
    }
}

fn server(config: &Config) -> Result<OpenMetadata> {
    let none = || {
        let fix = "write `openmetadata: {url: http://HOST:8585/api, token_env: VARIABLE}` into \
                   assay.yaml";
        Usage(format!("no OpenMetadata is configured: {fix}"))
    };
    let target = config.targets.openmetadata.as_ref().ok_or_else(none)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(target.build(config.targets.timeout, &clock)?)
}

async fn check(server: &OpenMetadata, as_json: bool) -> Result<()> {
    let look = server.look().await;
    if as_json {
        json(&look)?;
    } else {
        line(&look.address)?;
        for found in &look.found {
            let sign = if found.fine { "ok   " } else { "wrong" };
            line(printable(&format!("  {sign} {:8} {}", found.what, found.said)))?;
            if let Some(fix) = &found.fix {
                line(format!("        fix: {fix}"))?;
            }
        }
    }
    match look.fine() {
        true => Ok(()),
        false => Err(Usage("OpenMetadata can't be used yet".to_owned()).into()),
    }
}

fn told(changes: &[Change], dry_run: bool, as_json: bool) -> Result<()> {
    if as_json {
        return json(&json!({"dry_run": dry_run, "changes": changes}));
    }
    if changes.is_empty() {
        return line("Everything is there already; nothing was changed.");
    }
    let mut grid = Grid::new(&["what", "kind", "name"]);
    for change in changes {
        grid.row([change.what, &change.kind, &change.name]);
    }
    grid.print()?;
    let (count, would) = (changes.len(), if dry_run { "would be changed" } else { "changed" });
    line(format!("{count} {would}."))
}

/// What the definition and the contracts of a pipeline say.
fn wanted(folder: &Folder, pipeline: &Pipeline, namespace: &str) -> Result<WantedPipeline> {
    let name =
        |dataset: &DatasetName| (dataset.layer().name().to_owned(), dataset.name().to_owned());
    let mut tasks = vec![];
    for stage in &pipeline.stages {
        let behind =
            pipeline.stages.iter().filter(|other| *other.reads.dataset() == stage.writes.dataset);
        tasks.push(WantedTask {
            name: stage.id.stage.clone(),
            sql: Some(stage.model.trim().to_owned()).filter(|sql| !sql.is_empty()),
            downstream: behind.map(|other| other.id.stage.clone()).collect(),
            reads: name(stage.reads.dataset()),
            writes: name(&stage.writes.dataset),
        });
    }
    let topics = pipeline.topics.values().map(|topic| WantedTopic {
        namespace: namespace.to_owned(),
        layer: topic.dataset.layer().name().to_owned(),
        name: topic.dataset.name().to_owned(),
        partitions: topic.partitions,
    });
    let mut tables = vec![];
    for (dataset, table) in &pipeline.tables {
        let (layer, name) = name(dataset);
        let column = |column: &ContractColumn| WantedColumn {
            name: column.name.clone(),
            kind: column.kind.name(),
            description: column.description.clone(),
        };
        let said = Said::of(folder, &table.contract.file, dataset)?;
        tables.push(WantedTable {
            layer,
            name,
            description: said.description,
            columns: table.contract.columns.iter().map(column).collect(),
            owners: said.owners,
            tags: said.tags,
        });
    }
    Ok(WantedPipeline {
        name: pipeline.name.clone(),
        description: pipeline.description.clone(),
        tasks,
        topics: topics.collect(),
        tables,
    })
}

/// What a contract says beside columns and rules.
struct Said {
    description: Option<String>,
    owners: Vec<String>,
    tags: Vec<String>,
}

impl Said {
    fn of(folder: &Folder, file: &str, dataset: &DatasetName) -> Result<Said> {
        // A contract knows its file by the place that messages name.
        let inside = file.strip_prefix(&folder.place("")).unwrap_or(file);
        let text = folder.read(inside)?;
        let body = ContractFile::parse(file, &text)?.body;
        let mine = body.schema.iter().find(|schema| {
            schema.name == dataset.name()
                || schema.physical_name.as_deref() == Some(dataset.to_string().as_str())
        });
        let purpose = || body.description.as_ref()?.get("purpose")?.as_str().map(str::to_owned);
        let description = mine.and_then(|schema| schema.description.clone()).or_else(purpose);
        let mut tags = body.tags.clone().unwrap_or_default();
        tags.extend(mine.and_then(|schema| schema.tags.clone()).unwrap_or_default());
        tags.sort();
        tags.dedup();
        Ok(Said { description, owners: owners(body.team.as_ref()), tags })
    }
}

/// The members of the team that own the data; the team itself when it names none.
fn owners(team: Option<&Value>) -> Vec<String> {
    let Some(team) = team else { return vec![] };
    let members = team.as_array().or_else(|| team["members"].as_array());
    let owner = |member: &&Value| {
        let role = member["role"].as_str().unwrap_or_default().to_lowercase();
        role.contains("owner") && member["dateOut"].is_null()
    };
    let name = |member: &Value| member["username"].as_str().map(str::to_owned);
    let named: Vec<String> = members.into_iter().flatten().filter(owner).filter_map(name).collect();
    match (named.is_empty(), team["name"].as_str()) {
        (true, Some(team)) => vec![team.to_owned()],
        _ => named,
    }
}

async fn record(server: &OpenMetadata, file: &Path, as_json: bool) -> Result<()> {
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let heard = |exchange: &Exchange| {
        *statuses.entry(exchange.status).or_default() += 1;
        eprintln!("{} {} {}", exchange.status, exchange.method, printable(&exchange.path));
    };
    let exchanges = server.record(heard).await.context("the server could not be recorded")?;
    let mut text = "# What an OpenMetadata server answers\n\n".to_owned();
    text.extend(exchanges.iter().map(Exchange::written));
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    match as_json {
        true => json(&json!({"file": file, "calls": exchanges.len(), "statuses": statuses})),
        false => line(format!("{} calls in {}", exchanges.len(), file.display())),
    }
}

async fn replay(file: &Path, address: std::net::SocketAddr) -> Result<()> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    let exchanges = parse_recording(&text);
    if exchanges.is_empty() {
        return Err(Usage(format!("there is no call in {}", file.display())).into());
    }
    let calls = exchanges.len();
    let recording = Arc::new(Mutex::new(Recording::new(exchanges)));
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    line(format!("{calls} calls at http://{bound}/api; Ctrl-C ends it"))?;
    let routes = Router::new().fallback(answer).with_state(recording);
    let ended = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, routes).with_graceful_shutdown(ended).await?;
    Ok(())
}

async fn answer(
    State(recording): State<Arc<Mutex<Recording>>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    let found = recording.lock().ok().and_then(|mut r| r.answer(method.as_str(), &path, &body));
    let Some(exchange) = found else {
        let told =
            json!({"code": 404, "message": format!("{method} {path} is not in the recording")});
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return (StatusCode::NOT_FOUND, kind, told.to_string()).into_response();
    };
    let status = StatusCode::from_u16(exchange.status).unwrap_or(StatusCode::OK);
    match exchange.kind.is_empty() {
        true => (status, exchange.answered).into_response(),
        false => {
            (status, [(header::CONTENT_TYPE, exchange.kind)], exchange.answered).into_response()
        }
    }
}
