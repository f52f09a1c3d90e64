//! The outbox as the courier sees it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Delivery, delivery};
use crate::column::{count, from_count, from_time, some_time};
use crate::database::{On, statement};
use crate::{Store, StoreError};

/// The first of each subject's waiting rows, and those behind it, where the first is due.
const DUE: &str = "
    SELECT * FROM outbox o WHERE target = $1 AND state = 'waiting' AND NOT EXISTS (
        SELECT 1 FROM outbox e WHERE e.target = o.target AND e.state = 'waiting'
            AND e.subject = o.subject AND e.due_at > $2 AND e.sequence <= o.sequence)
    ORDER BY sequence LIMIT $3";

impl Store {
    /// Takes the right to send to `target` until `until`, or keeps it; false while another process
    /// has it.
    pub async fn lease(
        &self,
        target: &str,
        who: Uuid,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let taken = statement(
            "INSERT INTO outbox_targets (target, since, leased_by, leased_until, away, delivered,
                 failures)
             VALUES ($1, $3, $2, $4, 0, 0, 0)
             ON CONFLICT (target) DO UPDATE SET leased_by = excluded.leased_by,
                 leased_until = excluded.leased_until
             WHERE outbox_targets.leased_by IS NULL OR outbox_targets.leased_by = $2
                 OR outbox_targets.leased_until <= $3",
        )
        .bind(target)
        .bind(who.to_string())
        .bind(from_time(now))
        .bind(from_time(until))
        .execute(self.pool())
        .await
        .map_err(self.failed("take the right to send"))?;
        Ok(taken.rows_affected() > 0)
    }

    /// Lets another process send to `target`.
    pub async fn release(&self, target: &str, who: Uuid) -> Result<(), StoreError> {
        statement(
            "UPDATE outbox_targets SET leased_by = NULL, leased_until = NULL
             WHERE target = $1 AND leased_by = $2",
        )
        .bind(target)
        .bind(who.to_string())
        .execute(self.pool())
        .await
        .map_err(self.failed("give back the right to send"))?;
        Ok(())
    }

    /// How often in a row `target` was away, and until when nothing is tried.
    pub async fn held(&self, target: &str) -> Result<(u64, Option<DateTime<Utc>>), StoreError> {
        let failed = self.failed("see whether a target is held back");
        let row = statement("SELECT away, held_until FROM outbox_targets WHERE target = $1")
            .bind(target)
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        let Some(row) = row else { return Ok((0, None)) };
        let held = || Ok((count(&row, "away")?, some_time(&row, "held_until")?));
        held().map_err(failed)
    }

    /// What may be sent to `target` now, oldest first: nothing that stands behind another one of
    /// its subject that has to wait.
    pub async fn deliverable(
        &self,
        target: &str,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let failed = self.failed("read what has to be sent");
        let rows = statement(DUE)
            .bind(target)
            .bind(from_time(now))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(delivery).collect::<Result<_, _>>().map_err(failed)
    }

    /// When something may be sent next; none when nothing waits.
    pub async fn next_due(&self, target: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let failed = self.failed("see when something has to be sent");
        let row = statement(
            "SELECT MIN(due_at) AS due_at FROM outbox WHERE target = $1 AND state = 'waiting'",
        )
        .bind(target)
        .fetch_one(self.pool())
        .await
        .map_err(&failed)?;
        some_time(&row, "due_at").map_err(failed)
    }

    /// The target has what it had to get: the row goes, and the target counts as there.
    pub async fn delivered(&self, sent: &Delivery, now: DateTime<Utc>) -> Result<(), StoreError> {
        let done = async {
            let mut transaction = self.write().await?;
            let gone = statement("DELETE FROM outbox WHERE sequence = $1 AND event = $2")
                .bind(from_count(sent.sequence))
                .bind(sent.event.to_string())
                .execute(&mut transaction)
                .await?;
            statement(
                "UPDATE outbox_targets SET away = 0, held_until = NULL, reason = NULL,
                     delivered = delivered + $3, last_success_at = $2
                 WHERE target = $1",
            )
            .bind(&sent.target)
            .bind(from_time(now))
            .bind(from_count(gone.rows_affected()))
            .execute(&mut transaction)
            .await?;
            transaction.commit().await
        };
        done.await.map_err(self.failed("note a delivery"))
    }

    /// An attempt failed, and there will be another.
    pub async fn postpone(
        &self,
        failed: &Delivery,
        due_at: DateTime<Utc>,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.keep_failure(failed, "waiting", due_at, reason).await
    }

    /// It is not tried any more, until a person says so.
    pub async fn park(
        &self,
        failed: &Delivery,
        now: DateTime<Utc>,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.keep_failure(failed, "parked", now, reason).await
    }

    async fn keep_failure(
        &self,
        failed: &Delivery,
        state: &str,
        due_at: DateTime<Utc>,
        reason: &str,
    ) -> Result<(), StoreError> {
        let kept = async {
            let mut transaction = self.write().await?;
            statement(
                "UPDATE outbox SET state = $3, due_at = $4, attempts = attempts + 1, reason = $5
                 WHERE sequence = $1 AND event = $2",
            )
            .bind(from_count(failed.sequence))
            .bind(failed.event.to_string())
            .bind(state)
            .bind(from_time(due_at))
            .bind(reason)
            .execute(&mut transaction)
            .await?;
            count_failure(&mut transaction, &failed.target).await?;
            transaction.commit().await
        };
        kept.await.map_err(self.failed("note a failed delivery"))
    }

    /// An attempt failed, and not by the delivery.
    pub async fn failed_attempt(&self, target: &str) -> Result<(), StoreError> {
        let counted = async { count_failure(self.pool(), target).await };
        counted.await.map_err(self.failed("count a failed attempt"))
    }

    /// Nothing is sent to `target` until `until`. No delivery is to blame for it.
    pub async fn hold(
        &self,
        target: &str,
        until: DateTime<Utc>,
        reason: &str,
    ) -> Result<(), StoreError> {
        statement(
            "UPDATE outbox_targets SET held_until = $2, reason = $3, away = away + 1
             WHERE target = $1",
        )
        .bind(target)
        .bind(from_time(until))
        .bind(reason)
        .execute(self.pool())
        .await
        .map_err(self.failed("hold back a target"))?;
        Ok(())
    }

    /// A target that was left alone for a while is tried again at once, and so is what waits for it.
    pub async fn let_go(&self, target: &str) -> Result<(), StoreError> {
        let let_go = async {
            let mut transaction = self.write().await?;
            statement("UPDATE outbox_targets SET held_until = NULL, away = 0 WHERE target = $1")
                .bind(target)
                .execute(&mut transaction)
                .await?;
            statement("UPDATE outbox SET due_at = $2 WHERE target = $1 AND state = 'waiting'")
                .bind(target)
                .bind(from_time(DateTime::UNIX_EPOCH))
                .execute(&mut transaction)
                .await?;
            transaction.commit().await
        };
        let_go.await.map_err(self.failed("let a target go"))
    }
}

async fn count_failure<'o>(on: impl Into<On<'o>>, target: &str) -> Result<(), sqlx::Error> {
    statement("UPDATE outbox_targets SET failures = failures + 1 WHERE target = $1")
        .bind(target)
        .execute(on)
        .await?;
    Ok(())
}
