//! The schema of the database: our own tables, and those that a pipeline declares, version by
//! version.

use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Postgres, failure};
use crate::target::TargetError;

/// One step of a schema, which is applied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub name: String,
    pub sql: String,
}

/// What a database was, or would be, changed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// `assay`, or the name of a pipeline.
    pub owner: String,
    pub name: String,
    /// Whether it was there before.
    pub before: bool,
}

/// Who owns our own tables.
const OWN: &str = "assay";

const STEPS: [(&str, &str); 1] = [("0001_commits.sql", include_str!("sql/0001_commits.sql"))];

/// Two who migrate one database wait for each other by this lock.
const LOCK: i64 = 0x0061_7373_6179;

impl Postgres {
    /// Whether our own tables are there, as this version knows them.
    pub(crate) async fn check(&self) -> Result<(), TargetError> {
        let doing = || format!("use {}", self.place());
        let failed = |error| failure::of(doing(), error);
        let known: bool = sqlx::query_scalar("SELECT to_regclass('assay.migrations') IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .map_err(failed)?;
        let count: i64 = match known {
            false => 0,
            true => sqlx::query_scalar("SELECT count(*) FROM assay.migrations WHERE owner = $1")
                .bind(OWN)
                .fetch_one(&self.pool)
                .await
                .map_err(failed)?,
        };
        let refused = |why: &str| TargetError::Refused { doing: doing(), why: why.to_owned() };
        match usize::try_from(count).unwrap_or(usize::MAX).cmp(&STEPS.len()) {
            std::cmp::Ordering::Less => {
                Err(refused("its tables are not there yet: run `assay db migrate --pipeline NAME`"))
            }
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => {
                Err(refused("a newer Assay has migrated it: update Assay"))
            }
        }
    }

    /// Brings the database up to date, in one transaction, and says what that takes. `pipeline` has
    /// tables of its own.
    pub async fn migrate(
        &self,
        pipeline: Option<(&str, &[Migration])>,
        dry: bool,
    ) -> Result<Vec<Migrated>, TargetError> {
        let doing = || format!("migrate {}", self.place());
        let failed = |error| failure::of(doing(), error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        // Another may be at it, and an index may take its time.
        let patient = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0";
        sqlx::raw_sql(patient).execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let books = "CREATE SCHEMA IF NOT EXISTS assay; \
                     CREATE TABLE IF NOT EXISTS assay.migrations (owner text NOT NULL, \
                       name text NOT NULL, sha256 text NOT NULL, \
                       applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (owner, name))";
        sqlx::raw_sql(books).execute(&mut *transaction).await.map_err(failed)?;
        let own = STEPS.map(|(name, sql)| Migration { name: name.to_owned(), sql: sql.to_owned() });
        let mut all = self.apply(&mut transaction, OWN, &own).await?;
        if let Some((name, steps)) = pipeline {
            all.extend(self.apply(&mut transaction, name, steps).await?);
        }
        match dry {
            true => transaction.rollback().await.map_err(failed)?,
            false => transaction.commit().await.map_err(failed)?,
        }
        Ok(all)
    }

    async fn apply(
        &self,
        to: &mut PgConnection,
        owner: &str,
        steps: &[Migration],
    ) -> Result<Vec<Migrated>, TargetError> {
        let doing = |name: &str| format!("apply {name} of {owner} to {}", self.place());
        let rows = sqlx::query("SELECT name, sha256 FROM assay.migrations WHERE owner = $1")
            .bind(owner)
            .fetch_all(&mut *to)
            .await
            .map_err(|error| failure::of(doing("the migrations"), error))?;
        let applied: Vec<(String, String)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        if let Some((unknown, _)) =
            applied.iter().find(|(name, _)| steps.iter().all(|step| step.name != *name))
        {
            return Err(TargetError::Refused {
                doing: doing("the migrations"),
                why: format!(
                    "{unknown} was applied there and is not known here: use the newer one"
                ),
            });
        }
        let mut all = Vec::new();
        for step in steps {
            let hash = format!("{:x}", Sha256::digest(&step.sql));
            let before = applied.iter().find(|(name, _)| *name == step.name);
            if before.is_some_and(|(_, then)| *then != hash) {
                return Err(TargetError::Refused {
                    doing: doing(&step.name),
                    why:
                        "it was changed after it had been applied: restore it, and put the change \
                          into a new one"
                            .to_owned(),
                });
            }
            if before.is_none() {
                let failed = |error| failure::of(doing(&step.name), error);
                sqlx::raw_sql(&step.sql).execute(&mut *to).await.map_err(failed)?;
                sqlx::query(
                    "INSERT INTO assay.migrations (owner, name, sha256) VALUES ($1, $2, $3)",
                )
                .bind(owner)
                .bind(&step.name)
                .bind(hash)
                .execute(&mut *to)
                .await
                .map_err(failed)?;
            }
            let (owner, name) = (owner.to_owned(), step.name.clone());
            all.push(Migrated { owner, name, before: before.is_some() });
        }
        Ok(all)
    }
}
