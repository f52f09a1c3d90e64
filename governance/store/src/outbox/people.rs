//! The outbox as people see it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Delivery, DeliveryState, delivery};
use crate::column::{count, from_count, from_time, some_time, time};
use crate::database::{Row, statement};
use crate::{AuditEntry, Store, StoreError, audit};

/// Which deliveries are meant; what is not said is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    pub target: Option<String>,
    pub state: Option<DeliveryState>,
    pub sequence: Option<u64>,
}

/// How it stands with one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetHealth {
    pub target: String,
    pub since: DateTime<Utc>,
    pub waiting: u64,
    pub parked: u64,
    /// When the oldest of those that wait came in.
    pub oldest: Option<DateTime<Utc>>,
    pub delivered: u64,
    pub failures: u64,
    pub last_success_at: Option<DateTime<Utc>>,
    /// Until when nothing is tried, and why.
    pub held_until: Option<DateTime<Utc>>,
    pub reason: Option<String>,
}

const CHOSEN: &str = "($1 IS NULL OR target = $1) AND ($2 IS NULL OR state = $2)
    AND ($3 IS NULL OR sequence = $3)";

impl Store {
    /// What is in the outbox, oldest first.
    pub async fn outbox(&self, chosen: &Chosen, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let failed = self.failed("read the outbox");
        let sql = format!("SELECT * FROM outbox WHERE {CHOSEN} ORDER BY sequence LIMIT $4");
        let rows = statement(&sql)
            .bind(&chosen.target)
            .bind(chosen.state.map(DeliveryState::name))
            .bind(chosen.sequence.map(from_count))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(delivery).collect::<Result<_, _>>().map_err(failed)
    }

    /// How it stands with every target that was ever sent to.
    pub async fn targets(&self) -> Result<Vec<TargetHealth>, StoreError> {
        let failed = self.failed("see how it stands with the targets");
        let rows = statement(
            "SELECT t.*, COUNT(CASE WHEN o.state = 'waiting' THEN 1 END) AS waiting,
                 COUNT(CASE WHEN o.state = 'parked' THEN 1 END) AS parked,
                 MIN(CASE WHEN o.state = 'waiting' THEN o.enqueued_at END) AS oldest
             FROM outbox_targets t LEFT JOIN outbox o ON o.target = t.target
             GROUP BY t.target ORDER BY t.target",
        )
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(health).collect::<Result<_, _>>().map_err(failed)
    }

    /// What is chosen is tried again at once, as if for the first time, and so are its targets.
    pub async fn retry(&self, chosen: &Chosen, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let tried = async {
            let mut transaction = self.write().await?;
            let sql = format!(
                "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = $4 WHERE {CHOSEN}"
            );
            let again = statement(&sql)
                .bind(&chosen.target)
                .bind(chosen.state.map(DeliveryState::name))
                .bind(chosen.sequence.map(from_count))
                .bind(from_time(now))
                .execute(&mut transaction)
                .await?;
            statement(
                "UPDATE outbox_targets SET held_until = NULL, away = 0
                 WHERE $1 IS NULL OR target = $1",
            )
            .bind(&chosen.target)
            .execute(&mut transaction)
            .await?;
            transaction.commit().await?;
            Ok(again.rows_affected())
        };
        tried.await.map_err(self.failed("retry deliveries"))
    }

    /// Gives up what is chosen, and keeps who did so and why, together.
    pub async fn discard(&self, chosen: &Chosen, entry: &AuditEntry) -> Result<u64, StoreError> {
        let discarded = async {
            let mut transaction = self.write().await?;
            let sql = format!("DELETE FROM outbox WHERE {CHOSEN}");
            let gone = statement(&sql)
                .bind(&chosen.target)
                .bind(chosen.state.map(DeliveryState::name))
                .bind(chosen.sequence.map(from_count))
                .execute(&mut transaction)
                .await?;
            if gone.rows_affected() == 0 {
                return Ok(0);
            }
            audit::put(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(gone.rows_affected())
        };
        discarded.await.map_err(self.failed("discard deliveries"))
    }
}

fn health(row: &Row) -> Result<TargetHealth, sqlx::Error> {
    Ok(TargetHealth {
        target: row.try_get("target")?,
        since: time(row, "since")?,
        waiting: count(row, "waiting")?,
        parked: count(row, "parked")?,
        oldest: some_time(row, "oldest")?,
        delivered: count(row, "delivered")?,
        failures: count(row, "failures")?,
        last_success_at: some_time(row, "last_success_at")?,
        held_until: some_time(row, "held_until")?,
        reason: row.try_get("reason")?,
    })
}
