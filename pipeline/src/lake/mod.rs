//! The lake: Iceberg tables in a folder, with a catalog in SQLite beside them.
//!
//! Tables are made and read with Apache's `iceberg`; the commit is ours, since the crate can only
//! append and checks nothing before it does.

mod amend;
mod bounds;
mod change;
mod commits;
mod compact;
mod day;
mod draft;
mod expire;
mod expiry;
mod file_writer;
mod files;
mod finished;
mod history;
mod key_file;
mod leftovers;
mod loading;
mod lookup;
mod manifests;
mod marks;
mod meanwhile;
mod opening;
mod outside;
mod positions;
mod predicate;
mod reachable;
mod reader;
mod rewind;
mod rewrite;
mod scan;
mod schema;
mod swap;
mod sweep;
mod table;
mod writer;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use assay_core::{Clock, DatasetName};
use datafusion::execution::runtime_env::RuntimeEnv;
use iceberg::io::FileIO;
use iceberg::spec::TableMetadataRef;
use iceberg::table::Table;
use iceberg::{Catalog, NamespaceIdent, TableIdent};
use iceberg_catalog_sql::SqlCatalog;
use sqlx::sqlite::SqlitePool;
use uuid::Uuid;

pub(crate) use self::commits::{as_of, traces_since};
pub use self::compact::{Compact, Compacted, CompactedPartition};
pub use self::day::{DayOfTable, day_of_table};
pub(crate) use self::day::{files_of_day, in_order};
pub use self::draft::{LakeTarget, LakeTargets};
pub use self::expire::{Expire, Expired};
pub use self::expiry::Limits;
pub(crate) use self::files::{earliest, new_since, sequences_since};
pub(crate) use self::history::{Removed, removed_since};
pub use self::leftovers::Freed;
use self::leftovers::Leftover;
pub(crate) use self::positions::{marks_of, position_of, positions};
pub(crate) use self::reader::FileRows;
pub(crate) use self::scan::LakeScan;
pub use self::sweep::Orphan;
use crate::session::runtime;
use crate::target::TargetError;

/// The name under which every reader of the catalog finds the tables.
pub const CATALOG: &str = "assay";

/// The layout of tables that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
const FORMAT_PROPERTY: &str = "assay.format-version";

/// Iceberg's own property, followed by a column, for which every engine then writes Bloom filters.
const BLOOM_FILTER: &str = "write.parquet.bloom-filter-enabled.column.";

