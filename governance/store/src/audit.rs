use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::column::{from_json, from_time, json, time, word};
use crate::database::{Row, Session, statement};
use crate::{Store, StoreError};

/// What a person may do that has to be accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A reader was moved back.
    Rewind,
    /// A batch that quality had halted was let pass.
    AcceptBatch,
    /// A day was computed anew.
    Recompute,
    /// Dead letters were given up.
    Discard,
    /// Dead letters were sent back, or a job that does so was gone on with or given up.
    Replay,
    /// What was past its retention was deleted.
    Prune,
    /// A stage was stopped for a while.
    Pause,
    /// A paused stage was let go on.
    Resume,
    /// What contracts show to few was looked at.
    Reveal,
    /// Somebody was given a key to the services, or lost it.
    CreateKey,
    RevokeKey,
}

impl Action {
    pub const ALL: [Action; 11] = [
        Action::Rewind,
        Action::AcceptBatch,
        Action::Recompute,
        Action::Discard,
        Action::Replay,
        Action::Prune,
        Action::Pause,
        Action::Resume,
        Action::Reveal,
        Action::CreateKey,
        Action::RevokeKey,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Action::Rewind => "rewind",
            Action::AcceptBatch => "accept-batch",
            Action::Recompute => "recompute",
            Action::Discard => "discard",
            Action::Replay => "replay",
            Action::Prune => "prune",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Reveal => "reveal",
            Action::CreateKey => "create-key",
            Action::RevokeKey => "revoke-key",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Action::ALL.into_iter().find(|action| action.name() == text).ok_or_else(|| {
            let known = Action::ALL.map(Action::name).join(", ");
            format!("`{text}` is no action of the audit: write one of {known}")
        })
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who did what, to what, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditEntry {
    pub at: DateTime<Utc>,
    pub who: String,
    pub action: Action,
    /// What it was done to: a stage, a batch, a dataset.
    pub subject: String,
    /// In the words of the person.
    pub reason: String,
    /// Whatever belongs to the action.
    pub details: Value,
}

/// Which entries to list; what is not given does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    pub action: Option<Action>,
    pub subject: Option<String>,
    pub limit: u32,
}

impl Default for AuditFilter {
    fn default() -> Self {
        AuditFilter { action: None, subject: None, limit: 100 }
    }
}

impl Store {
    /// Keeps what was done; on return it is in the store.
    pub async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let recorded = async {
            let mut transaction = self.write().await?;
            put(&mut transaction, entry).await?;
            transaction.commit().await
        };
        recorded.await.map_err(self.failed("keep an audit entry"))
    }

    /// What was done, the last first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let failed = self.failed("read the audit");
        let rows = statement(
            "SELECT at, who, action, subject, reason, details FROM audit
             WHERE ($1 IS NULL OR action = $1) AND ($2 IS NULL OR subject = $2)
             ORDER BY number DESC LIMIT $3",
        )
        .bind(filter.action.map(Action::name))
        .bind(&filter.subject)
        .bind(i64::from(filter.limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(entry).collect::<Result<_, _>>().map_err(failed)
    }
}

/// Writes an entry in the transaction of what it tells of. The transaction has the write lock, so
/// no number is given twice.
pub(crate) async fn put(connection: &mut Session, entry: &AuditEntry) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO audit (number, at, who, action, subject, reason, details)
         VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM audit), $1, $2, $3, $4, $5, $6)",
    )
    .bind(from_time(entry.at))
    .bind(&entry.who)
    .bind(entry.action.name())
    .bind(&entry.subject)
    .bind(&entry.reason)
    .bind(from_json(&entry.details)?)
    .execute(connection)
    .await?;
    Ok(())
}

fn entry(row: &Row) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        at: time(row, "at")?,
        who: row.try_get("who")?,
        action: word(row, "action")?,
        subject: row.try_get("subject")?,
        reason: row.try_get("reason")?,
        details: json(row, "details")?,
    })
}
