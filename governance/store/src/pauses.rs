//! Stages that a person has stopped for a while.

use assay_core::StageId;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::column::{from_time, time};
use crate::database::{Row, statement};
use crate::{AuditEntry, Store, StoreError, audit};

/// Who stopped a stage, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    pub stage: StageId,
    pub at: DateTime<Utc>,
    pub who: String,
    pub reason: String,
}

impl Store {
    /// Pauses a stage, and keeps who did so and why, together; false when it is paused already.
    pub async fn pause(&self, stage: &StageId, entry: &AuditEntry) -> Result<bool, StoreError> {
        let sql = "INSERT INTO pauses (pipeline, stage, at, who, reason)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pipeline, stage) DO NOTHING";
        let paused = async {
            let mut transaction = self.write().await?;
            let put = statement(sql)
                .bind(&stage.pipeline)
                .bind(&stage.stage)
                .bind(from_time(entry.at))
                .bind(&entry.who)
                .bind(&entry.reason)
                .execute(&mut transaction)
                .await?;
            if put.rows_affected() == 0 {
                return Ok(false);
            }
            audit::put(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(true)
        };
        paused.await.map_err(self.failed("pause a stage"))
    }

    /// Ends a stage's pause, and keeps who did so, together; false when it is not paused.
    pub async fn resume(&self, stage: &StageId, entry: &AuditEntry) -> Result<bool, StoreError> {
        let resumed = async {
            let mut transaction = self.write().await?;
            let gone = statement("DELETE FROM pauses WHERE pipeline = $1 AND stage = $2")
                .bind(&stage.pipeline)
                .bind(&stage.stage)
                .execute(&mut transaction)
                .await?;
            if gone.rows_affected() == 0 {
                return Ok(false);
            }
            audit::put(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(true)
        };
        resumed.await.map_err(self.failed("resume a stage"))
    }

    /// The pause of a stage, if it is paused.
    pub async fn paused(&self, stage: &StageId) -> Result<Option<Pause>, StoreError> {
        let failed = self.failed("see whether a stage is paused");
        let row = statement("SELECT * FROM pauses WHERE pipeline = $1 AND stage = $2")
            .bind(&stage.pipeline)
            .bind(&stage.stage)
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        row.as_ref().map(pause).transpose().map_err(failed)
    }

    /// All stages that are paused.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let failed = self.failed("list the paused stages");
        let rows = statement("SELECT * FROM pauses ORDER BY pipeline, stage")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(pause).collect::<Result<_, _>>().map_err(failed)
    }
}

fn pause(row: &Row) -> Result<Pause, sqlx::Error> {
    Ok(Pause {
        stage: StageId { pipeline: row.try_get("pipeline")?, stage: row.try_get("stage")? },
        at: time(row, "at")?,
        who: row.try_get("who")?,
        reason: row.try_get("reason")?,
    })
}
