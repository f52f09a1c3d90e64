//! Opens what a person wants to look at: a file, standard input, or a table.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use assay_core::contract::{ContractFile, SchemaObject};
use assay_core::{Clock, Contract, DatasetName, Ids, RandomIds, SystemClock};
use assay_pipeline::{FileFormat, Folder, Lake, Opening, Place, Subject, arrow_schema};
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::contract;
use crate::app::TEMPORARY;
use crate::args::Judge;
use crate::config::Config;
use crate::exit::Usage;
use crate::output::number;
use crate::scratch::Scratch;
use crate::shipped;

/// What is looked at, and all that has to live as long as that goes on.
pub(crate) struct Desk {
    pub(crate) place: Place,
    /// Only the tables: neither log nor store is needed to look.
    lake: Option<Lake>,
    pub(crate) now: DateTime<Utc>,
    memory_bytes: usize,
    scratch: Scratch,
}

/// The contract that judges, as its file says it and as it was compiled.
pub(crate) struct ByContract {
    pub(crate) object: SchemaObject,
    pub(crate) contract: Contract,
}

impl Desk {
    /// Finds the file or table; the lake is opened where there is one.
    pub(crate) async fn open(
        config: Config,
        what: &str,
        format: Option<FileFormat>,
        at: Option<i64>,
    ) -> Result<Desk> {
        let memory_bytes = config.memory_bytes;
        let there = config.data_dir.is_dir();
        // Looking makes no data folder.
        let folder = match there {
            true => config.data_dir.join(TEMPORARY),
            false => std::env::temp_dir(),
        };
        let scratch = Scratch::claim(&folder, RandomIds.next())
            .with_context(|| format!("cannot keep temporary files in {}", folder.display()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let now = clock.now();
        let root = config.data_dir.join("lake");
        let lake = match root.is_dir() {
            true => Some(Lake::open(&root, scratch.path(), memory_bytes, clock).await?),
            false => None,
        };
        let dataset = what.parse::<DatasetName>().ok().filter(|_| !Path::new(what).is_file());
        let place = match dataset {
            Some(_) if !there => {
                let place = config.data_dir.display();
                let what = format!("there is no data in {place}, and no file {what}");
                return Err(Usage(format!("{what}: name another directory with --data-dir")).into());
            }
            None if what != "-" && !Path::new(what).exists() => {
                return Err(unknown(what, lake.as_ref()).await?.into());
            }
            Some(dataset) => Place::Table(dataset, at),
            None if at.is_some() => {
                return Err(Usage("a file has no snapshots: leave --at out".to_owned()).into());
            }
            None => file(what, format, &scratch)?,
        };
        Ok(Desk { place, lake, now, memory_bytes, scratch })
    }

    pub(crate) fn lake(&self) -> Option<&Lake> {
        self.lake.as_ref()
    }

    pub(crate) async fn subject(
        &self,
        sql: Option<&str>,
        by: Option<&Contract>,
    ) -> Result<Subject> {
        let schema = by.map(arrow_schema);
        let with = Opening {
            lake: self.lake(),
            spill: self.scratch.path(),
            memory_bytes: self.memory_bytes,
            now: self.now,
        };
        Ok(Subject::open(&self.place, sql, schema.as_ref(), with).await?)
    }
}

/// Shows on a terminal how many rows were looked at, until it is dropped.
pub(crate) struct Counting {
    pub(crate) seen: Arc<AtomicU64>,
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Counting {
    pub(crate) fn start(what: &str) -> Counting {
        let (seen, bar) = (Arc::new(AtomicU64::new(0)), ProgressBar::new_spinner());
        bar.set_prefix(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg} rows") {
            bar.set_style(style);
        }
        let task = tokio::spawn({
            let (seen, bar) = (Arc::clone(&seen), bar.clone());
            async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    bar.set_message(number(seen.load(Ordering::Relaxed)));
                    bar.tick();
                }
            }
        });
        Counting { seen, bar, task }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// Neither a file nor a table is named so; of tables these are there.
async fn unknown(what: &str, lake: Option<&Lake>) -> Result<Usage> {
    let known = match lake {
        Some(lake) => lake.datasets().await?,
        None => Vec::new(),
    };
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    Ok(Usage(format!("there is no file {what}, and no table is named so; tables: {known}")))
}

/// A file as it can be read several times: what is packed, or comes once, is written down first.
fn file(what: &str, format: Option<FileFormat>, scratch: &Scratch) -> Result<Place> {
    let path = PathBuf::from(what);
    let format = format.or_else(|| FileFormat::of(&path));
    let source: Box<dyn Read> = if what == "-" {
        if format.is_none() {
            let what = "how is standard input written? say --format parquet, csv or jsonl";
            return Err(Usage(what.to_owned()).into());
        }
        Box::new(io::stdin().lock())
    } else if path.is_dir() {
        return Err(Usage(format!("{what} is a folder: name a file in it")).into());
    } else if what.ends_with(".gz") {
        let file =
            File::open(&path).map_err(|error| Usage(format!("cannot read {what}: {error}")))?;
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        return Ok(Place::File(path, format));
    };
    let written = scratch.path().join("input");
    let copied = File::create(&written).and_then(|mut file| io::copy(&mut { source }, &mut file));
    copied.with_context(|| format!("cannot unpack {what}"))?;
    Ok(Place::File(written, format))
}

/// The contract that the arguments name, and in it the schema for what is looked at.
pub(crate) fn by_contract(by: &Judge, what: &str) -> Result<ByContract> {
    let file = match (&by.contract, &by.pipeline) {
        (Some(path), _) => contract::read(path)?,
        (None, Some(pipeline)) => of_pipeline(pipeline, what)?,
        (None, None) => return Err(Usage("name a --contract".to_owned()).into()),
    };
    let stem = Path::new(what).file_name().and_then(|name| name.to_str()).unwrap_or(what);
    let stem = if what.parse::<DatasetName>().is_ok() {
        what
    } else {
        stem.split('.').next().unwrap_or(stem)
    };
    let found = match &by.schema {
        Some(name) => file.schema(Some(name)),
        None => file.schema(None).or_else(|| file.schema(Some(stem))),
    };
    let Some((object, contract)) = found else {
        let names: Vec<&str> = file.body.schema.iter().map(|object| object.name.as_str()).collect();
        let names = names.join(", ");
        let what = match &by.schema {
            Some(name) => format!("the contract has no schema `{name}`; it has {names}"),
            None => format!("the contract has several schemas: name one with --schema: {names}"),
        };
        return Err(Usage(what).into());
    };
    Ok(ByContract { object: object.clone(), contract: contract.clone() })
}

/// The contract of a table in a pipeline.
pub(crate) fn of_pipeline(pipeline: &str, what: &str) -> Result<ContractFile> {
    let dataset: DatasetName = what.parse().map_err(|_| {
        Usage(format!("a pipeline has contracts for tables; for {what} name a --contract"))
    })?;
    let (folder, loaded) = shipped::opened(pipeline)?;
    let Some(table) = loaded.tables.get(&dataset) else {
        let known: Vec<String> = loaded.tables.keys().map(ToString::to_string).collect();
        let known = known.join(", ");
        return Err(Usage(format!("{pipeline} has no table {dataset}; it has {known}")).into());
    };
    let place = &table.contract.file;
    let text = match &folder {
        Folder::Disk(_) => std::fs::read_to_string(place)
            .map_err(|error| Usage(format!("cannot read {place}: {error}")))?,
        Folder::Shipped { name, .. } => {
            let path = place.strip_prefix(&format!("{name}/")).unwrap_or(place);
            folder.read(path).map_err(|error| Usage(error.to_string()))?
        }
    };
    let file = ContractFile::parse(place, &text).map_err(|mistakes| Usage(mistakes.to_string()))?;
    Ok(file)
}

/// The columns whose values are shown to nobody: those that the contract classifies so.
pub(crate) fn redacted(object: &SchemaObject) -> Vec<String> {
    let columns = object.properties.iter().filter(|column| column.sensitive());
    columns.map(|column| column.name.clone()).collect()
}
