//! How records of the topics get into the index, each once, and leave it when they are gone.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Row, SqliteConnection};

use super::{LetterCause, LetterRow, sortable};
use crate::column::{from_count, from_json};
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

/// A letter is what it is by all that is known of its id. Of several that count the last one does.
const SETTLE: &str = "
UPDATE letters SET
    state = CASE
        WHEN letters.draft <> '' AND NOT EXISTS (SELECT 1 FROM letter_drafts d WHERE d.draft = letters.draft)
            THEN 'void'
        WHEN EXISTS (
            SELECT 1 FROM letters n WHERE n.id = letters.id
            AND (n.failed_at, n.attempt, n.draft) > (letters.failed_at, letters.attempt, letters.draft)
            AND (n.draft = '' OR EXISTS (SELECT 1 FROM letter_drafts d WHERE d.draft = n.draft)))
            THEN 'older'
        WHEN c.id IS NOT NULL THEN 'closed'
        ELSE 'open' END,
    fate = c.fate, closed_by = c.draft, job = c.job, closed_at = c.at
FROM (SELECT a.id AS of_id, k.id, k.fate, k.draft, k.job, k.at
      FROM (SELECT DISTINCT value AS id FROM json_each($1)) a
      LEFT JOIN letter_closings k ON k.id = a.id AND k.at = (
          SELECT MAX(m.at) FROM letter_closings m WHERE m.id = a.id
          AND (m.draft = '' OR EXISTS (SELECT 1 FROM letter_drafts d WHERE d.draft = m.draft)))
          AND (k.draft = '' OR EXISTS (SELECT 1 FROM letter_drafts d WHERE d.draft = k.draft))) c
WHERE letters.id = c.of_id";

/// As above for what was closed before it failed anew: such a closing is of an earlier letter.
const REOPEN: &str = "
UPDATE letters SET state = CASE WHEN state = 'closed' THEN 'open' ELSE state END,
    fate = NULL, closed_by = NULL, job = NULL, closed_at = NULL
WHERE id IN (SELECT value FROM json_each($1)) AND closed_at < failed_at";

const INSERT: &str = "
INSERT INTO letters (id, attempt, draft, topic, part, place, state, fingerprint, run, detail,
    contract, origin, source_topic, source_part, source_place, failed_at, first_failed_at,
    rows_held, payload_kind, payload_bytes)
SELECT value ->> 'id', value ->> 'attempt', value ->> 'draft', value ->> 'topic', value ->> 'part',
    value ->> 'place', 'void', value ->> 'fingerprint', value ->> 'run', value ->> 'detail',
    value ->> 'contract', value ->> 'origin', value ->> 'source_topic', value ->> 'source_part',
    value ->> 'source_place', value ->> 'failed_at', value ->> 'first_failed_at',
    value ->> 'rows_held', value ->> 'payload_kind', value ->> 'payload_bytes'
FROM json_each($1) WHERE true
ON CONFLICT (id, attempt, draft) DO UPDATE SET topic = excluded.topic, part = excluded.part,
    place = excluded.place, failed_at = excluded.failed_at, detail = excluded.detail,
    fingerprint = excluded.fingerprint
    WHERE excluded.failed_at >= letters.failed_at";

impl Store {
    /// How far a partition was taken in.
    pub async fn letter_mark(&self, topic: &str, part: u32) -> Result<u64, StoreError> {
        let failed = self.failed("read how far the letters were taken in");
        let next: Option<i64> =
            sqlx::query_scalar("SELECT next FROM letter_marks WHERE topic = $1 AND part = $2")
                .bind(topic)
                .bind(part)
                .fetch_optional(self.pool())
                .await
                .map_err(failed)?;
        Ok(next.map_or(0, i64::cast_unsigned))
    }

