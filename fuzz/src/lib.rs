//! What the targets share: the shipped pipeline, and a log that holds what the fuzzer made.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Once};

use assay_log::{
    Ends, Fetch, Head, Keep, Log, LogError, Membership, NewRecord, Record, TopicInfo, TopicSpec,
};
use assay_pipeline::{Folder, Pipeline};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;

/// The pipeline that every target takes bytes for.
pub static GITHUB_EVENTS: LazyLock<Pipeline> =
    LazyLock::new(|| Pipeline::load(&Folder::Disk(folder())).expect("what we ship is right"));

/// Where the shipped pipeline is.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/github_events")
}

/// Lets a panic unwind, where libFuzzer would end at once: what the product catches is no find. What
/// it does not catch still ends the fuzzer, which is above it.
pub fn unwind() {
    static UNWINDING: Once = Once::new();
    UNWINDING.call_once(|| {
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
        assay_core::hush_survived_panics();
    });
}

/// Waits for what never really waits: nothing here reaches the network, or sleeps.
pub fn wait<T>(what: impl Future<Output = T>) -> T {
    thread_local!(static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread can wait"),
    ));
    RUNTIME.with_borrow(|runtime| runtime.block_on(what))
}

/// The same records in every topic, one after the other in partition 0 of one.
pub struct FixedLog(Vec<Record>);

impl FixedLog {
    pub fn of(records: impl IntoIterator<Item = NewRecord>) -> Arc<FixedLog> {
        let record = |(offset, NewRecord { key, value, headers, .. })| Record {
            partition: 0,
            offset,
            timestamp: DateTime::UNIX_EPOCH,
            key,
            value,
            headers,
        };
        Arc::new(FixedLog((0..).zip(records).map(record).collect()))
    }

    pub fn of_value(value: &[u8]) -> Arc<FixedLog> {
        let value = Some(Bytes::copy_from_slice(value));
        FixedLog::of([NewRecord { value, ..NewRecord::default() }])
    }
}

#[async_trait]
impl Log for FixedLog {
    async fn create(&self, _: &TopicSpec) -> Result<(), LogError> {
        Ok(())
    }

    async fn append(&self, _: &str, _: Vec<NewRecord>) -> Result<Vec<(u32, u64)>, LogError> {
        Ok(vec![])
    }

    async fn read(&self, _: &str, _: u32, from: u64, _: Fetch) -> Result<Vec<Record>, LogError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.0.len());
        Ok(self.0[from..].to_vec())
    }

    async fn join(&self, _: &str, topic: &str) -> Result<Box<dyn Membership>, LogError> {
        let (log, topic) = (String::new(), topic.to_owned());
        Err(LogError::UnknownTopic { log, topic })
    }

    async fn ends(&self, _: &str) -> Result<Vec<Ends>, LogError> {
        Ok(vec![Ends { partition: 0, start: 0, end: self.0.len() as u64 }])
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        Ok(vec![])
    }

    async fn head(&self, _: &str, _: u32, _: Keep) -> Result<Head, LogError> {
        Ok(Head { until: 0, records: 0, bytes: None, oldest: None })
    }

    async fn delete_before(&self, _: &str, _: u32, _: u64) -> Result<u64, LogError> {
        Ok(0)
    }

    async fn reclaim(&self) -> Result<u64, LogError> {
        Ok(0)
    }

    fn namespace(&self) -> String {
        "fixed".to_owned()
    }
}
