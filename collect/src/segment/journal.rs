//! Where accepted records are written, many requests at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use assay_core::TraceContext;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::SegmentError;
use super::folder::{Folder, Place};
use super::frame;
use super::header::Header;
use super::lanes::{Lanes, MessageSize};
use super::records::Records;
use super::tail::{Tail, Written};
use super::traces::Traces;

/// What an answer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// What was answered survives a loss of power.
    Power,
    /// What was answered survives the end of the process, however it comes, but not of the system.
    Process,
}

impl Durability {
    pub fn name(self) -> &'static str {
        match self {
            Durability::Power => "power",
            Durability::Process => "process",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// What all segments may take on the disk.
    pub(crate) bytes: u64,
    pub(crate) message: MessageSize,
    pub(crate) partitions: u32,
}

/// Writes records to segments. What `append` has returned for is safe.
pub(crate) struct Journal {
    shared: Arc<Shared>,
    /// Syncs groups of frames; absent where nothing is synced.
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    durability: Durability,
    limits: Limits,
    state: Mutex<State>,
    tail: Mutex<Tail>,
    traces: Traces,
    /// There are frames to be written, or the end is near.
    filled: Condvar,
    end: Mutex<Place>,
    bytes: AtomicU64,
    accepted: AtomicU64,
    /// A message is complete, or something came after nothing.
    ready: Notify,
    idle: AtomicBool,
}

struct State {
    lanes: Lanes,
    /// Frames that are not written yet.
    pending: Vec<u8>,
    group: Group,
    turned: bool,
    closing: bool,
}

/// The requests whose frames are written together.
struct Group {
    done: watch::Sender<Option<Outcome>>,
    events: u64,
}

type Outcome = Result<(), Arc<SegmentError>>;

impl Journal {
    /// Writes to new segments of the folder, with sequence numbers from `from` on.
    pub(crate) fn open(
        folder: Arc<Folder>,
        header: Header,
        (next, from): (u64, u64),
        durability: Durability,
        limits: Limits,
        bytes: u64,
    ) -> Journal {
        let segment_bytes = (limits.bytes / 8).min(64 << 20);
        let tail = Tail::new(folder, header, durability, segment_bytes, next);
        let lanes = Lanes::new(limits.partitions, from, limits.message);
        let state =
            State { lanes, pending: vec![], group: Group::new(), turned: false, closing: false };
        let shared = Arc::new(Shared {
            durability,
            limits,
            state: Mutex::new(state),
            tail: Mutex::new(tail),
            traces: Traces::default(),
            filled: Condvar::new(),
            end: Mutex::new(Place { segment: next, offset: 0 }),
            bytes: AtomicU64::new(bytes),
            accepted: AtomicU64::new(0),
            ready: Notify::new(),
            idle: AtomicBool::new(false),
        });
        let writing = Arc::clone(&shared);
        let writer = (durability == Durability::Power)
            .then(|| std::thread::spawn(move || while writing.write_group() {}));
        Journal { shared, writer: Mutex::new(writer) }
    }

    /// Keeps the records of a request, all or none; on return they are safe.
    pub(crate) async fn append(
        &self,
        records: &Records,
        now: DateTime<Utc>,
        trace: Option<&TraceContext>,
    ) -> Result<(), Arc<SegmentError>> {
        if records.len() == 0 {
            return Ok(());
        }
        let shared = &self.shared;
        let mut done = {
            let mut state = lock(&shared.state);
            shared.check_room(&state, records)?;
            if state.closing {
                return Err(Arc::new(SegmentError::Gone));
            }
            state.frame(
                records,
                now,
                shared.limits.message,
                trace.map(|trace| (trace, &shared.traces)),
            );
            if shared.durability == Durability::Process {
                return shared.write_at_once(&mut state);
            }
            state.group.done.subscribe()
        };
        shared.filled.notify_one();
        let outcome = done.wait_for(Option::is_some).await;
        outcome.map_or_else(
            |_| Err(Arc::new(SegmentError::Gone)),
            |outcome| outcome.clone().unwrap_or(Ok(())),
        )
    }

    /// The traces of what is not sent yet.
    pub(crate) fn traces(&self) -> &Traces {
        &self.shared.traces
    }

