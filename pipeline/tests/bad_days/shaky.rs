//! Ports that fail, die or hang, before or after they did their work.

mod ledger;

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{BooleanArray, RecordBatch};
use assay_core::{DatasetName, DraftId, Fault, Position, ReaderId};
use assay_log::{
    Ends, Fetch, Head, Keep, Log, LogError, Membership, NewRecord, Record, TopicInfo, TopicSpec,
};
use assay_pipeline::{
    Closing, Commit, Day, Draft, DraftOf, Lookup, Snapshot, TableSpec, Target, TargetError,
    Targets, Write,
};
use assay_store::StoreError;
use async_trait::async_trait;
use tokio::sync::Notify;

/// Numbers that look random and are the same for a seed (splitmix64).
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut z = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// An error that may go away.
    Stumble,
    /// An error that stays.
    Fall,
    /// The process ends here.
    Die,
    /// The process stands still, until others have done its work.
    Hang,
    /// Another process has its turn.
    Wait,
}

/// What befalls one process, and when.
pub(crate) struct Fate {
    dice: Dice,
    /// One effect of so many is disturbed; 0: none is.
    odds: u64,
    calm: AtomicBool,
    pub(crate) died: Notify,
    pub(crate) hung: Notify,
    pub(crate) wake: Notify,
    pub(crate) story: Mutex<Vec<String>>,
}

impl Fate {
    pub(crate) fn new(seed: u64, odds: u64) -> Arc<Fate> {
        Arc::new(Fate {
            dice: Dice::new(seed),
            odds,
            calm: AtomicBool::new(odds == 0),
            died: Notify::new(),
            hung: Notify::new(),
            wake: Notify::new(),
            story: Mutex::default(),
        })
    }

    /// From here on nothing more befalls the process.
    pub(crate) fn calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    fn draw(&self) -> Option<Blow> {
        if self.calm.load(Ordering::Relaxed) || self.dice.below(self.odds) > 0 {
            return None;
        }
        let blows = [Blow::Stumble, Blow::Fall, Blow::Die, Blow::Hang, Blow::Wait, Blow::Wait];
        Some(blows[self.dice.below(blows.len() as u64) as usize])
    }

    async fn effect<T, E>(
        &self,
        what: &str,
        wrong: impl Fn(Fault) -> E,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (before, after) = match self.dice.below(2) {
            0 => (self.draw(), None),
            _ => (None, self.draw()),
        };
        self.suffer(before, "before", what, &wrong).await?;
        let done = work.await;
        if done.is_ok() {
            self.suffer(after, "after", what, &wrong).await?;
        }
        done
    }

    async fn suffer<E>(
        &self,
        blow: Option<Blow>,
        when: &str,
        what: &str,
        wrong: &impl Fn(Fault) -> E,
    ) -> Result<(), E> {
        let Some(blow) = blow else { return Ok(()) };
        self.story.lock().unwrap().push(format!("{blow:?} {when} {what}"));
        match blow {
            Blow::Stumble => return Err(wrong(Fault::Transient)),
            Blow::Fall => return Err(wrong(Fault::Permanent)),
            Blow::Die => {
                self.died.notify_one();
                pending::<()>().await;
            }
            Blow::Hang => {
                self.hung.notify_one();
                self.wake.notified().await;
            }
            Blow::Wait => tokio::task::yield_now().await,
        }
        Ok(())
    }
}

fn in_log(fault: Fault) -> LogError {
    let source = "a bad day".into();
    LogError::Failed { doing: "work".into(), log: "log".into(), advice: "", fault, source }
}

fn in_store(fault: Fault) -> StoreError {
    let place = "store".to_owned();
    StoreError::Database { place, doing: "work", fault, cause: sqlx::Error::WorkerCrashed }
}

fn in_target(fault: Fault) -> TargetError {
    let source = match fault {
        Fault::Transient => sqlx::Error::PoolTimedOut,
        Fault::Permanent => sqlx::Error::WorkerCrashed,
    };
    TargetError::Catalog { doing: "work".to_owned(), source }
}

/// A port that suffers what befalls its process.
pub(crate) struct Shaky<T> {
    pub(crate) fate: Arc<Fate>,
    pub(crate) port: T,
}

impl<T> Shaky<T> {
    pub(crate) fn new(fate: &Arc<Fate>, port: T) -> Shaky<T> {
        Shaky { fate: Arc::clone(fate), port }
    }
}

