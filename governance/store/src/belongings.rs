//! Which lake and which log a store tells of. Where hosts share a store, one that has others of its
//! own must not be taken for them: tables and topics have the same names everywhere.

use crate::database::{On, Pool, statement};
use crate::{Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belonging {
    /// Its commits are told here, by their numbers.
    Lake,
    /// Its dead letters are in the index, by their offsets.
    Log,
}

impl Belonging {
    pub fn name(self) -> &'static str {
        match self {
            Belonging::Lake => "lake",
            Belonging::Log => "log",
        }
    }

    /// What to do where another one was found.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Belonging::Lake => "run it where that lake is, or name another store (?schema=NAME)",
            Belonging::Log => {
                "go where that log is, or use one that all hosts reach (`log: kafka://HOST:PORT`)"
            }
        }
    }
}

impl Store {
    /// Takes the lake or log `id` for the one that is told of here, when there was none before and
    /// `claim` says so; another one is refused.
    ///
    /// A store in a file lies beside its own, so there the older one is gone: all commits of a new
    /// lake are told from the first on, and a draft counts once.
    pub async fn belongs_to(
        &self,
        kind: Belonging,
        (id, place): (&str, &str),
        claim: bool,
    ) -> Result<(), StoreError> {
        let other = self.other(kind, (id, place), claim).await;
        match other.map_err(self.failed("see what the store tells of"))? {
            None => Ok(()),
            Some(other) => Err(StoreError::Elsewhere {
                place: self.place().to_owned(),
                kind,
                here: place.to_owned(),
                other,
            }),
        }
    }

    async fn other(
        &self,
        kind: Belonging,
        (id, place): (&str, &str),
        claim: bool,
    ) -> Result<Option<String>, sqlx::Error> {
        // Most of the time nothing has to be written.
        match known(self.pool(), kind).await? {
            Some((known, _)) if known == id => return Ok(None),
            None if !claim => return Ok(None),
            _ => {}
        }
        let mut transaction = self.write().await?;
        match (known(&mut transaction, kind).await?, self.pool()) {
            (Some((known, _)), _) if known == id => return Ok(None),
            (Some((_, other)), Pool::Postgres(..)) => return Ok(Some(other)),
            (Some((_, other)), Pool::Sqlite(_)) if kind == Belonging::Lake => {
                tracing::warn!(%other, place, "the lake is another: its commits are told anew");
                let anew = statement("UPDATE told SET sequence = 0, snapshot = 0");
                anew.execute(&mut transaction).await?;
            }
            _ => {}
        }
        statement(
            "INSERT INTO belongings (kind, id, place) VALUES ($1, $2, $3)
             ON CONFLICT (kind) DO UPDATE SET id = excluded.id, place = excluded.place",
        )
        .bind(kind.name())
        .bind(id)
        .bind(place)
        .execute(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(None)
    }
}

/// What is told of here, and where it was.
async fn known<'o>(
    on: impl Into<On<'o>>,
    kind: Belonging,
) -> Result<Option<(String, String)>, sqlx::Error> {
    let sql = "SELECT id, place FROM belongings WHERE kind = $1";
    let row = statement(sql).bind(kind.name()).fetch_optional(on).await?;
    row.map(|row| Ok((row.try_get("id")?, row.try_get("place")?))).transpose()
}
