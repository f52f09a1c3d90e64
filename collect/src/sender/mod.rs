//! Sends what waits in the segments, strictly in order, whatever the log does.

mod letters;
mod parcel;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use assay_core::Clock;
use assay_log::{Log, LogError, NewRecord, TopicSpec};
use tokio::sync::watch;

use crate::meters::Meters;
use crate::segment::{Folder, Journal, Place, Read, Reader, SegmentError};

pub(crate) use letters::DeadLetters;
use parcel::Parcel;

/// Tries before a message counts as left in the backlog, or how long they may take, and the pauses
/// between them.
const TRIES: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries after that.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(crate) struct Sender {
    pub(crate) folder: Arc<Folder>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) topic: TopicSpec,
    pub(crate) letters: DeadLetters,
    pub(crate) meters: Arc<Meters>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) timeout: Duration,
    /// Until when to go on, once somebody has asked to stop.
    pub(crate) stop: watch::Receiver<Option<Instant>>,
    /// There are no segments before this one.
    pub(crate) cleared: u64,
}

/// How far the sender has come, for those who ask.
pub(crate) struct Progress {
    sent: AtomicU64,
    /// When the oldest event that waits was accepted, in microseconds since 1970; 0: none does.
    oldest_at: AtomicI64,
    sending: AtomicBool,
}

/// Something that the log did not take yet.
struct Failing {
    since: Instant,
    tries: u32,
    left: bool,
}

/// Why the sender ended before everything was sent.
enum Ended {
    /// It was asked to, and its time was over.
    Stopped,
    Broken(SegmentError),
}

impl Failing {
    fn begin() -> Failing {
        Failing { since: Instant::now(), tries: 0, left: false }
    }

    /// Counts a try, and says whether with it the thing is left in the backlog.
    fn again(&mut self) -> bool {
        self.tries += 1;
        let left = self.tries >= TRIES || self.since.elapsed() >= PATIENCE;
        left && !std::mem::replace(&mut self.left, true)
    }
}

impl Sender {
    /// Sends until it is asked to stop and everything is sent, or its time is over.
    pub(crate) async fn run(mut self, reader: Reader) -> Result<(), SegmentError> {
        let reader = Arc::new(Mutex::new(reader));
        match self.send_all(&reader).await {
            Ok(()) | Err(Ended::Stopped) => Ok(()),
            Err(Ended::Broken(error)) => Err(error),
        }
    }

    async fn send_all(&mut self, reader: &Arc<Mutex<Reader>>) -> Result<(), Ended> {
        loop {
            let stopping = self.deadline().is_some();
            let end = self.journal.end();
            let (read, parcels) = read(reader, end, stopping).await?;
            let oldest = parcels.first().map(|parcel| parcel.message.accepted_at);
            let growing = read.growing;
            self.progress.oldest(oldest.or(growing.map(|(accepted_at, _)| accepted_at)));
            if parcels.is_empty() && read.damages.is_empty() {
                if read.upto.segment > self.cleared {
                    self.forget(read.upto).map_err(Ended::Broken)?;
                }
                if stopping {
                    return Ok(());
                }
                self.wait(growing.map(|(_, left)| left), end).await;
                continue;
            }
            self.deliver(&read, parcels).await?;
        }
    }

    /// Waits for something to send; at most so long when something waits for others to go with.
    async fn wait(&mut self, left: Option<Duration>, seen: Place) {
        let mut stop = self.stop.clone();
        let ready = self.journal.ready(left.is_none(), seen);
        tokio::select! {
            () = ready => {}
            () = tokio::time::sleep(left.unwrap_or(Duration::MAX)) => {}
            _ = stop.wait_for(Option::is_some) => {}
        }
    }

