//! How records of the topics get into the index, each once, and leave it when they are gone.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::take::{settle, take};
use super::{LetterCause, LetterRow, sortable};
use crate::column::{count, from_count, small};
use crate::database::{On, Session, statement};
use crate::{Store, StoreError};

/// A record that closes a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterClosing {
    pub id: String,
    /// Empty where it counts at once.
    pub draft: String,
    #[serde(serialize_with = "sortable")]
    pub at: DateTime<Utc>,
    pub fate: String,
    pub job: Option<String>,
    /// Where the payload was sent, as JSON.
    pub sent_to: Option<String>,
    pub place: u64,
}

/// Some records of one partition, one behind the other.
#[derive(Debug, Clone, Default)]
pub struct LetterBatch {
    pub topic: String,
    pub part: u32,
    /// From where they were read; the batch is refused when the index is not there any more.
    pub from: u64,
    pub next: u64,
    pub letters: Vec<LetterRow>,
    pub causes: Vec<LetterCause>,
    pub closings: Vec<LetterClosing>,
    /// Drafts that are said to be committed, and where.
    pub committed: Vec<(String, u64)>,
}

impl Store {
    /// How far a partition was taken in.
    pub async fn letter_mark(&self, topic: &str, part: u32) -> Result<u64, StoreError> {
        let failed = self.failed("read how far the letters were taken in");
        let mark = mark(self.pool(), topic, part).await.map_err(failed)?;
        Ok(mark.unwrap_or(0))
    }

    /// The topics that the index knows.
    pub async fn letter_topics(&self) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("list the topics of letters");
        let sql = "SELECT DISTINCT topic FROM letter_marks ORDER BY topic";
        let rows = statement(sql).fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)
    }

    /// The partitions of a topic that the index knows.
    pub async fn letter_parts(&self, topic: &str) -> Result<Vec<u32>, StoreError> {
        let failed = self.failed("list the partitions of letters");
        let sql = "SELECT part FROM letter_marks WHERE topic = $1 ORDER BY part";
        let rows = statement(sql).bind(topic).fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(|row| small(row, "part")).collect::<Result<_, _>>().map_err(failed)
    }

    /// Takes records in, with how far that is; false when another process was faster.
    pub async fn take_letters(&self, batch: &LetterBatch) -> Result<bool, StoreError> {
        let taken = async {
            let mut transaction = self.write().await?;
            if !advance(&mut transaction, batch).await? {
                return Ok(false);
            }
            take(&mut transaction, batch).await?;
            transaction.commit().await?;
            Ok(true)
        };
        taken.await.map_err(self.failed("take letters into the index"))
    }

    /// Forgets what lay before `start` of a partition, since the topic does not have it any more;
    /// all of it when the topic ends before where the index is. Counts the letters.
    pub async fn forget_letters(
        &self,
        topic: &str,
        part: u32,
        (start, end): (u64, u64),
    ) -> Result<u64, StoreError> {
        let forgotten = async {
            let mut transaction = self.write().await?;
            let mark = mark(&mut transaction, topic, part).await?;
            let anew = mark.is_some_and(|mark| mark > end);
            let before = if anew { u64::MAX } else { start };
            let gone = forget(&mut transaction, topic, part, before).await?;
            if anew {
                statement("DELETE FROM letter_marks WHERE topic = $1 AND part = $2")
                    .bind(topic)
                    .bind(part)
                    .execute(&mut transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(gone)
        };
        forgotten.await.map_err(self.failed("forget letters that are gone"))
    }

    /// Empties the index, so that it is made again from the topics. Jobs stay.
    pub async fn clear_letters(&self) -> Result<(), StoreError> {
        let cleared = async {
            let mut transaction = self.write().await?;
            for table in
                ["letters", "letter_causes", "letter_drafts", "letter_closings", "letter_marks"]
            {
                statement(&format!("DELETE FROM {table}")).execute(&mut transaction).await?;
            }
            transaction.commit().await
        };
        cleared.await.map_err(self.failed("empty the index of letters"))
    }
}

async fn mark<'o>(
    on: impl Into<On<'o>>,
    topic: &str,
    part: u32,
) -> Result<Option<u64>, sqlx::Error> {
    let row = statement("SELECT next FROM letter_marks WHERE topic = $1 AND part = $2")
        .bind(topic)
        .bind(part)
        .fetch_optional(on)
        .await?;
    row.map(|row| count(&row, "next")).transpose()
}

async fn advance(connection: &mut Session, batch: &LetterBatch) -> Result<bool, sqlx::Error> {
    // From 0 the log may have gone on by itself, where retention took the beginning.
    let moved = statement(
        "INSERT INTO letter_marks (topic, part, next) VALUES ($1, $2, $3)
         ON CONFLICT (topic, part) DO UPDATE SET next = excluded.next
         WHERE letter_marks.next <= $4 AND letter_marks.next < excluded.next",
    )
    .bind(&batch.topic)
    .bind(batch.part)
    .bind(from_count(batch.next))
    .bind(from_count(batch.from))
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() > 0)
}

async fn forget(
    connection: &mut Session,
    topic: &str,
    part: u32,
    before: u64,
) -> Result<u64, sqlx::Error> {
    // Where the last letter of an id goes, one that counted no more does again.
    let rows = statement(
        "SELECT DISTINCT o.id FROM letters g JOIN letters o ON o.id = g.id AND o.state = 'older'
         WHERE g.topic = $1 AND g.part = $2 AND g.place < $3",
    )
    .bind(topic)
    .bind(part)
    .bind(from_count(before))
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let mut gone = 0;
    for (table, rest) in [
        ("letters", ""),
        ("letter_closings", ""),
        // What rests on them is not all gone.
        (
            "letter_drafts",
            "AND draft NOT IN (SELECT draft FROM letters)
             AND draft NOT IN (SELECT draft FROM letter_closings WHERE draft IS NOT NULL)",
        ),
    ] {
        let sql =
            format!("DELETE FROM {table} WHERE topic = $1 AND part = $2 AND place < $3 {rest}");
        let done = statement(&sql)
            .bind(topic)
            .bind(part)
            .bind(from_count(before))
            .execute(&mut *connection)
            .await?;
        if table == "letters" {
            gone = done.rows_affected();
        }
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    settle(connection, &ids).await?;
    Ok(gone)
}
