use std::collections::HashSet;

use assay_core::DraftId;
use assay_log::{Ends, Fetch, Log, LogError, Record};

use super::LogQueue;
use crate::{DlqError, TOPICS, view};

/// What is in memory at once while a topic is read.
const FETCH: Fetch = Fetch { max_records: 1000, max_bytes: 8 << 20 };

impl LogQueue {
    /// Shows every record of a topic that is there now, partition by partition.
    pub(super) async fn scan(
        &self,
        topic: &str,
        mut visit: impl FnMut(&Record) + Send,
    ) -> Result<(), DlqError> {
        for ends in self.ends(topic).await? {
            self.scan_partition(topic, ends, &mut visit).await?;
        }
        Ok(())
    }

    /// Collects the drafts that were committed. One marker is enough for letters in all topics.
    pub(super) async fn committed(&self) -> Result<HashSet<DraftId>, DlqError> {
        let mut drafts = HashSet::new();
        for topic in TOPICS {
            // Markers go to the first partition.
            for ends in self.ends(topic).await?.into_iter().take(1) {
                self.scan_partition(topic, ends, |record| drafts.extend(view::committed(record)))
                    .await?;
            }
        }
        Ok(drafts)
    }

    pub(super) async fn ends(&self, topic: &str) -> Result<Vec<Ends>, DlqError> {
        // A broker is asked several times for the ends of a topic that it does not list, since it
        // may be about to.
        if !self.partitions.initialized() && !self.is_there(topic).await? {
            return Ok(vec![]);
        }
        match self.log.ends(topic).await {
            // Nothing was ever put there.
            Err(LogError::UnknownTopic { .. }) => Ok(vec![]),
            ends => ends.map_err(|error| failed(topic, error)),
        }
    }

    async fn is_there(&self, topic: &str) -> Result<bool, DlqError> {
        let topics = self.log.topics().await.map_err(|error| failed(topic, error))?;
        Ok(topics.iter().any(|known| known.name == topic))
    }

    async fn scan_partition(
        &self,
        topic: &str,
        ends: Ends,
        mut visit: impl FnMut(&Record) + Send,
    ) -> Result<(), DlqError> {
        let mut from = ends.start;
        while from < ends.end {
            let records = match read(self.log.as_ref(), topic, ends.partition, from).await {
                Ok(records) => records,
                // Retention was here since we looked: what it took needs no showing.
                Err(LogError::OutOfRange { start, .. }) if start > from => {
                    from = start;
                    continue;
                }
                Err(error) => return Err(failed(topic, error)),
            };
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            records.iter().for_each(&mut visit);
        }
        Ok(())
    }
}

async fn read(
    log: &dyn Log,
    topic: &str,
    partition: u32,
    from: u64,
) -> Result<Vec<Record>, LogError> {
    log.read(topic, partition, from, FETCH).await
}

fn failed(topic: &str, source: LogError) -> DlqError {
    DlqError::Log { doing: format!("look for dead letters in topic `{topic}`"), source }
}
