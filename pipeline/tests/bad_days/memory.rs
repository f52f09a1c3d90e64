//! A log and a table in memory: what the ports promise, in the fewest words, so that ten thousand
//! bad days fit in a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use assay_core::{DatasetName, DraftId, Position, ReaderId};
use assay_log::{
    Ends, Fetch, Head, Keep, Log, LogError, Membership, NewRecord, Record, TopicInfo, TopicSpec,
};
use assay_pipeline::{
    Closing, Commit, Day, Draft, DraftOf, Lookup, Snapshot, TableSpec, Target, TargetError,
    Targets, Write,
};
use async_trait::async_trait;
use chrono::DateTime;

/// Topics, each with its partitions.
#[derive(Default)]
pub(crate) struct MemoryLog(Mutex<BTreeMap<String, Vec<Vec<Record>>>>);

#[async_trait]
impl Log for MemoryLog {
    async fn create(&self, topic: &TopicSpec) -> Result<(), LogError> {
        let partitions = vec![vec![]; topic.partitions as usize];
        self.0.lock().unwrap().entry(topic.name.clone()).or_insert(partitions);
        Ok(())
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError> {
        let mut topics = self.0.lock().unwrap();
        let partitions = topics.get_mut(topic).unwrap();
        let mut places = Vec::new();
        for NewRecord { partition, key, value, headers } in records {
            let partition = partition.unwrap_or(0);
            let records = &mut partitions[partition as usize];
            let offset = records.len() as u64;
            let timestamp = DateTime::UNIX_EPOCH;
            records.push(Record { partition, offset, timestamp, key, value, headers });
            places.push((partition, offset));
        }
        Ok(places)
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        fetch: Fetch,
    ) -> Result<Vec<Record>, LogError> {
        let topics = self.0.lock().unwrap();
        let records = topics[topic][partition as usize].iter();
        Ok(records.skip(from as usize).take(fetch.max_records).cloned().collect())
    }

    async fn join(&self, _: &str, topic: &str) -> Result<Box<dyn Membership>, LogError> {
        let partitions = self.0.lock().unwrap()[topic].len() as u32;
        Ok(Box::new(Member((0..partitions).collect())))
    }

    async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError> {
        let topics = self.0.lock().unwrap();
        let ends = |(partition, records): (u32, &Vec<Record>)| Ends {
            partition,
            start: 0,
            end: records.len() as u64,
        };
        Ok((0..).zip(&topics[topic]).map(ends).collect())
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        let topics = self.0.lock().unwrap();
        let info = |(name, partitions): (&String, &Vec<Vec<Record>>)| TopicInfo {
            name: name.clone(),
            partitions: partitions.len() as u32,
            retention: None,
            records: partitions.iter().map(|records| records.len() as u64).sum(),
            bytes: None,
            oldest: None,
        };
        Ok(topics.iter().map(info).collect())
    }

    /// Everything stays.
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
        "memory".to_owned()
    }
}

/// A reader that has all partitions and never waits long.
struct Member(BTreeSet<u32>);

#[async_trait]
impl Membership for Member {
    async fn assignment(&mut self) -> Result<BTreeSet<u32>, LogError> {
        Ok(self.0.clone())
    }

    fn changed(&self) -> bool {
        false
    }

    async fn wait(&mut self, _: &BTreeMap<u32, u64>, _: Duration) -> Result<(), LogError> {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn committed(&mut self, _: &BTreeMap<u32, u64>) -> Result<(), LogError> {
        Ok(())
    }

    async fn leave(self: Box<Self>) -> Result<(), LogError> {
        Ok(())
    }
}

/// One table: its commits, each with the keys of its rows, and how far its readers have come.
#[derive(Default)]
pub(crate) struct MemoryTable(Mutex<State>);

#[derive(Default)]
struct State {
    commits: Vec<(Commit, Vec<String>)>,
    positions: BTreeMap<ReaderId, Position>,
}

impl MemoryTable {
    /// The keys of all rows.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().commits.iter().flat_map(|(_, keys)| keys.clone()).collect()
    }
}

/// The only target that there is.
pub(crate) struct MemoryTables(pub(crate) Arc<MemoryTable>);

impl Targets for MemoryTables {
    fn target(&self, spec: &Arc<TableSpec>) -> Box<dyn Target> {
        let dataset = spec.dataset.clone();
        Box::new(MemoryTarget { table: Arc::clone(&self.0), dataset })
    }
}

