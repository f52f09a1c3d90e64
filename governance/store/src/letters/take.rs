//! What records of the topics make of the index.

use std::collections::HashSet;

use super::{LetterBatch, LetterRow};
use crate::column::{from_count, from_json, from_time};
use crate::database::{Session, statement};

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
    fate = c.fate, closed_by = c.draft, job = c.job, closed_at = c.at, sent_to = c.sent_to
FROM (SELECT a.id AS of_id, k.id, k.fate, k.draft, k.job, k.at, k.sent_to
      FROM (SELECT DISTINCT value AS id FROM json_each($1)) a
      LEFT JOIN letter_closings k ON k.id = a.id AND k.at = (
          SELECT MAX(m.at) FROM letter_closings m WHERE m.id = a.id
          AND (m.draft = '' OR EXISTS (SELECT 1 FROM letter_drafts d WHERE d.draft = m.draft)))
          AND (k.draft = '' OR EXISTS (SELECT 1 FROM letter_drafts d WHERE d.draft = k.draft))) c
WHERE letters.id = c.of_id";

/// As above for what was closed before it failed anew: such a closing is of an earlier letter.
const REOPEN: &str = "
UPDATE letters SET state = CASE WHEN state = 'closed' THEN 'open' ELSE state END,
    fate = NULL, closed_by = NULL, job = NULL, closed_at = NULL, sent_to = NULL
WHERE id IN (SELECT value FROM json_each($1)) AND closed_at < failed_at";

/// Of a row; SQLite takes 32,766 values at once.
const COLUMNS: usize = 20;
const ROWS: usize = 200;

const INSERT: &str = "
INSERT INTO letters (id, attempt, draft, topic, part, place, state, fingerprint, run, detail,
    contract, origin, source_topic, source_part, source_place, failed_at, first_failed_at,
    rows_held, payload_kind, payload_bytes) VALUES ";

const ON_CONFLICT: &str = "
ON CONFLICT (id, attempt, draft) DO UPDATE SET topic = excluded.topic, part = excluded.part,
    place = excluded.place, failed_at = excluded.failed_at, detail = excluded.detail,
    fingerprint = excluded.fingerprint
    WHERE excluded.failed_at >= letters.failed_at";

/// Letters of a draft that just counts, and of whose ids nothing else is known. They are most of
/// them, and need no look at each.
const OPEN: &str = "
UPDATE letters SET state = 'open' WHERE draft = $1 AND state = 'void'
AND NOT EXISTS (SELECT 1 FROM letters n WHERE n.id = letters.id
    AND (n.attempt, n.draft) <> (letters.attempt, letters.draft))
AND NOT EXISTS (SELECT 1 FROM letter_closings k WHERE k.id = letters.id)";

/// Ids that are looked at together.
const IDS: usize = 5000;

/// Markers come first: what they speak of is then open at once, and not void before.
pub(super) async fn take(connection: &mut Session, batch: &LetterBatch) -> Result<(), sqlx::Error> {
    for (draft, place) in &batch.committed {
        commit(connection, batch, draft, *place).await?;
    }
    let mut touched: HashSet<&str> = HashSet::new();
    if !batch.letters.is_empty() {
        statement(
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
        touched.extend(known(connection, &batch.letters).await?);
        insert(connection, &batch.letters).await?;
    }
    if !batch.closings.is_empty() {
        statement(
            "INSERT INTO letter_closings (id, draft, at, fate, job, sent_to, topic, part, place)
             SELECT value ->> 'id', value ->> 'draft', value ->> 'at', value ->> 'fate',
                 value ->> 'job', value ->> 'sent_to', $2, $3, CAST(value ->> 'place' AS BIGINT)
             FROM json_each($1) WHERE true ON CONFLICT (id, draft, at) DO NOTHING",
        )
        .bind(from_json(&batch.closings)?)
        .bind(&batch.topic)
        .bind(batch.part)
        .execute(&mut *connection)
        .await?;
        touched.extend(batch.closings.iter().map(|closing| closing.id.as_str()));
    }
    let touched: Vec<&str> = touched.into_iter().collect();
    settle(connection, &touched).await
}

/// The ids of which more than these letters is known.
async fn known<'a>(
    connection: &mut Session,
    letters: &'a [LetterRow],
) -> Result<Vec<&'a str>, sqlx::Error> {
    let mut ids: HashSet<&str> = HashSet::with_capacity(letters.len());
    let mut known: Vec<&str> = Vec::new();
    for letter in letters {
        if !ids.insert(&letter.id) {
            known.push(&letter.id);
        }
    }
    let all: Vec<&str> = ids.iter().copied().collect();
    let rows = statement(
        "SELECT value FROM json_each($1) WHERE EXISTS (SELECT 1 FROM letters l WHERE l.id = value)
         OR EXISTS (SELECT 1 FROM letter_closings k WHERE k.id = value)",
    )
    .bind(from_json(&all)?)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        known.extend(ids.get(row.try_get::<&str, _>(0)?));
    }
    Ok(known)
}

