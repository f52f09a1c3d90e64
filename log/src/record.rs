use bytes::Bytes;
use chrono::{DateTime, Utc};

/// The most that one record may weigh: key, value and headers together.
///
/// A payload of 64 MB fits, with a megabyte for its key and headers.
pub const MAX_RECORD_BYTES: usize = 65 << 20;

/// A record as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: u32,
    pub offset: u64,
    /// When it was appended.
    pub timestamp: DateTime<Utc>,
    pub key: Option<Bytes>,
    /// Absent is a tombstone; that is not the same as empty.
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Bytes)>,
}

impl Record {
    /// The value of the last header of that name.
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// A record to be appended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Where it goes. Absent: records of one key go to one partition, the others take turns.
    pub partition: Option<u32>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Bytes)>,
}

impl NewRecord {
    /// Counts the bytes of key, value and headers.
    pub fn bytes(&self) -> usize {
        sum(&self.key, &self.value, &self.headers)
    }
}

/// Counts the bytes of key, value and headers of a record that was read.
pub(crate) fn weigh(record: &Record) -> usize {
    sum(&record.key, &record.value, &record.headers)
}

fn sum(key: &Option<Bytes>, value: &Option<Bytes>, headers: &[(String, Bytes)]) -> usize {
    let part = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    part(key) + part(value) + headers
}
