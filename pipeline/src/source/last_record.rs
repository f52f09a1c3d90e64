//! A topic that was deleted and made anew looks as before when it is longer than a reader's mark: only
//! the record in front of the mark is another one.

use assay_core::{Mark, Position, Slice};
use assay_log::{Ends, Fetch, Log, LogError, Record};
use twox_hash::XxHash3_128;

use super::SourceError;

/// What a person does who sees that a topic is not the one that was read.
const ADVICE: &str = "Restore it; or, to read what it has now, move the stage to its beginning: \
                      assay rewind STAGE --pipeline PIPELINE --to beginning --reason … (--to kept, \
                      where the stage writes to Postgres)";

/// Tells a record from all others by its time and its bytes.
pub(super) fn fingerprint(record: &Record) -> String {
    let mut hasher = XxHash3_128::new();
    let mut part = |bytes: Option<&[u8]>| {
        // An absent part differs from an empty one.
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        hasher.write(&length.to_le_bytes());
        hasher.write(bytes.unwrap_or_default());
    };
    part(Some(&record.timestamp.timestamp_micros().to_le_bytes()));
    part(record.key.as_deref());
    part(record.value.as_deref());
    for (name, value) in &record.headers {
        part(Some(name.as_bytes()));
        part(Some(value));
    }
    format!("{:032x}", hasher.finish_128())
}

/// What a log can't say of a topic that it does not know: that it was there.
pub(super) fn explained(error: LogError, topic: &str, position: &Position) -> SourceError {
    match error {
        LogError::UnknownTopic { log, .. } if marks(topic, position).next().is_some() => {
            let why = format!(
                "it was read before and is not in the log {log} any more: it was deleted. Restore \
                 it; or make it anew and move the stage to its beginning: assay rewind STAGE \
                 --pipeline PIPELINE --to beginning --reason … (--to kept, where the stage writes \
                 to Postgres)"
            );
            SourceError::Refused { what: format!("topic `{topic}`"), why }
        }
        LogError::OutOfRange { partition, from, start, end, .. } if from < start => {
            let why = format!(
                "offset {from} is not there: it holds {start} to before {end}. Retention deleted {} \
                 messages that were not read yet. To go on behind them: assay rewind STAGE \
                 --pipeline PIPELINE --to kept --reason …",
                start - from
            );
            refused(topic, partition, why)
        }
        error => error.into(),
    }
}

/// Refuses marks behind the end of a topic, or in a partition that it does not have.
pub(super) fn check_ends(
    topic: &str,
    ends: &[Ends],
    position: &Position,
) -> Result<(), SourceError> {
    for (partition, mark) in marks(topic, position) {
        let end = ends.iter().find(|ends| ends.partition == partition).map_or(0, |ends| ends.end);
        if mark.at > end {
            let why = format!(
                "it ends at offset {end}, but {} were read of it before: the topic was deleted and \
                 made anew. {ADVICE}",
                mark.at
            );
            return Err(refused(topic, partition, why));
        }
    }
    Ok(())
}

/// Refuses marks behind another record than the one that was read there. What is not there any more
/// says nothing.
pub(crate) async fn check_last_records(
    log: &dyn Log,
    topic: &str,
    ends: &[Ends],
    position: &Position,
) -> Result<(), SourceError> {
    for (partition, mark) in marks(topic, position) {
        let start = ends.iter().find(|ends| ends.partition == partition).map(|ends| ends.start);
        let last = mark.at.checked_sub(1).filter(|last| start.is_some_and(|start| *last >= start));
        let (Some(known), Some(last)) = (&mark.fingerprint, last) else { continue };
        let one = Fetch { max_records: 1, max_bytes: 1 };
        let found = match log.read(topic, partition, last, one).await {
            // It was deleted just now.
            Err(LogError::OutOfRange { .. }) => continue,
            found => found?,
        };
        let found = found.first().filter(|record| record.offset == last);
        if found.is_some_and(|record| fingerprint(record) != *known) {
            let why = format!(
                "another record than the one that was read before is at offset {last}: the topic \
                 was deleted and made anew, or `log` names another one. {ADVICE}"
            );
            return Err(refused(topic, partition, why));
        }
    }
    Ok(())
}

fn refused(topic: &str, partition: u32, why: String) -> SourceError {
    SourceError::Refused { what: format!("topic `{topic}`, partition {partition}"), why }
}

/// The marks of a position that are about partitions of the topic, and say that something was read.
fn marks<'a>(
    topic: &'a str,
    position: &'a Position,
) -> impl Iterator<Item = (u32, &'a Mark)> + use<'a> {
    let partition = move |slice: &Slice| {
        slice.as_str().strip_prefix(topic)?.strip_prefix('/')?.parse::<u32>().ok()
    };
    let marks = position.0.iter().filter_map(move |(slice, mark)| Some((partition(slice)?, mark)));
    marks.filter(|(_, mark)| mark.at > 0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;

    use super::*;

    #[test]
    fn records_that_differ_in_anything_but_their_place_have_other_fingerprints() {
        let plain = Record {
            partition: 1,
            offset: 7,
            timestamp: DateTime::UNIX_EPOCH,
            key: None,
            value: Some(Bytes::from("ab")),
            headers: vec![("a".to_owned(), Bytes::from("b"))],
        };
        let moved = Record { partition: 2, offset: 8, ..plain.clone() };
        assert_eq!(fingerprint(&plain), fingerprint(&moved));
        let text = |text: &'static str| Some(Bytes::from(text));
        let others = [
            Record { timestamp: DateTime::from_timestamp_millis(1).unwrap(), ..plain.clone() },
            Record { key: text(""), ..plain.clone() },
            Record { key: text("a"), value: text("b"), ..plain.clone() },
            Record { value: None, ..plain.clone() },
            Record { value: text(""), ..plain.clone() },
            Record { headers: vec![], ..plain.clone() },
            Record { headers: vec![("ab".to_owned(), Bytes::new())], ..plain.clone() },
        ];
        let mut known = vec![fingerprint(&plain)];
        for other in others {
            let print = fingerprint(&other);
            assert!(!known.contains(&print), "{other:?}");
            known.push(print);
        }
    }
}