/// Letters in stretches that one statement takes. None is there twice in one: PostgreSQL does not
/// change a row that the same statement made.
fn at_once(letters: &[LetterRow]) -> Vec<&[LetterRow]> {
    let (mut stretches, mut from) = (Vec::new(), 0);
    let mut seen = HashSet::new();
    for (place, letter) in letters.iter().enumerate() {
        let key = (&letter.id, letter.attempt, &letter.draft);
        if place - from == ROWS || seen.contains(&key) {
            stretches.push(&letters[from..place]);
            from = place;
            seen.clear();
        }
        seen.insert(key);
    }
    stretches.push(&letters[from..]);
    stretches
}

/// As they stand when nothing else is known of their ids.
async fn insert(connection: &mut Session, letters: &[LetterRow]) -> Result<(), sqlx::Error> {
    let counts = committed(connection, letters).await?;
    let mut sql = (0, String::new());
    for some in at_once(letters) {
        if sql.0 != some.len() {
            sql = (some.len(), insertion(connection, some.len()));
        }
        let mut query = statement(&sql.1).once();
        for letter in some {
            let counts = letter.draft.is_empty() || counts.contains(&letter.draft);
            query = query
                .bind(&letter.id)
                .bind(letter.attempt)
                .bind(&letter.draft)
                .bind(&letter.topic)
                .bind(letter.part)
                .bind(from_count(letter.place))
                .bind(if counts { "open" } else { "void" })
                .bind(&letter.fingerprint)
                .bind(&letter.run)
                .bind(&letter.detail)
                .bind(&letter.contract)
                .bind(&letter.origin)
                .bind(&letter.source_topic)
                .bind(letter.source_part)
                .bind(letter.source_place.map(from_count))
                .bind(from_time(letter.failed_at))
                .bind(from_time(letter.first_failed_at))
                .bind(from_count(letter.rows_held))
                .bind(&letter.payload_kind)
                .bind(from_count(letter.payload_bytes));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn insertion(connection: &Session, rows: usize) -> String {
    // SQLite looks for the name of each value among all of them, and there are thousands.
    let place = |number: usize| match connection {
        Session::Sqlite(_) | Session::Here(_) => "?".to_owned(),
        Session::Postgres(..) => format!("${number}"),
    };
    let row = |row: usize| {
        let places: Vec<String> = (1..=COLUMNS).map(|c| place(row * COLUMNS + c)).collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("{INSERT}{}{ON_CONFLICT}", rows.join(", "))
}

/// The drafts of letters that are committed.
async fn committed(
    connection: &mut Session,
    letters: &[LetterRow],
) -> Result<HashSet<String>, sqlx::Error> {
    let drafts: HashSet<&str> = letters.iter().map(|letter| letter.draft.as_str()).collect();
    let drafts: Vec<&str> = drafts.into_iter().filter(|draft| !draft.is_empty()).collect();
    if drafts.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = "SELECT draft FROM letter_drafts WHERE draft IN (SELECT value FROM json_each($1))";
    let rows = statement(sql).bind(from_json(&drafts)?).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Letters and closings of a draft count from now on.
async fn commit(
    connection: &mut Session,
    batch: &LetterBatch,
    draft: &str,
    place: u64,
) -> Result<(), sqlx::Error> {
    let new = statement(
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
    statement(OPEN).bind(draft).execute(&mut *connection).await?;
    let rows = statement(
        "SELECT id FROM letters WHERE draft = $1 AND state = 'void'
         UNION SELECT id FROM letter_closings WHERE draft = $1",
    )
    .bind(draft)
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    settle(connection, &ids).await
}

/// Says of each letter of these ids how it stands.
pub(super) async fn settle(connection: &mut Session, ids: &[&str]) -> Result<(), sqlx::Error> {
    for ids in ids.chunks(IDS) {
        let ids = from_json(&ids)?;
        for sql in [SETTLE, REOPEN] {
            statement(sql).bind(&ids).execute(&mut *connection).await?;
        }
    }
    Ok(())
}