    /// The topics that the index knows.
    pub async fn letter_topics(&self) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("list the topics of letters");
        let sql = "SELECT DISTINCT topic FROM letter_marks ORDER BY topic";
        sqlx::query_scalar(sql).fetch_all(self.pool()).await.map_err(failed)
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
            let mark: Option<i64> =
                sqlx::query_scalar("SELECT next FROM letter_marks WHERE topic = $1 AND part = $2")
                    .bind(topic)
                    .bind(part)
                    .fetch_optional(&mut *transaction)
                    .await?;
            let anew = mark.is_some_and(|mark| mark.cast_unsigned() > end);
            let before = if anew { u64::MAX } else { start };
            let gone = forget(&mut transaction, topic, part, before).await?;
            if anew {
                sqlx::query("DELETE FROM letter_marks WHERE topic = $1 AND part = $2")
                    .bind(topic)
                    .bind(part)
                    .execute(&mut *transaction)
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
                sqlx::query(&format!("DELETE FROM {table}")).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        cleared.await.map_err(self.failed("empty the index of letters"))
    }
}

async fn advance(
    connection: &mut SqliteConnection,
    batch: &LetterBatch,
) -> Result<bool, sqlx::Error> {
    // From 0 the log may have gone on by itself, where retention took the beginning.
    let moved = sqlx::query(
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

async fn take(connection: &mut SqliteConnection, batch: &LetterBatch) -> Result<(), sqlx::Error> {
    let mut touched: Vec<&str> = Vec::new();
    if !batch.letters.is_empty() {
        sqlx::query(
            "INSERT INTO letter_causes (fingerprint, topic, dialect, stage, dataset, reason, rules,
                 class, wrote, detail)
             SELECT value ->> 'fingerprint', value ->> 'topic', value ->> 'dialect',
                 value ->> 'stage', value ->> 'dataset', value ->> 'reason', value -> 'rules',
                 value ->> 'class', value ->> 'wrote', value ->> 'detail'
             FROM json_each($1) WHERE true ON CONFLICT (fingerprint) DO NOTHING",
        )
        .bind(from_json(&batch.causes)?)
        .execute(&mut *connection)
        .await?;
        let letters = from_json(&batch.letters)?;
        sqlx::query(INSERT).bind(letters).execute(&mut *connection).await?;
        touched.extend(batch.letters.iter().map(|letter| letter.id.as_str()));
    }
    for closing in &batch.closings {
        sqlx::query(
            "INSERT INTO letter_closings (id, draft, at, fate, job, topic, part, place)
             SELECT value ->> 'id', value ->> 'draft', value ->> 'at', value ->> 'fate',
                 value ->> 'job', $2, $3, value ->> 'place'
             FROM json_each(json_array(json($1))) WHERE true ON CONFLICT (id, draft, at) DO NOTHING",
        )
        .bind(from_json(closing)?)
        .bind(&batch.topic)
        .bind(batch.part)
        .execute(&mut *connection)
        .await?;
        touched.push(&closing.id);
    }
    settle(connection, &touched).await?;
    for (draft, place) in &batch.committed {
        commit(connection, batch, draft, *place).await?;
    }
    Ok(())
}

/// Letters and closings of a draft count from now on.
async fn commit(
    connection: &mut SqliteConnection,
    batch: &LetterBatch,
    draft: &str,
    place: u64,
) -> Result<(), sqlx::Error> {
    let new = sqlx::query(
        "INSERT INTO letter_drafts (draft, topic, part, place) VALUES ($1, $2, $3, $4)
         ON CONFLICT (draft) DO NOTHING",
    )
    .bind(draft)
    .bind(&batch.topic)
    .bind(batch.part)
    .bind(from_count(place))
    .execute(&mut *connection)
    .await?;
    if new.rows_affected() == 0 {
        return Ok(());
    }
    let rows = sqlx::query(
        "SELECT id FROM letters WHERE draft = $1
         UNION SELECT id FROM letter_closings WHERE draft = $1",
    )
    .bind(draft)
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for ids in ids.chunks(5000) {
        settle(connection, ids).await?;
    }
    Ok(())
}

async fn settle(connection: &mut SqliteConnection, ids: &[&str]) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = from_json(&ids)?;
    for sql in [SETTLE, REOPEN] {
        sqlx::query(sql).bind(&ids).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn forget(
    connection: &mut SqliteConnection,
    topic: &str,
    part: u32,
    before: u64,
) -> Result<u64, sqlx::Error> {
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
        let done = sqlx::query(&sql)
            .bind(topic)
            .bind(part)
            .bind(from_count(before))
            .execute(&mut *connection)
            .await?;
        if table == "letters" {
            gone = done.rows_affected();
        }
    }
    Ok(gone)
}
