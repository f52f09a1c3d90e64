//! A table of Postgres as a stage's target.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use assay_core::{DatasetName, DraftId, Mark, Position, ReaderId, Report, Slice};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::columns::{WireColumn, of_table};
use super::commit::{PostgresDraft, move_marks};
use super::lookup::PostgresLookup;
use super::unique::{self, Key};
use super::{Postgres, failure};
use crate::definition::TableSpec;
use crate::lake::{Lake, LakeTarget};
use crate::stage::EventTime;
use crate::target::{
    Commit, Day, Draft, DraftOf, Lookup, PAGE, Snapshot, Target, TargetError, Targets, Write,
};

/// Tables of the lake and of a database, each where its pipeline says.
pub struct Places {
    pub lake: Arc<Lake>,
    pub postgres: Option<Arc<Postgres>>,
}

impl Targets for Places {
    fn target(&self, spec: &Arc<TableSpec>) -> Box<dyn Target> {
        match (&spec.postgres, &self.postgres) {
            (None, _) => Box::new(LakeTarget::new(Arc::clone(&self.lake), Arc::clone(spec))),
            (Some(table), Some(postgres)) => Box::new(PostgresTarget::new(postgres, spec, table)),
            (Some(_), None) => Box::new(Nowhere(Arc::clone(spec))),
        }
    }
}

/// One table of the database.
pub struct PostgresTarget {
    postgres: Arc<Postgres>,
    spec: Arc<TableSpec>,
    table: String,
    /// Of the tables that were looked at since the target was prepared.
    columns: Mutex<HashMap<String, Vec<WireColumn>>>,
    /// Tables of which it is known since then that they refuse a second row of a key.
    unique: Mutex<HashSet<String>>,
    /// The seconds of late and idle that the database knows.
    said: Mutex<Option<(i64, i64)>>,
}

