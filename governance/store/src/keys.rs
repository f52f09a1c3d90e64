//! Keys of the services' clients. Only their hashes are here.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::column::{from_time, some_time, time, word};
use crate::database::{Row, statement};
use crate::{Action, AuditEntry, Store, StoreError, audit};

/// What the owner of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Looks at everything.
    Viewer,
    /// Looks, sends, and does what changes something.
    Operator,
    /// Sends, and sees nothing: what a pipeline's configuration holds.
    Writer,
}

/// What a request does, and so who may send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    Look,
    Send,
    Change,
    /// Looks also at what contracts show to few.
    Reveal,
}

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    pub name: String,
    pub role: Role,
    pub sha256: String,
    pub made_at: DateTime<Utc>,
    pub made_by: String,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_by: Option<String>,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Writer];

    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Writer => "writer",
        }
    }

    pub fn may(self, deed: Deed) -> bool {
        match self {
            Role::Viewer => deed == Deed::Look,
            Role::Operator => true,
            Role::Writer => deed == Deed::Send,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Role::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| {
            let known = Role::ALL.map(Role::name).join(", ");
            format!("`{text}` is no role: write one of {known}")
        })
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

const KEY: &str = "SELECT name, role, sha256, made_at, made_by, revoked_at, revoked_by FROM keys";

impl Store {
    /// Keeps a key, and who made it; false, and without effect, when one of that name opens doors
    /// already.
    pub async fn add_key(&self, key: &KeyRecord) -> Result<bool, StoreError> {
        let kept = async {
            let mut transaction = self.write().await?;
            let put = statement(
                "INSERT INTO keys (name, role, sha256, made_at, made_by)
                 SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS
                     (SELECT 1 FROM keys WHERE name = $1 AND revoked_at IS NULL)",
            )
            .bind(&key.name)
            .bind(key.role.name())
            .bind(&key.sha256)
            .bind(from_time(key.made_at))
            .bind(&key.made_by)
            .execute(&mut transaction)
            .await?;
            if put.rows_affected() == 0 {
                return Ok(false);
            }
            let (at, who) = (key.made_at, key.made_by.as_str());
            let made = done(Action::CreateKey, &key.name, (at, who), json!({"role": key.role}));
            audit::put(&mut transaction, &made).await?;
            transaction.commit().await?;
            Ok(true)
        };
        kept.await.map_err(self.failed("keep a key"))
    }

    /// Makes the key of that name open nothing any more; false when there is none that does.
    pub async fn revoke_key(
        &self,
        name: &str,
        at: DateTime<Utc>,
        who: &str,
    ) -> Result<bool, StoreError> {
        let revoked = async {
            let mut transaction = self.write().await?;
            let sql = "UPDATE keys SET revoked_at = $2, revoked_by = $3
                 WHERE name = $1 AND revoked_at IS NULL";
            let query = statement(sql).bind(name).bind(from_time(at)).bind(who);
            if query.execute(&mut transaction).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let revoked = done(Action::RevokeKey, name, (at, who), json!({}));
            audit::put(&mut transaction, &revoked).await?;
            transaction.commit().await?;
            Ok(true)
        };
        revoked.await.map_err(self.failed("revoke a key"))
    }

    /// Every key that was ever made, by name.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let failed = self.failed("read the keys");
        let sql = format!("{KEY} ORDER BY name, made_at");
        let rows = statement(&sql).fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(key).collect::<Result<_, _>>().map_err(failed)
    }
}

fn done(
    action: Action,
    name: &str,
    (at, who): (DateTime<Utc>, &str),
    details: Value,
) -> AuditEntry {
    let (who, subject) = (who.to_owned(), name.to_owned());
    AuditEntry { at, who, action, subject, reason: String::new(), details }
}

fn key(row: &Row) -> Result<KeyRecord, sqlx::Error> {
    Ok(KeyRecord {
        name: row.try_get("name")?,
        role: word(row, "role")?,
        sha256: row.try_get("sha256")?,
        made_at: time(row, "made_at")?,
        made_by: row.try_get("made_by")?,
        revoked_at: some_time(row, "revoked_at")?,
        revoked_by: row.try_get("revoked_by")?,
    })
}
