//! The rows of jobs, and of the letters that each has.

use assay_core::StageId;

use super::{Replay, ReplayLetter};
use crate::column::{
    count, from_count, from_json, from_time, json, small, some_json, some_time, time, word,
};
use crate::database::{Building, Row, Session, statement};
use crate::letters::conditions;

/// Another job that is not over has the letter.
pub(crate) const IN_FLIGHT: &str =
    "EXISTS (SELECT 1 FROM replay_letters r JOIN replays j ON j.id = r.job
    WHERE r.id = l.id AND j.dry = 0 AND j.state NOT IN ('complete', 'cancelled'))";

pub(super) async fn choose(
    connection: &mut Session,
    job: &Replay,
    limit: Option<u64>,
) -> Result<u64, sqlx::Error> {
    let mut query = Building::new(
        "INSERT INTO replay_letters (job, number, id, attempt, draft, topic, part, place) SELECT ",
    );
    query.push_bind(job.id.to_string());
    query.push(
        ", ROW_NUMBER() OVER (ORDER BY l.source_topic NULLS FIRST,
             l.source_part NULLS FIRST, l.source_place NULLS FIRST,
             l.first_failed_at, l.topic, l.part, l.place, l.id) - 1,
         l.id, l.attempt, l.draft, l.topic, l.part, l.place
         FROM letters l JOIN letter_causes c ON c.fingerprint = l.fingerprint WHERE ",
    );
    meant(&mut query, job);
    query.push(format!(" AND NOT {IN_FLIGHT}"));
    query.push(" ORDER BY 2 LIMIT ").push_bind(limit.map_or(i64::MAX, from_count));
    Ok(query.build().execute(connection).await?.rows_affected())
}

pub(super) async fn in_flight(connection: &mut Session, job: &Replay) -> Result<u64, sqlx::Error> {
    let mut query = Building::new(
        "SELECT COUNT(*) AS letters FROM letters l
         JOIN letter_causes c ON c.fingerprint = l.fingerprint WHERE ",
    );
    meant(&mut query, job);
    query.push(format!(" AND {IN_FLIGHT}"));
    count(&query.build().fetch_one(connection).await?, "letters")
}

/// A topic takes letters of any stage, and of other systems.
fn meant(query: &mut Building, job: &Replay) {
    conditions(query, &job.wanted);
    if job.options.to.is_none() {
        query.push(" AND c.stage = ").push_bind(job.stage.to_string());
    }
}

pub(super) async fn drop_dry(
    connection: &mut Session,
    which: &str,
    value: &str,
) -> Result<(), sqlx::Error> {
    let letters =
        format!("DELETE FROM replay_letters WHERE job IN (SELECT id FROM replays WHERE {which})");
    let jobs = format!("DELETE FROM replays WHERE {which}");
    for sql in [letters, jobs] {
        statement(&sql).bind(value).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn insert(connection: &mut Session, job: &Replay) -> Result<(), sqlx::Error> {
    statement(
        "INSERT INTO replays (id, pipeline, stage, state, dry, who, reason, wanted, options,
             created_at, letters, skipped, handed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(job.id.to_string())
    .bind(&job.stage.pipeline)
    .bind(&job.stage.stage)
    .bind(job.state.name())
    .bind(i64::from(job.dry))
    .bind(&job.who)
    .bind(&job.reason)
    .bind(from_json(&job.wanted)?)
    .bind(from_json(&job.options)?)
    .bind(from_time(job.created_at))
    .bind(from_count(job.letters))
    .bind(from_count(job.skipped))
    .bind(i64::from(job.handed))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) fn replay(row: &Row) -> Result<Replay, sqlx::Error> {
    Ok(Replay {
        id: word(row, "id")?,
        stage: StageId { pipeline: row.try_get("pipeline")?, stage: row.try_get("stage")? },
        state: word(row, "state")?,
        dry: count(row, "dry")? > 0,
        who: row.try_get("who")?,
        reason: row.try_get("reason")?,
        wanted: json(row, "wanted")?,
        options: json(row, "options")?,
        created_at: time(row, "created_at")?,
        beat_at: some_time(row, "beat_at")?,
        ended_at: some_time(row, "ended_at")?,
        letters: count(row, "letters")?,
        skipped: count(row, "skipped")?,
        message: row.try_get("message")?,
        handed: count(row, "handed")? > 0,
        wish: some_json(row, "wish")?,
        result: some_json(row, "result")?,
    })
}

pub(super) fn letter(row: &Row) -> Result<ReplayLetter, sqlx::Error> {
    Ok(ReplayLetter {
        number: count(row, "number")?,
        id: row.try_get("id")?,
        attempt: small(row, "attempt")?,
        draft: row.try_get("draft")?,
        topic: row.try_get("topic")?,
        part: small(row, "part")?,
        place: count(row, "place")?,
    })
}
