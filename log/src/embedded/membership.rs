use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::file::LogFile;
use super::topics;
use crate::{LogError, Membership};

/// Between two looks at the ends, at first and at most: a look costs some 0.1 ms.
const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_millis(100);

/// A member of a group that gives every member all partitions: one file has no one who could
/// assign them, and the reader's commits are fenced by the table that they go to.
pub(super) struct Everything {
    file: LogFile,
    topic: String,
}

impl Everything {
    /// Joins the readers of a topic, which must be there.
    pub(super) async fn join(file: &LogFile, topic: &str) -> Result<Everything, LogError> {
        topics::ends(file, topic).await?;
        Ok(Everything { file: file.clone(), topic: topic.to_owned() })
    }
}

#[async_trait]
impl Membership for Everything {
    async fn assignment(&mut self) -> Result<BTreeSet<u32>, LogError> {
        let ends = topics::ends(&self.file, &self.topic).await?;
        Ok(ends.into_iter().map(|ends| ends.partition).collect())
    }

    fn changed(&self) -> bool {
        false
    }

    async fn wait(&mut self, next: &BTreeMap<u32, u64>, at_most: Duration) -> Result<(), LogError> {
        let until = Instant::now() + at_most;
        let mut pause = SHORT;
        loop {
            let ends = topics::ends(&self.file, &self.topic).await?;
            let news = ends.iter().any(|ends| {
                let read = next.get(&ends.partition).copied().unwrap_or(ends.start);
                ends.end > read
            });
            let left = until.saturating_duration_since(Instant::now());
            if news || left.is_zero() {
                return Ok(());
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONG);
        }
    }

    async fn committed(&mut self, _: &BTreeMap<u32, u64>) -> Result<(), LogError> {
        Ok(())
    }

    async fn leave(self: Box<Self>) -> Result<(), LogError> {
        Ok(())
    }
}
