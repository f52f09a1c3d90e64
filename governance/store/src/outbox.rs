//! What has to be sent to others. A row is put in with the event that it sends, in one transaction,
//! and goes when the event was delivered.

mod people;
mod sending;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::column::{count, from_time, json, time, word};
use crate::database::{Row, Session, statement};
use crate::{EventKind, Prepared, Store, StoreError};

pub use people::{Chosen, TargetHealth};

/// Where events are sent.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    name: String,
    /// What is of a time before is not sent there.
    since: DateTime<Utc>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It will be tried, again or for the first time.
    Waiting,
    /// It is not tried any more, until a person says so.
    Parked,
}

impl DeliveryState {
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Parked => "parked",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [DeliveryState::Waiting, DeliveryState::Parked]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| format!("`{text}` is no state of a delivery"))
    }
}

/// One event that has to reach one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivery {
    /// Its number, in the order of arrival.
    pub sequence: u64,
    pub target: String,
    /// What is sent in order: the job.
    pub subject: String,
    pub event: Uuid,
    #[serde(serialize_with = "kind_name")]
    pub kind: EventKind,
    pub enqueued_at: DateTime<Utc>,
    pub state: DeliveryState,
    pub due_at: DateTime<Utc>,
    pub attempts: u64,
    /// Why the last attempt failed.
    pub reason: Option<String>,
    /// The event as it is sent.
    pub body: Value,
}

fn kind_name<S: serde::Serializer>(kind: &EventKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(kind.name())
}

impl Store {
    /// Events that are kept from now on are also to be sent to `targets`. What was committed before
    /// the store knew a target is not sent there.
    pub async fn sending_to(
        mut self,
        targets: &[String],
        now: DateTime<Utc>,
    ) -> Result<Store, StoreError> {
        let known = async {
            let mut recipients = vec![];
            for name in targets {
                statement(
                    "INSERT INTO outbox_targets (target, since, away, delivered, failures)
                     VALUES ($1, $2, 0, 0, 0) ON CONFLICT (target) DO NOTHING",
                )
                .bind(name)
                .bind(from_time(now))
                .execute(self.pool())
                .await?;
                let row = statement("SELECT since FROM outbox_targets WHERE target = $1")
                    .bind(name)
                    .fetch_one(self.pool())
                    .await?;
                recipients.push(Recipient { name: name.clone(), since: time(&row, "since")? });
            }
            Ok(recipients)
        };
        let recipients = known.await.map_err(self.failed("note where events are sent"))?;
        self.recipients = recipients.into();
        Ok(self)
    }
}

/// Puts what has to be sent of a new event into the outbox, inside the transaction that keeps it.
pub(crate) async fn enqueue(
    connection: &mut Session,
    recipients: &[Recipient],
    event: &Prepared,
    (of, since): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), sqlx::Error> {
    if event.kind == EventKind::ApiRequest {
        return Ok(());
    }
    for recipient in recipients.iter().filter(|recipient| recipient.since <= of) {
        // The transaction holds the write lock, so the number is nobody else's.
        let put = statement(
            "INSERT INTO outbox (sequence, target, subject, event, kind, enqueued_at, state,
                 due_at, attempts, body)
             VALUES ((SELECT last + 1 FROM outbox_numbers), $1, $2, $3, $4, $5,
                 'waiting', $6, 0, $7)
             ON CONFLICT (target, event) DO NOTHING",
        )
        .bind(&recipient.name)
        .bind(&event.subject)
        .bind(event.id.to_string())
        .bind(event.kind.name())
        .bind(from_time(since))
        // At once: the time of an event is its producer's, whose clock may go ahead of ours.
        .bind(from_time(DateTime::UNIX_EPOCH))
        .bind(&event.body)
        .execute(&mut *connection)
        .await?;
        if put.rows_affected() > 0 {
            let next = statement("UPDATE outbox_numbers SET last = last + 1");
            next.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// The job that an event is of: what happened to it is told in order.
pub(crate) fn subject(body: &Value) -> String {
    let part = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
    format!("{}/{}", part("/job/namespace"), part("/job/name"))
}

fn delivery(row: &Row) -> Result<Delivery, sqlx::Error> {
    Ok(Delivery {
        sequence: count(row, "sequence")?,
        target: row.try_get("target")?,
        subject: row.try_get("subject")?,
        event: word(row, "event")?,
        kind: word(row, "kind")?,
        enqueued_at: time(row, "enqueued_at")?,
        state: word(row, "state")?,
        due_at: time(row, "due_at")?,
        attempts: count(row, "attempts")?,
        reason: row.try_get("reason")?,
        body: json(row, "body")?,
    })
}
