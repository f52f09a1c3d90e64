use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use assay_core::Clock;

use crate::{
    Ends, Fetch, Head, Keep, Log, LogError, Membership, NewRecord, Record, TopicInfo, TopicSpec,
};

mod append;
mod expire;
mod failure;
mod file;
mod headers;
mod identity;
mod lane;
mod membership;
mod read;
mod reclaim;
mod topics;

use file::LogFile;

/// The log in one SQLite file, for several processes at the same time.
pub struct EmbeddedLog {
    file: LogFile,
    clock: Arc<dyn Clock>,
}

impl EmbeddedLog {
    /// Opens the log at `path`; makes the file, and the directory it is in, when they are missing.
    ///
    /// A file that a newer version wrote, or that is no log, is refused and left as it is.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, LogError> {
        Ok(EmbeddedLog { file: LogFile::open(path).await?, clock })
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn create(&self, topic: &TopicSpec) -> Result<(), LogError> {
        topics::create(&self.file, topic).await
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError> {
        append::append(&self.file, self.clock.as_ref(), topic, records).await
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        fetch: Fetch,
    ) -> Result<Vec<Record>, LogError> {
        read::read(&self.file, topic, partition, from, fetch).await
    }

    async fn join(&self, _: &str, topic: &str) -> Result<Box<dyn Membership>, LogError> {
        Ok(Box::new(membership::Everything::join(&self.file, topic).await?))
    }

    async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError> {
        topics::ends(&self.file, topic).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        topics::list(&self.file).await
    }

    async fn head(&self, topic: &str, partition: u32, keep: Keep) -> Result<Head, LogError> {
        expire::head(&self.file, topic, partition, keep).await
    }

    async fn delete_before(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Result<u64, LogError> {
        expire::delete_before(&self.file, topic, partition, offset).await
    }

    async fn reclaim(&self) -> Result<u64, LogError> {
        reclaim::reclaim(&self.file).await
    }

    async fn identity(&self) -> Result<Option<String>, LogError> {
        identity::identity(&self.file).await.map(Some)
    }

    fn namespace(&self) -> String {
        format!("assay-log://{}", self.file.path())
    }
}

#[cfg(test)]
mod tests;
