//! A log that fails, hangs, forgets to answer, or takes only small messages, as it is told to.

use std::sync::atomic::{AtomicUsize, Ordering};

use assay_core::Fault;
use assay_log::{
    EmbeddedLog, Ends, Fetch, Head, Keep, Log, LogError, Membership, NewRecord, Record, TopicInfo,
    TopicSpec,
};
use async_trait::async_trait;

pub(crate) struct RoughLog {
    inner: EmbeddedLog,
    /// Appends that fail from now on.
    pub(crate) failing: AtomicUsize,
    /// Appends that never answer.
    pub(crate) hanging: AtomicUsize,
    /// Appends that are done and answered with an error.
    pub(crate) doing_it_anyway: AtomicUsize,
    pub(crate) largest: AtomicUsize,
    pub(crate) appends: AtomicUsize,
}

impl RoughLog {
    pub(crate) fn over(inner: EmbeddedLog) -> RoughLog {
        RoughLog {
            inner,
            failing: AtomicUsize::new(0),
            hanging: AtomicUsize::new(0),
            doing_it_anyway: AtomicUsize::new(0),
            largest: AtomicUsize::new(usize::MAX),
            appends: AtomicUsize::new(0),
        }
    }
}

/// Takes one of what is left, if any is.
fn one_of(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn away() -> LogError {
    LogError::Failed {
        doing: "append".to_owned(),
        log: "rough".to_owned(),
        advice: "",
        fault: Fault::Transient,
        source: "it is away".into(),
    }
}

#[async_trait]
impl Log for RoughLog {
    async fn create(&self, topic: &TopicSpec) -> Result<(), LogError> {
        self.inner.create(topic).await
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        if one_of(&self.failing) {
            return Err(away());
        }
        if one_of(&self.hanging) {
            std::future::pending::<()>().await;
        }
        let limit = self.largest.load(Ordering::SeqCst);
        let largest = records.iter().map(NewRecord::bytes).max().unwrap_or(0);
        if largest > limit && topic == crate::desk::TOPIC {
            return Err(LogError::TooLarge { topic: topic.to_owned(), bytes: largest, limit });
        }
        let places = self.inner.append(topic, records).await?;
        match one_of(&self.doing_it_anyway) {
            true => Err(away()),
            false => Ok(places),
        }
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        fetch: Fetch,
    ) -> Result<Vec<Record>, LogError> {
        self.inner.read(topic, partition, from, fetch).await
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn Membership>, LogError> {
        self.inner.join(group, topic).await
    }

    async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError> {
        self.inner.ends(topic).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.inner.topics().await
    }

    async fn head(&self, topic: &str, partition: u32, keep: Keep) -> Result<Head, LogError> {
        self.inner.head(topic, partition, keep).await
    }

    async fn delete_before(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Result<u64, LogError> {
        self.inner.delete_before(topic, partition, offset).await
    }

    async fn reclaim(&self) -> Result<u64, LogError> {
        self.inner.reclaim().await
    }

    fn namespace(&self) -> String {
        self.inner.namespace()
    }
}