/// All tables of one data directory.
pub struct Lake {
    catalog: SqlCatalog,
    /// The catalog's own database: commits are a compare-and-swap on its rows.
    pool: SqlitePool,
    file_io: FileIO,
    root: PathBuf,
    limits: Limits,
    /// The newest state of each table that was met, with the place of its file.
    known: Mutex<HashMap<DatasetName, (String, TableMetadataRef)>>,
    leftovers: Mutex<VecDeque<Leftover>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Arc<RuntimeEnv>,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lake").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Lake {
    /// Opens the lake in `root`, or makes an empty one there. Queries hold at most `memory_bytes`
    /// and spill what is more.
    pub async fn open(
        root: &Path,
        spill: &Path,
        memory_bytes: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Lake, TargetError> {
        let doing = || format!("open the lake in {}", root.display());
        let file = |source| TargetError::File { doing: doing(), source };
        std::fs::create_dir_all(root).map_err(file)?;
        let root = root.canonicalize().map_err(file)?;
        let runtime = runtime(spill, memory_bytes)
            .map_err(|source| TargetError::Query { doing: doing(), source })?;
        let (pool, catalog) = opening::catalog(&root).await?;
        let lake = Lake {
            catalog,
            pool,
            file_io: FileIO::new_with_fs(),
            root,
            limits: Limits::default(),
            known: Mutex::default(),
            leftovers: Mutex::default(),
            clock,
            runtime,
        };
        lake.check_place().await?;
        Ok(lake)
    }

    /// Tables name their files by absolute paths, so a lake that was moved or copied would read
    /// and write where it came from.
    async fn check_place(&self) -> Result<(), TargetError> {
        let doing = || format!("open the lake in {}", self.root.display());
        let found: Vec<(Option<String>,)> =
            sqlx::query_as("SELECT metadata_location FROM iceberg_tables")
                .fetch_all(&self.pool)
                .await
                .map_err(|source| TargetError::Catalog { doing: doing(), source })?;
        let here = format!("file://{}/", self.root.display());
        let elsewhere =
            found.into_iter().flat_map(|(place,)| place).find(|p| !p.starts_with(&here));
        match elsewhere {
            None => Ok(()),
            Some(place) => Err(TargetError::Refused {
                doing: doing(),
                why: format!(
                    "its tables are in another place ({place}): it was moved or copied. Put the \
                     data directory back where it was made"
                ),
            }),
        }
    }

    /// The name by which stores know this lake, whatever folder it is in; `made` when it had none.
    pub async fn identity(&self, made: Uuid) -> Result<String, TargetError> {
        const NAME: &str = "SELECT id FROM assay_lake";
        let named = async {
            if let Ok(Some(id)) = sqlx::query_scalar(NAME).fetch_optional(&self.pool).await {
                return Ok(id);
            }
            let make = "CREATE TABLE IF NOT EXISTS assay_lake (id TEXT NOT NULL PRIMARY KEY)";
            sqlx::query(make).execute(&self.pool).await?;
            sqlx::query(
                "INSERT INTO assay_lake (id) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM assay_lake)",
            )
            .bind(made.to_string())
            .execute(&self.pool)
            .await?;
            sqlx::query_scalar(NAME).fetch_one(&self.pool).await
        };
        let doing = || format!("read the name of the lake in {}", self.root.display());
        named.await.map_err(|source| TargetError::Catalog { doing: doing(), source })
    }

    /// The folder that holds the tables and their catalog.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The same lake, with other limits for the past that its tables carry along.
    #[must_use]
    pub fn keeping(self, limits: Limits) -> Lake {
        Lake { limits, ..self }
    }

    /// The table as it is now, if it is there.
    pub async fn table(&self, dataset: &DatasetName) -> Result<Option<Table>, TargetError> {
        let table = self.load(dataset).await?;
        table.map(|table| readable(dataset, &table).map(|()| table)).transpose()
    }

    /// The table as it is now; that it is missing is an error.
    pub async fn existing(&self, dataset: &DatasetName) -> Result<Table, TargetError> {
        let missing = || TargetError::Missing { dataset: dataset.clone() };
        self.table(dataset).await?.ok_or_else(missing)
    }

    /// The names of all tables that are there; what others put under names that no dataset of
    /// ours can have is not ours to show.
    pub async fn datasets(&self) -> Result<Vec<DatasetName>, TargetError> {
        let wrong = |source| TargetError::iceberg("list the tables", source);
        let mut names = Vec::new();
        for space in self.catalog.list_namespaces(None).await.map_err(wrong)? {
            for table in self.catalog.list_tables(&space).await.map_err(wrong)? {
                names.extend(format!("{}.{}", space.join("."), table.name()).parse());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Where the reports of a table's commits are: beside the table, not in it.
    fn reports(&self, dataset: &DatasetName) -> PathBuf {
        self.root.join("reports").join(dataset.to_string())
    }
}

fn ident(dataset: &DatasetName) -> TableIdent {
    let space = NamespaceIdent::new(dataset.layer().name().to_owned());
    TableIdent::new(space, dataset.name().to_owned())
}

/// Refuses a table that a newer version laid out.
fn readable(dataset: &DatasetName, table: &Table) -> Result<(), TargetError> {
    match table.metadata().properties().get(FORMAT_PROPERTY) {
        Some(found) if found.parse::<u32>().map_or(true, |found| found > FORMAT) => {
            Err(TargetError::Newer {
                dataset: dataset.clone(),
                found: found.clone(),
                known: FORMAT,
            })
        }
        _ => Ok(()),
    }
}