    /// Up to where everything is safe.
    pub(crate) fn end(&self) -> Place {
        *lock(&self.shared.end)
    }

    /// Records that were accepted by this process.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// What the segments take on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn freed(&self, bytes: u64) {
        self.shared.bytes.fetch_sub(bytes.min(self.bytes()), Ordering::Relaxed);
    }

    /// Waits until a message is complete; or, when `idle`, until anything comes.
    pub(crate) async fn ready(&self, idle: bool, seen: Place) {
        if idle {
            self.shared.idle.store(true, Ordering::SeqCst);
            // What came in between has not seen that somebody waits.
            if self.end() != seen {
                self.shared.idle.store(false, Ordering::SeqCst);
                return;
            }
        }
        self.shared.ready.notified().await;
    }

    /// Takes nothing more, and waits until all that was taken is written.
    pub(crate) fn close(&self) {
        lock(&self.shared.state).closing = true;
        self.shared.filled.notify_all();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has told its requests so.
            let _ = writer.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn check_room(&self, state: &State, records: &Records) -> Result<(), Arc<SegmentError>> {
        let used = self.bytes.load(Ordering::Relaxed) + state.pending.len() as u64;
        let limit = self.limits.bytes;
        match used + (records.datums.len() as u64) > limit {
            true => Err(Arc::new(SegmentError::Full { used, limit })),
            false => Ok(()),
        }
    }

    /// Writes what one request has just added.
    fn write_at_once(&self, state: &mut State) -> Outcome {
        let (events, turned) = (state.group.events, state.turned);
        let outcome = self.put(&state.pending, state.lanes.highest(), events, turned);
        (state.group.events, state.turned) = (0, false);
        state.pending.clear();
        outcome
    }

    /// Waits for a group, writes it and tells its requests; whether there may be another.
    fn write_group(&self) -> bool {
        let mut state = lock(&self.state);
        while state.pending.is_empty() {
            if state.closing {
                return false;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let frames = std::mem::take(&mut state.pending);
        let group = std::mem::replace(&mut state.group, Group::new());
        let turned = std::mem::take(&mut state.turned);
        let highest = state.lanes.highest();
        drop(state);
        let outcome = self.put(&frames, highest, group.events, turned);
        group.done.send_replace(Some(outcome));
        self.reuse(frames);
        true
    }

    /// Gives the buffer back for the next group but one.
    fn reuse(&self, mut frames: Vec<u8>) {
        frames.clear();
        let mut state = lock(&self.state);
        if state.pending.capacity() == 0 && frames.capacity() <= 4 << 20 {
            state.pending = frames;
        }
    }

    fn put(&self, frames: &[u8], highest: u64, events: u64, turned: bool) -> Outcome {
        let mut tail = lock(&self.tail);
        match tail.put(frames, highest) {
            Ok(written) => {
                self.publish(&written, events, turned);
                Ok(())
            }
            Err(error) => {
                // When the disk is full, room comes from what is sent: also the segment that was
                // just being written can go then.
                *lock(&self.end) = tail.next();
                self.ready.notify_one();
                Err(Arc::new(error))
            }
        }
    }

    fn publish(&self, written: &Written, events: u64, turned: bool) {
        self.bytes.fetch_add(written.bytes, Ordering::Relaxed);
        self.accepted.fetch_add(events, Ordering::Relaxed);
        *lock(&self.end) = written.end;
        if turned || self.idle.swap(false, Ordering::SeqCst) {
            self.ready.notify_one();
        }
    }
}

impl State {
    fn frame(
        &mut self,
        records: &Records,
        now: DateTime<Utc>,
        size: MessageSize,
        trace: Option<(&TraceContext, &Traces)>,
    ) {
        for part in records.parts(size.events, size.bytes) {
            let lane = self.lanes.take(part.len(), part.datums.len());
            self.turned |= lane.turned;
            if let Some((trace, traces)) = trace {
                traces.note((lane.partition, lane.first), trace);
            }
            frame::put(part, lane, now.timestamp_micros(), &mut self.pending);
        }
        self.group.events += records.len() as u64;
    }
}

impl Group {
    fn new() -> Group {
        Group { done: watch::Sender::new(None), events: 0 }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