impl PostgresTarget {
    fn new(postgres: &Arc<Postgres>, spec: &Arc<TableSpec>, table: &str) -> PostgresTarget {
        PostgresTarget {
            postgres: Arc::clone(postgres),
            spec: Arc::clone(spec),
            table: table.to_owned(),
            columns: Mutex::default(),
            unique: Mutex::default(),
            said: Mutex::default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<WireColumn>>> {
        self.columns.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn columns_of(
        &self,
        table: &str,
        spec: &TableSpec,
    ) -> Result<Vec<WireColumn>, TargetError> {
        if let Some(columns) = self.known().get(table) {
            return Ok(columns.clone());
        }
        let columns = of_table(&self.postgres.pool, table, spec).await?;
        self.known().insert(table.to_owned(), columns.clone());
        Ok(columns)
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.unique.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Exactly-once rests on the table's own key.
    async fn is_unique(
        &self,
        dataset: &DatasetName,
        table: &str,
        key: Key<'_>,
    ) -> Result<(), TargetError> {
        if key.columns.is_empty() || self.checked().contains(table) {
            return Ok(());
        }
        unique::check(&self.postgres.pool, dataset, table, &key).await?;
        self.checked().insert(table.to_owned());
        Ok(())
    }

    /// What the stage says of late rows, for `assay.watermark`. It is said again when it changes.
    async fn say_times(&self, reader: &ReaderId, time: &EventTime) -> Result<(), TargetError> {
        let (late, idle) = (time.late_after.num_seconds(), time.idle_after.num_seconds());
        if *self.said() == Some((late, idle)) {
            return Ok(());
        }
        let sql = "INSERT INTO assay.readers (dataset, reader, late_after, idle_after) \
                   VALUES ($1, $2, make_interval(secs => $3), make_interval(secs => $4)) \
                   ON CONFLICT (dataset, reader) DO UPDATE \
                   SET late_after = excluded.late_after, idle_after = excluded.idle_after";
        sqlx::query(sql)
            .bind(self.spec.dataset.to_string())
            .bind(&reader.0)
            .bind(late as f64)
            .bind(idle as f64)
            .execute(&self.postgres.pool)
            .await
            .map_err(self.failed("say when rows are late of"))?;
        *self.said() = Some((late, idle));
        Ok(())
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Option<(i64, i64)>> {
        self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn failed(&self, doing: &str) -> impl Fn(sqlx::Error) -> TargetError {
        let doing = format!("{doing} {} in {}", self.spec.dataset, self.postgres.place());
        move |error| failure::of(doing.clone(), error)
    }
}

#[async_trait]
impl Target for PostgresTarget {
    async fn prepare(&self) -> Result<(), TargetError> {
        self.known().clear();
        self.checked().clear();
        self.postgres.check().await?;
        self.columns_of(&self.table, &self.spec).await.map(drop)
    }

    fn place(&self, spec: &TableSpec) -> Option<(String, String)> {
        spec.postgres.as_deref().map(|table| self.postgres.lineage(table))
    }

    async fn move_reader(
        &self,
        reader: &ReaderId,
        (from, to): (&Position, &Position),
    ) -> Result<(), TargetError> {
        let doing = self.failed("move a reader of");
        let mut transaction = self.postgres.pool.begin().await.map_err(&doing)?;
        move_marks(&mut transaction, &self.spec.dataset, reader, (from, to)).await?;
        transaction.commit().await.map_err(&doing)
    }

    async fn position(&self, reader: &ReaderId) -> Result<Position, TargetError> {
        let sql = "SELECT slice, mark FROM assay.positions WHERE dataset = $1 AND reader = $2";
        let rows = sqlx::query(sql)
            .bind(self.spec.dataset.to_string())
            .bind(&reader.0)
            .fetch_all(&self.postgres.pool)
            .await
            .map_err(self.failed("find the position of"))?;
        let mut position = Position::default();
        for row in rows {
            let (slice, mark): (String, String) = (row.get(0), row.get(1));
            position.0.insert(Slice::from_name(&slice), read_mark(&mark)?);
        }
        Ok(position)
    }

    async fn draft(&self, of: DraftOf<'_>, write: Write) -> Result<Box<dyn Draft>, TargetError> {
        if write != Write::Append {
            return Err(TargetError::Refused {
                doing: format!("write {}", self.spec.dataset),
                why: "rows of a table in Postgres are added to, not replaced".to_owned(),
            });
        }
        if !self.position(of.reader).await?.agrees_with(of.from) {
            let (dataset, reader) = (self.spec.dataset.clone(), of.reader.clone());
            return Err(TargetError::Fenced { dataset, reader });
        }
        if let Some(time) = of.event_time {
            self.say_times(of.reader, time).await?;
        }
        let mut draft = PostgresDraft::new(&self.postgres, &self.spec, &of);
        let columns = self.columns_of(&self.table, &self.spec).await?;
        let key = Key { columns: of.key, said: "deduplicate", nulls: false };
        self.is_unique(&self.spec.dataset, &self.table, key).await?;
        draft.add(&self.spec, &self.table, columns, Write::Append);
        for also in of.also {
            let table = also.writes.postgres.as_deref().unwrap_or(also.writes.dataset.name());
            let columns = self.columns_of(table, &also.writes).await?;
            if let Some(merge) = &also.merge {
                let key = Key { columns: &merge.key, said: "merge", nulls: true };
                self.is_unique(&also.writes.dataset, table, key).await?;
            }
            draft.add(&also.writes, table, columns, also.write());
        }
        Ok(Box::new(draft))
    }

    async fn landed(&self, draft: DraftId) -> Result<Option<Commit>, TargetError> {
        let sql = "SELECT number, report FROM assay.commits WHERE draft = $1";
        let row = sqlx::query(sql)
            .bind(draft.to_string())
            .fetch_optional(&self.postgres.pool)
            .await
            .map_err(self.failed("look for a commit of"))?;
        row.map(|row| self.commit(&row)).transpose()
    }

    async fn holds(&self, sequence: u64, draft: DraftId) -> Result<bool, TargetError> {
        // Old reports go, so a number that was given may have no row any more.
        let sql = "SELECT coalesce( \
                     (SELECT draft = $3 FROM assay.commits WHERE dataset = $1 AND number = $2), \
                     (SELECT last >= $2 FROM assay.commit_numbers WHERE dataset = $1), false)";
        sqlx::query_scalar(sql)
            .bind(self.spec.dataset.to_string())
            .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
            .bind(draft.to_string())
            .fetch_one(&self.postgres.pool)
            .await
            .map_err(self.failed("find the last commit that was told of"))
    }

    async fn commits(&self, after: Option<u64>) -> Result<Vec<Commit>, TargetError> {
        // Whoever knows none of them begins with the newest, not with those of days.
        let sql = "SELECT number, report FROM assay.commits \
                   WHERE dataset = $1 AND number > coalesce($2, (SELECT last - $3 \
                     FROM assay.commit_numbers WHERE dataset = $1), 0) \
                   ORDER BY number LIMIT $3";
        let after = after.map(|after| i64::try_from(after).unwrap_or(i64::MAX));
        let rows = sqlx::query(sql)
            .bind(self.spec.dataset.to_string())
            .bind(after)
            .bind(i64::try_from(PAGE).unwrap_or(i64::MAX))
            .fetch_all(&self.postgres.pool)
            .await
            .map_err(self.failed("read the commits of"))?;
        rows.iter().map(|row| self.commit(row)).collect()
    }

    async fn lookup(
        &self,
        columns: &[String],
        _: Option<Snapshot>,
        without: Option<&Day>,
    ) -> Result<Box<dyn Lookup>, TargetError> {
        if without.is_some() {
            return Err(TargetError::Refused {
                doing: format!("compute a day of {} anew", self.spec.dataset),
                why: "a table in Postgres has no days that are replaced".to_owned(),
            });
        }
        let all = self.columns_of(&self.table, &self.spec).await?;
        let wanted = columns
            .iter()
            .filter_map(|name| all.iter().find(|column| column.name == *name).cloned());
        let (spec, postgres) = (Arc::clone(&self.spec), Arc::clone(&self.postgres));
        Ok(Box::new(PostgresLookup::new(postgres, spec, &self.table, wanted.collect())))
    }
}

impl PostgresTarget {
    fn commit(&self, row: &PgRow) -> Result<Commit, TargetError> {
        let (number, report): (i64, String) = (row.get(0), row.get(1));
        let report: Report = serde_json::from_str(&report).map_err(|_| TargetError::Refused {
            doing: format!("read a report of {}", self.spec.dataset),
            why: "a row of assay.commits was changed by someone else, or is of a newer Assay"
                .to_owned(),
        })?;
        let sequence = number.unsigned_abs();
        Ok(Commit { sequence, snapshot: Snapshot(number), report })
    }
}

pub(super) fn read_mark(text: &str) -> Result<Mark, TargetError> {
    serde_json::from_str(text).map_err(|_| TargetError::Refused {
        doing: "read a position".to_owned(),
        why: "a row of assay.positions was changed by someone else, or is of a newer Assay"
            .to_owned(),
    })
}

/// A table of a database that nobody has named.
struct Nowhere(Arc<TableSpec>);

impl Nowhere {
    fn unknown(&self) -> TargetError {
        TargetError::Refused {
            doing: format!("reach {}", self.0.dataset),
            why:
                "its table is in Postgres, and nothing says where that is: set ASSAY_POSTGRES, or \
                  `postgres: {url: …}` in assay.yaml"
                    .to_owned(),
        }
    }
}

#[async_trait]
impl Target for Nowhere {
    async fn prepare(&self) -> Result<(), TargetError> {
        Err(self.unknown())
    }

    async fn position(&self, _: &ReaderId) -> Result<Position, TargetError> {
        Err(self.unknown())
    }

    async fn draft(&self, _: DraftOf<'_>, _: Write) -> Result<Box<dyn Draft>, TargetError> {
        Err(self.unknown())
    }

    async fn landed(&self, _: DraftId) -> Result<Option<Commit>, TargetError> {
        Err(self.unknown())
    }

    async fn commits(&self, _: Option<u64>) -> Result<Vec<Commit>, TargetError> {
        Err(self.unknown())
    }

    async fn lookup(
        &self,
        _: &[String],
        _: Option<Snapshot>,
        _: Option<&Day>,
    ) -> Result<Box<dyn Lookup>, TargetError> {
        Err(self.unknown())
    }
}
