use std::fs::OpenOptions;
use std::sync::OnceLock;

use assay_pipeline::Pipeline;
use chrono::DateTime;
use tempfile::TempDir;

use super::super::{Durability, Identity, Journal, Limits, Records};
use super::*;

const SIZE: MessageSize = MessageSize { events: 4, bytes: 100 };

fn schema() -> RecordSchema {
    static SCHEMA: OnceLock<RecordSchema> = OnceLock::new();
    SCHEMA.get_or_init(load).clone()
}

fn load() -> RecordSchema {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/github_events");
    let pipeline = Pipeline::load(&assay_pipeline::Folder::Disk(folder.into())).unwrap();
    pipeline.ingest.unwrap().topic.schema.clone()
}

/// A process with its part of the folder.
struct Process {
    folder: Arc<Folder>,
    journal: Journal,
    reader: Reader,
}

fn process(path: &std::path::Path, durability: Durability, bytes: u64) -> Process {
    let folder = Arc::new(Folder::claim(path).unwrap());
    let fresh = Identity { collector: Uuid::from_u128(5), reserved: 0 };
    let identity = folder.identity().unwrap().unwrap_or(fresh);
    let sent = folder.sent();
    let last = folder.segments().unwrap().last().copied().unwrap_or(0).max(sent.segment);
    let limits = Limits { bytes, message: SIZE, partitions: 2 };
    let header = Header { collector: identity.collector, schema: schema().text().to_owned() };
    let from = (last + 1, identity.reserved);
    let used = folder.waiting(sent).unwrap().bytes;
    let journal = Journal::open(Arc::clone(&folder), header, from, durability, limits, used);
    let linger = Duration::from_secs(1000);
    let reader = Reader::new(Arc::clone(&folder), schema(), SIZE, linger, sent);
    Process { folder, journal, reader }
}

impl Process {
    async fn keep(&self, records: &[&str]) -> Result<(), Arc<SegmentError>> {
        let mut all = Records::default();
        for record in records {
            all.datums.extend(record.as_bytes());
            all.ends.push(all.datums.len());
        }
        self.journal.append(&all, DateTime::UNIX_EPOCH, None).await
    }

    /// What is read to the end: partition, first sequence number, records.
    fn all(&mut self) -> Vec<(u32, u64, String)> {
        let mut found = vec![];
        loop {
            let read = self.reader.next(self.journal.end(), true).unwrap();
            if read.messages.is_empty() {
                return found;
            }
            found.extend(read.messages.into_iter().map(|message| {
                let text = String::from_utf8(message.datums.clone()).unwrap();
                (message.partition, message.first, format!("{}: {text}", message.count()))
            }));
            self.folder.remember(read.upto).unwrap();
        }
    }
}

fn newest(folder: &TempDir) -> std::path::PathBuf {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "segment"));
    files.sort();
    files.pop().unwrap()
}

#[tokio::test]
async fn what_was_kept_is_read_in_order_and_only_once() {
    for durability in [Durability::Power, Durability::Process] {
        let folder = tempfile::tempdir().unwrap();
        let mut first = process(folder.path(), durability, 1 << 30);
        first.keep(&["a", "b"]).await.unwrap();
        first.keep(&["c"]).await.unwrap();
        first.keep(&["d", "e", "f", "g", "h"]).await.unwrap();
        let all = first.all();
        insta::allow_duplicates! {
            insta::assert_debug_snapshot!(all);
        }
        assert_eq!(first.all(), []);
        drop(first);
        let mut second = process(folder.path(), durability, 1 << 30);
        assert_eq!(second.all(), []);
        second.keep(&["i"]).await.unwrap();
        let all = second.all();
        assert_eq!(all.len(), 1);
        assert!(all[0].1 >= 1 << 32, "no number is given twice: {all:?}");
    }
}

#[tokio::test]
async fn a_torn_end_is_cut_and_damage_in_the_middle_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let first = process(folder.path(), Durability::Power, 1 << 30);
    for record in ["one", "two", "three"] {
        first.keep(&[record]).await.unwrap();
    }
    drop(first);
    let path = newest(&folder);
    let bytes = std::fs::read(&path).unwrap();
    let find = |text: &str| bytes.windows(text.len()).rposition(|w| w == text.as_bytes()).unwrap();
    let mut damaged = bytes.clone();
    damaged[find("two")] = b'T';
    // A frame that was begun and never answered.
    damaged.extend(&bytes[find("three") - 40..find("three")]);
    std::fs::write(&path, &damaged).unwrap();

    let mut second = process(folder.path(), Durability::Power, 1 << 30);
    second.keep(&["four"]).await.unwrap();
    let mut texts = vec![];
    let mut damages = vec![];
    for _ in 0..10 {
        let read = second.reader.next(second.journal.end(), true).unwrap();
        texts.extend(read.messages.into_iter().map(|m| String::from_utf8(m.datums).unwrap()));
        damages.extend(read.damages);
    }
    assert_eq!(texts, ["one", "three", "four"]);
    assert_eq!(damages.len(), 1);
    assert!(damages[0].bytes.ends_with(b"Two"));
}

#[tokio::test]
async fn a_message_that_is_not_full_waits_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = process(folder.path(), Durability::Process, 1 << 30);
    process.keep(&["a", "b", "c"]).await.unwrap();
    let read = process.reader.next(process.journal.end(), false).unwrap();
    assert!(read.messages.is_empty() && read.growing.is_some());
    let waits = read.upto;
    process.keep(&["d", "e"]).await.unwrap();
    let read = process.reader.next(process.journal.end(), false).unwrap();
    assert_eq!(read.messages[0].datums, b"abc");
    assert!(read.growing.is_some() && read.upto > waits);
}

#[tokio::test]
async fn a_full_folder_refuses_and_takes_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = process(folder.path(), Durability::Process, 40_000);
    let record = "x".repeat(500);
    let mut kept = 0;
    let full = loop {
        match process.keep(&[&record]).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(*full, SegmentError::Full { .. }), "{full}");
    assert!((40..80).contains(&kept), "{kept}");
    assert_eq!(process.all().len(), kept);
    let freed = process.folder.delete_before(process.folder.sent()).unwrap();
    assert!(freed > 20_000, "{freed}");
    process.journal.freed(freed);
    process.keep(&[&record]).await.unwrap();
}

#[tokio::test]
async fn a_folder_has_one_collector() {
    let folder = tempfile::tempdir().unwrap();
    let _first = process(folder.path(), Durability::Process, 1 << 30);
    let second = Folder::claim(folder.path()).unwrap_err();
    assert!(matches!(second, SegmentError::Taken(_)), "{second}");
}

#[tokio::test]
async fn records_survive_wherever_the_file_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let first = process(folder.path(), Durability::Process, 1 << 30);
    for record in ["one", "two", "three"] {
        first.keep(&[record]).await.unwrap();
    }
    drop(first);
    let path = newest(&folder);
    let bytes = std::fs::read(&path).unwrap();
    let mut counts = vec![];
    // Every place in the frames, and some in the header.
    let places = (0..=bytes.len()).rev();
    for cut in places.filter(|cut| bytes.len() - cut < 140 || cut.is_multiple_of(61)) {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
        let mut second = process(folder.path(), Durability::Process, 1 << 30);
        let end = second.journal.end();
        let read = second.reader.next(end, true).unwrap();
        assert!(read.damages.is_empty());
        counts.push(read.messages.iter().map(Message::count).sum::<usize>());
    }
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    assert_eq!((counts[0], counts[1], counts[139], counts[counts.len() - 1]), (3, 2, 0, 0));
}