#[async_trait]
impl Log for Shaky<Arc<dyn Log>> {
    async fn create(&self, topic: &TopicSpec) -> Result<(), LogError> {
        self.port.create(topic).await
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError> {
        self.fate.effect("append", in_log, self.port.append(topic, records)).await
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        fetch: Fetch,
    ) -> Result<Vec<Record>, LogError> {
        self.fate.effect("read", in_log, self.port.read(topic, partition, from, fetch)).await
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn Membership>, LogError> {
        let port = self.fate.effect("join", in_log, self.port.join(group, topic)).await?;
        Ok(Box::new(Shaky::new(&self.fate, port)))
    }

    async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError> {
        self.fate.effect("ends", in_log, self.port.ends(topic)).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.port.topics().await
    }

    async fn head(&self, topic: &str, partition: u32, keep: Keep) -> Result<Head, LogError> {
        self.port.head(topic, partition, keep).await
    }

    async fn delete_before(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Result<u64, LogError> {
        self.port.delete_before(topic, partition, offset).await
    }

    async fn reclaim(&self) -> Result<u64, LogError> {
        self.port.reclaim().await
    }

    fn namespace(&self) -> String {
        self.port.namespace()
    }
}

#[async_trait]
impl Membership for Shaky<Box<dyn Membership>> {
    async fn assignment(&mut self) -> Result<BTreeSet<u32>, LogError> {
        self.fate.effect("assignment", in_log, self.port.assignment()).await
    }

    fn changed(&self) -> bool {
        self.port.changed()
    }

    async fn wait(&mut self, next: &BTreeMap<u32, u64>, at_most: Duration) -> Result<(), LogError> {
        self.fate.effect("wait", in_log, self.port.wait(next, at_most)).await
    }

    async fn committed(&mut self, next: &BTreeMap<u32, u64>) -> Result<(), LogError> {
        self.fate.effect("committed", in_log, self.port.committed(next)).await
    }

    async fn leave(self: Box<Self>) -> Result<(), LogError> {
        self.port.leave().await
    }
}

impl Targets for Shaky<Arc<dyn Targets>> {
    fn target(&self, spec: &Arc<TableSpec>) -> Box<dyn Target> {
        Box::new(Shaky::new(&self.fate, self.port.target(spec)))
    }
}

#[async_trait]
impl Target for Shaky<Box<dyn Target>> {
    async fn prepare(&self) -> Result<(), TargetError> {
        self.fate.effect("prepare", in_target, self.port.prepare()).await
    }

    async fn position(&self, reader: &ReaderId) -> Result<Position, TargetError> {
        self.fate.effect("position", in_target, self.port.position(reader)).await
    }

    async fn draft(&self, of: DraftOf<'_>, write: Write) -> Result<Box<dyn Draft>, TargetError> {
        let draft = self.fate.effect("draft", in_target, self.port.draft(of, write)).await?;
        Ok(Box::new(Shaky::new(&self.fate, draft)))
    }

    async fn landed(&self, draft: DraftId) -> Result<Option<Commit>, TargetError> {
        self.fate.effect("landed", in_target, self.port.landed(draft)).await
    }

    async fn commits(&self, after: Option<u64>) -> Result<Vec<Commit>, TargetError> {
        self.fate.effect("commits", in_target, self.port.commits(after)).await
    }

    async fn lookup(
        &self,
        columns: &[String],
        at: Option<Snapshot>,
        without: Option<&Day>,
    ) -> Result<Box<dyn Lookup>, TargetError> {
        let lookup =
            self.fate.effect("lookup", in_target, self.port.lookup(columns, at, without)).await?;
        Ok(Box::new(Shaky::new(&self.fate, lookup)))
    }
}

#[async_trait]
impl Draft for Shaky<Box<dyn Draft>> {
    fn base(&self) -> Option<Snapshot> {
        self.port.base()
    }

    fn written(&self) -> u64 {
        self.port.written()
    }

    async fn write(&mut self, to: &DatasetName, rows: RecordBatch) -> Result<(), TargetError> {
        self.fate.effect("write", in_target, self.port.write(to, rows)).await
    }

    async fn commit(&mut self, closing: Closing<'_>) -> Result<Commit, TargetError> {
        self.fate.effect("commit", in_target, self.port.commit(closing)).await
    }

    async fn abandon(self: Box<Self>) {
        self.port.abandon().await;
    }
}

#[async_trait]
impl Lookup for Shaky<Box<dyn Lookup>> {
    async fn known(&self, keys: &RecordBatch) -> Result<BooleanArray, TargetError> {
        self.fate.effect("known", in_target, self.port.known(keys)).await
    }
}
