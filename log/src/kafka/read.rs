use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::failure::{failed, timed_out};
use super::lookup::{Lookup, blocking};
use super::reading::{Shelf, Stopped};
use crate::{Ends, Fetch, LogError, Record};

/// How often a read begins anew when its place is there and was not found.
const TRIES: usize = 3;

pub(super) async fn read(
    shelf: &Shelf,
    lookup: &Lookup,
    (topic, partition): (&str, u32),
    from: u64,
    fetch: Fetch,
) -> Result<Vec<Record>, LogError> {
    let doing = format!("read topic `{topic}`, partition {partition}");
    let failed = |stopped| match stopped {
        Stopped::Failed(error) => failed(shelf.clients(), &doing, error),
        Stopped::Silence => timed_out(shelf.clients(), &doing),
    };
    let mut tries = 0;
    loop {
        let stopped = match once(shelf, lookup, (topic, partition), from, fetch).await? {
            Ok(records) => return Ok(records),
            Err(stopped) => stopped,
        };
        tries += 1;
        if !stopped.may_be_gone() {
            return Err(failed(stopped));
        }
        // What is there now says more than what a client of Kafka says.
        check(topic, from, lookup.ends_at(topic, partition).await?)?;
        // The place is there. The topic may have been made anew under the client's feet.
        if tries == TRIES || matches!(stopped, Stopped::Silence) {
            return Err(failed(stopped));
        }
    }
}

async fn once(
    shelf: &Shelf,
    lookup: &Lookup,
    (topic, partition): (&str, u32),
    from: u64,
    fetch: Fetch,
) -> Result<Result<Vec<Record>, Stopped>, LogError> {
    let doing = format!("read topic `{topic}`, partition {partition}");
    let mut reading = shelf.reader((topic, partition))?.lock_owned().await;
    if !reading.goes_on(from) {
        let ends = lookup.ends_at(topic, partition).await?;
        check(topic, from, ends)?;
        if from == ends.end || reading.drained(from, ends.end) {
            return Ok(Ok(vec![]));
        }
        reading.end = ends.end;
    }
    blocking(shelf.clients(), &doing, move || reading.read(from, fetch)).await
}

fn check(topic: &str, from: u64, Ends { partition, start, end }: Ends) -> Result<(), LogError> {
    if from < start || from > end {
        let topic = topic.to_owned();
        return Err(LogError::OutOfRange { topic, partition, from, start, end });
    }
    Ok(())
}

impl Stopped {
    /// Whether records, or the whole topic, may have gone away meanwhile.
    fn may_be_gone(&self) -> bool {
        use RDKafkaErrorCode as Code;
        let Stopped::Failed(error) = self else { return true };
        matches!(error, KafkaError::Seek(_) | KafkaError::Subscription(_))
            || matches!(
                error.rdkafka_error_code(),
                Some(
                    Code::AutoOffsetReset
                        | Code::OffsetOutOfRange
                        | Code::UnknownTopicOrPartition
                        | Code::UnknownTopic
                        | Code::UnknownPartition
                        | Code::UnknownTopicId
                )
            )
    }
}