struct MemoryTarget {
    table: Arc<MemoryTable>,
    dataset: DatasetName,
}

#[async_trait]
impl Target for MemoryTarget {
    async fn prepare(&self) -> Result<(), TargetError> {
        Ok(())
    }

    async fn position(&self, reader: &ReaderId) -> Result<Position, TargetError> {
        let state = self.table.0.lock().unwrap();
        Ok(state.positions.get(reader).cloned().unwrap_or_default())
    }

    async fn draft(&self, of: DraftOf<'_>, _: Write) -> Result<Box<dyn Draft>, TargetError> {
        if self.position(of.reader).await? != *of.from {
            let (dataset, reader) = (self.dataset.clone(), of.reader.clone());
            return Err(TargetError::Fenced { dataset, reader });
        }
        Ok(Box::new(MemoryDraft {
            base: self.table.0.lock().unwrap().commits.len(),
            table: Arc::clone(&self.table),
            dataset: self.dataset.clone(),
            reader: of.reader.clone(),
            from: of.from.clone(),
            keys: Vec::new(),
        }))
    }

    async fn landed(&self, draft: DraftId) -> Result<Option<Commit>, TargetError> {
        let state = self.table.0.lock().unwrap();
        let mut commits = state.commits.iter().map(|(commit, _)| commit);
        Ok(commits.find(|commit| commit.report.draft == draft).cloned())
    }

    async fn commits(&self, after: Option<u64>) -> Result<Vec<Commit>, TargetError> {
        let state = self.table.0.lock().unwrap();
        let commits = state.commits.iter().map(|(commit, _)| commit.clone());
        Ok(commits.filter(|commit| after.is_none_or(|after| commit.sequence > after)).collect())
    }

    async fn lookup(
        &self,
        columns: &[String],
        at: Option<Snapshot>,
        _: Option<&Day>,
    ) -> Result<Box<dyn Lookup>, TargetError> {
        assert_eq!(columns, ["no"]);
        let state = self.table.0.lock().unwrap();
        let known = at.map_or(state.commits.len(), |at| at.0 as usize);
        let keys = state.commits[..known].iter().flat_map(|(_, keys)| keys.clone()).collect();
        Ok(Box::new(MemoryLookup(keys)))
    }
}

struct MemoryLookup(Vec<String>);

#[async_trait]
impl Lookup for MemoryLookup {
    async fn known(&self, keys: &RecordBatch) -> Result<BooleanArray, TargetError> {
        Ok(numbers(keys).into_iter().map(|key| Some(self.0.contains(&key))).collect())
    }
}

struct MemoryDraft {
    table: Arc<MemoryTable>,
    dataset: DatasetName,
    reader: ReaderId,
    from: Position,
    /// How many commits there were when the draft was begun.
    base: usize,
    keys: Vec<String>,
}

#[async_trait]
impl Draft for MemoryDraft {
    fn base(&self) -> Option<Snapshot> {
        Some(Snapshot(self.base as i64))
    }

    fn written(&self) -> u64 {
        self.keys.len() as u64
    }

    async fn write(&mut self, _: &DatasetName, rows: RecordBatch) -> Result<(), TargetError> {
        self.keys.extend(numbers(&rows));
        Ok(())
    }

    async fn commit(&mut self, closing: Closing<'_>) -> Result<Commit, TargetError> {
        let mut state = self.table.0.lock().unwrap();
        let dataset = self.dataset.clone();
        if state.positions.get(&self.reader).cloned().unwrap_or_default() != self.from {
            return Err(TargetError::Fenced { dataset, reader: self.reader.clone() });
        }
        if state.commits.len() != self.base {
            return Err(TargetError::Moved { dataset });
        }
        let sequence = state.commits.len() as u64 + 1;
        let snapshot = Snapshot(sequence as i64);
        let commit = Commit { sequence, snapshot, report: closing.report.clone() };
        state.commits.push((commit.clone(), self.keys.clone()));
        state.positions.insert(self.reader.clone(), closing.upto.clone());
        Ok(commit)
    }

    async fn abandon(self: Box<Self>) {}
}

/// The key of each row.
fn numbers(rows: &RecordBatch) -> Vec<String> {
    let column = rows.column_by_name("no").unwrap().as_string::<i32>();
    (0..column.len()).map(|row| column.value(row).to_owned()).collect()
}