    /// Brings everything that was read to its place, and remembers that.
    async fn deliver(&mut self, read: &Read, parcels: Vec<Parcel>) -> Result<(), Ended> {
        for damage in &read.damages {
            let letter = self.letters.of_damage(damage);
            self.set_aside(letter).await?;
        }
        let mut parcels: VecDeque<Parcel> = parcels.into();
        for parcel in &mut parcels {
            parcel.trace(self.journal.traces(), &self.topic.name);
        }
        let mut together = usize::MAX;
        while !parcels.is_empty() {
            let group = parcels.len().min(together);
            let records = parcels.iter().take(group).map(|parcel| parcel.record.clone()).collect();
            match self.append(records).await? {
                Sent::Taken => parcels.drain(..group).for_each(|parcel| self.sent(&parcel)),
                // One of them is too large: each for itself, and that one in halves.
                Sent::TooLarge if group > 1 => together = 1,
                Sent::TooLarge => {
                    let Some(first) = parcels.pop_front() else { break };
                    match first.message.halves() {
                        Ok((one, other)) => {
                            for half in [other, one] {
                                let mut parcel = Parcel::new(half);
                                parcel.trace(self.journal.traces(), &self.topic.name);
                                parcels.push_front(parcel);
                            }
                            together = 1;
                        }
                        Err(message) => {
                            let letter = self.letters.of_message(&message);
                            self.set_aside(letter).await?;
                            self.progress.sent.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
        self.forget(read.upto).map_err(Ended::Broken)
    }

    fn sent(&self, parcel: &Parcel) {
        let (message, count) = (&parcel.message, parcel.message.count());
        self.journal.traces().forget(message.partition, message.first + count as u64);
        self.progress.sent.fetch_add(count as u64, Ordering::Relaxed);
        self.meters.sent.inc();
        self.meters.packing_seconds.observe(parcel.took.as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "a message has few records")]
        self.meters.size.observe(count as f64);
    }

    /// Remembers that everything before a place is sent, and deletes what is not needed any more.
    fn forget(&mut self, upto: Place) -> Result<(), SegmentError> {
        // Whoever does not remember it sends some again, which does no harm.
        if let Err(error) = self.folder.remember(upto) {
            tracing::warn!(%error, "how far the log has taken events can't be written down");
        }
        if upto.segment > self.cleared {
            self.journal.freed(self.folder.delete_before(upto)?);
            self.cleared = upto.segment;
        }
        Ok(())
    }

    /// Appends records until the log takes them.
    async fn append(&mut self, records: Vec<NewRecord>) -> Result<Sent, Ended> {
        let count = records.len() as u64;
        let mut failing = Failing::begin();
        loop {
            let begun = Instant::now();
            let appended = self.try_append(records.clone()).await;
            self.meters.send_seconds.observe(begun.elapsed().as_secs_f64());
            match appended {
                Ok(()) => {
                    if !self.progress.sending.swap(true, Ordering::Relaxed) {
                        tracing::info!(topic = self.topic.name, "the log takes messages again");
                    }
                    return Ok(Sent::Taken);
                }
                Err(Refused::TooLarge) => return Ok(Sent::TooLarge),
                Err(Refused::Not(why)) => {
                    let left = failing.again();
                    self.tell_failure(&why, left, count);
                }
            }
            self.pause(failing.tries).await?;
            self.meters.retries.inc();
        }
    }

    async fn try_append(&self, records: Vec<NewRecord>) -> Result<(), Refused> {
        let append = self.log.append(&self.topic.name, records);
        let appended = tokio::select! {
            done = tokio::time::timeout(self.timeout, append) => done.ok(),
            () = over(self.stop.clone()) => None,
        };
        let failed = match appended {
            Some(Ok(_)) => return Ok(()),
            Some(Err(LogError::TooLarge { .. } | LogError::TooLargeForTopic { .. })) => {
                return Err(Refused::TooLarge);
            }
            Some(Err(LogError::UnknownTopic { .. })) => match self.log.create(&self.topic).await {
                Ok(()) => "its topic was made".to_owned(),
                Err(error) => error.to_string(),
            },
            Some(Err(error)) => error.to_string(),
            None => "no answer in time".to_owned(),
        };
        Err(Refused::Not(failed))
    }

    fn tell_failure(&self, why: &str, left: bool, messages: u64) {
        let topic = &self.topic.name;
        if !left {
            tracing::debug!(topic, why, "the log did not take messages; trying again");
            return;
        }
        self.progress.sending.store(false, Ordering::Relaxed);
        self.meters.failed.inc_by(messages);
        self.meters.fallbacks.inc_by(messages);
        tracing::warn!(
            topic,
            why,
            "the log does not take messages: events are kept here until it does"
        );
    }

    /// Waits between two tries, or ends when the time is over.
    async fn pause(&mut self, tries: u32) -> Result<(), Ended> {
        let doubled = FIRST_PAUSE * 2u32.saturating_pow((tries - 1).min(10));
        let pause = Instant::now() + doubled.min(LONGEST_PAUSE);
        loop {
            let deadline = self.deadline();
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Ended::Stopped);
            }
            if Instant::now() >= pause {
                return Ok(());
            }
            let until = deadline.map_or(pause, |deadline| deadline.min(pause));
            let mut stop = self.stop.clone();
            let asked = async {
                match deadline {
                    Some(_) => std::future::pending().await,
                    None => drop(stop.wait_for(Option::is_some).await),
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => {}
                () = asked => {}
            }
        }
    }

    async fn set_aside(&mut self, letter: assay_dlq::DeadLetter) -> Result<(), Ended> {
        let mut failing = Failing::begin();
        while let Err(error) = self.letters.put(letter.clone(), self.clock.now()).await {
            let left = failing.again();
            self.tell_failure(&error.to_string(), left, 0);
            self.pause(failing.tries).await?;
        }
        self.meters.dead.inc();
        Ok(())
    }

    /// Until when to go on; now, when nobody is left who could ask to stop.
    fn deadline(&self) -> Option<Instant> {
        let asked = *self.stop.borrow();
        asked.or_else(|| self.stop.has_changed().is_err().then(Instant::now))
    }
}

enum Sent {
    Taken,
    TooLarge,
}

enum Refused {
    TooLarge,
    Not(String),
}

/// Waits until the time of a sender that was asked to stop is over.
async fn over(mut stop: watch::Receiver<Option<Instant>>) {
    let until = stop.wait_for(Option::is_some).await.ok().and_then(|until| *until);
    if let Some(until) = until {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Reads and packs, which takes too long for a thread that answers requests.
async fn read(
    reader: &Arc<Mutex<Reader>>,
    end: Place,
    last: bool,
) -> Result<(Read, Vec<Parcel>), Ended> {
    let reader = Arc::clone(reader);
    let reading = tokio::task::spawn_blocking(move || {
        let mut read = reader.lock().unwrap_or_else(PoisonError::into_inner).next(end, last)?;
        let parcels = std::mem::take(&mut read.messages).into_iter().map(Parcel::new).collect();
        Ok((read, parcels))
    });
    reading.await.map_err(|_| Ended::Broken(SegmentError::Gone))?.map_err(Ended::Broken)
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let (sent, oldest_at) = (AtomicU64::new(0), AtomicI64::new(0));
        Progress { sent, oldest_at, sending: AtomicBool::new(true) }
    }

    /// Events that this process has sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn sending(&self) -> bool {
        self.sending.load(Ordering::Relaxed)
    }

    /// How long the oldest event has waited at a time, in microseconds since 1970.
    pub(crate) fn age(&self, now: i64) -> Duration {
        let oldest = self.oldest_at.load(Ordering::Relaxed);
        let waited = if oldest == 0 { 0 } else { now.saturating_sub(oldest) };
        Duration::from_micros(u64::try_from(waited).unwrap_or(0))
    }

    fn oldest(&self, accepted_at: Option<i64>) {
        self.oldest_at.store(accepted_at.unwrap_or(0), Ordering::Relaxed);
    }
}
