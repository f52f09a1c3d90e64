//! Sends what is in the outbox, at least once and in order per job, and never gives up by itself
//! on a target that is away.

mod failing;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use assay_core::{Clock, Ids};
use assay_store::{Delivery, Store, StoreError};
use assay_trace::{Kind, Span};
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

use crate::http::within;
use crate::target::Target;
use crate::traced::said;

/// Rows in memory at once.
const PAGE: u32 = 64;

/// How long a process that was killed keeps others from sending.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// How often a process that sends says that it still does.
const RENEWAL: Duration = Duration::from_secs(5);

/// How often the outbox is looked into.
const LOOK: Duration = Duration::from_secs(1);

/// How long the end of a command waits for the first answer of a target.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// How long a target is left alone that let the end of a command wait.
const SILENT: Duration = Duration::from_secs(30);

/// What the courier does when something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Attempts of one delivery that a target took up and failed at, before it is parked.
    pub attempts: u64,
    /// The first wait; each one after is twice as long, up to the longest.
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for Persistence {
    fn default() -> Persistence {
        Persistence {
            attempts: 20,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(600),
        }
    }
}

/// What one look into the outbox came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    pub delivered: u64,
    pub parked: u64,
    pub failed: u64,
    /// Targets that another process sends to.
    pub busy: u64,
}

pub struct Courier {
    store: Arc<Store>,
    targets: Vec<Target>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    persistence: Persistence,
    me: Uuid,
    tried: AtomicBool,
    /// Nothing more is begun by [`Courier::run`].
    ending: watch::Sender<bool>,
}

/// One target during one pass.
struct Round<'a> {
    target: &'a Target,
    delivered: AtomicU64,
    parked: AtomicU64,
    failed: AtomicU64,
    failed_in_a_row: AtomicU32,
    /// Nothing more is sent to it in this pass.
    over: AtomicBool,
}

impl Courier {
    pub fn new(
        store: Arc<Store>,
        targets: Vec<Target>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        persistence: Persistence,
    ) -> Courier {
        let me = ids.next();
        let tried = AtomicBool::new(false);
        let (ending, _) = watch::channel(false);
        Courier { store, targets, clock, ids, persistence, me, tried, ending }
    }

    /// Whether there is nobody to send to.
    pub fn idle(&self) -> bool {
        self.targets.is_empty()
    }

    /// The same for one target alone.
    pub fn only(mut self, target: Option<&str>) -> Courier {
        self.targets.retain(|known| target.is_none_or(|target| known.name() == target));
        self
    }

    /// Sends until `shutdown` comes to its end. What goes wrong is told, and tried again. What is on
    /// its way then gets its answer, if that comes soon: cut off it would be sent twice.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        if self.targets.is_empty() {
            return shutdown.await;
        }
        // Each for itself: one that is slow must not keep the others waiting.
        let over: Vec<AtomicBool> = self.targets.iter().map(|_| AtomicBool::new(false)).collect();
        let each = self.targets.iter().zip(&over).map(async |(target, over)| {
            let mut ending = self.ending.subscribe();
            while !*ending.borrow() {
                if let Err(error) = self.round(target).await {
                    let target = target.name();
                    tracing::warn!(%error, target, "the outbox can't be read; it is tried again");
                }
                tokio::select! {
                    () = sleep(LOOK) => {}
                    _ = ending.wait_for(|over| *over) => {}
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut work = pin!(futures::future::join_all(each));
        tokio::select! {
            () = shutdown => {}
            _ = &mut work => {}
        }
        self.ending.send_replace(true);
        if timeout(FIRST_ANSWER, work).await.is_err() {
            let silent = self.targets.iter().zip(&over);
            let silent = silent.filter(|(_, over)| !over.load(Ordering::Relaxed));
            self.hold_silent(silent.map(|(target, _)| target)).await;
        }
        self.ending.send_replace(false);
        self.release().await;
    }

    /// Sends what waits, for at most `limit`, and not at all to targets that do not answer. For the
    /// end of a command: it fails at nothing.
    pub async fn finish(&self, limit: Duration) {
        // What did not answer during the whole command will not do so now.
        let silent = self.tried.load(Ordering::Relaxed) && self.answers() == 0;
        if self.targets.is_empty() || silent {
            return;
        }
        let watch = async {
            let (mut seen, mut heard_at) = (self.answers(), Instant::now());
            loop {
                sleep(Duration::from_millis(50)).await;
                let now = self.answers();
                if now > seen {
                    (seen, heard_at) = (now, Instant::now());
                } else if heard_at.elapsed() > FIRST_ANSWER {
                    return;
                }
            }
        };
        let over: Vec<AtomicBool> = self.targets.iter().map(|_| AtomicBool::new(false)).collect();
        let each = self.targets.iter().zip(&over).map(async |(target, over)| {
            if let Err(error) = self.round(target).await {
                let target = target.name();
                tracing::warn!(%error, target, "the outbox can't be read; it is sent later");
            }
            over.store(true, Ordering::Relaxed);
        });
        let work = futures::future::join_all(each);
        let within = async {
            tokio::select! {
                () = watch => true,
                _ = work => false,
            }
        };
        // What is left is in the outbox.
        if timeout(limit, within).await == Ok(true) {
            let silent = self.targets.iter().zip(&over);
            let silent = silent.filter(|(_, over)| !over.load(Ordering::Relaxed));
            self.hold_silent(silent.map(|(target, _)| target)).await;
        }
        self.release().await;
    }

    fn answers(&self) -> u64 {
        self.targets.iter().map(Target::answers).sum()
    }

    /// Leaves targets alone that let the end of a command wait, so that the next one does not.
    async fn hold_silent(&self, targets: impl Iterator<Item = &Target>) {
        for target in targets {
            let (name, now) = (target.name(), self.clock.now());
            let held = async {
                if self.store.next_due(name).await?.is_none_or(|due| due > now) {
                    return Ok(());
                }
                let (away, held_until) = self.store.held(name).await?;
                if held_until.is_some_and(|until| until > now) {
                    return Ok(());
                }
                let wait = self.wait(away + 1).max(SILENT);
                let why = "it did not answer within 2 s when a process ended";
                self.store.failed_attempt(name).await?;
                self.store.hold(name, after(now, wait), why).await
            };
            if let Err(error) = held.await {
                let error: StoreError = error;
                tracing::debug!(%error, "the next command will wait for it too");
            }
        }
    }

    /// Sends everything that may be sent now, to all targets side by side.
    pub async fn pass(&self) -> Result<Passed, StoreError> {
        let rounds = self.targets.iter().map(|target| self.round(target));
        let mut passed = Passed::default();
        for round in futures::future::join_all(rounds).await {
            let round = round?;
            passed.delivered += round.delivered;
            passed.parked += round.parked;
            passed.failed += round.failed;
            passed.busy += round.busy;
        }
        Ok(passed)
    }

    /// Lets other processes send.
    pub async fn release(&self) {
        for target in &self.targets {
            if let Err(error) = self.store.release(target.name(), self.me).await {
                tracing::debug!(%error, "others have to wait until the lease is over");
            }
        }
    }

    async fn round(&self, target: &Target) -> Result<Passed, StoreError> {
        let name = target.name();
        let now = self.clock.now();
        // Looking costs a read; the right to send is taken only for what can be sent.
        let (_, held_until) = self.store.held(name).await?;
        let due = self.store.next_due(name).await?;
        if held_until.is_some_and(|until| until > now) || due.is_none_or(|due| due > now) {
            return Ok(Passed::default());
        }
        if !self.lease(name).await? {
            return Ok(Passed { busy: 1, ..Passed::default() });
        }
        let round = Round {
            target,
            delivered: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failed_in_a_row: AtomicU32::new(0),
            over: AtomicBool::new(false),
        };
        tokio::select! {
            sent = self.send_all(&round) => sent?,
            lost = self.keep_lease(name) => lost?,
        }
        self.store.release(name, self.me).await?;
        Ok(Passed {
            delivered: round.delivered.into_inner(),
            parked: round.parked.into_inner(),
            failed: round.failed.into_inner(),
            busy: 0,
        })
    }

    async fn lease(&self, target: &str) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.store.lease(target, self.me, now, now + LEASE).await
    }

    /// Ends when the right to send was lost, for a process that was suspended.
    async fn keep_lease(&self, target: &str) -> Result<(), StoreError> {
        let mut ticks = interval(RENEWAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !self.lease(target).await? {
                tracing::warn!(target, "another process sends now");
                return Ok(());
            }
        }
    }

    async fn send_all(&self, round: &Round<'_>) -> Result<(), StoreError> {
        let name = round.target.name();
        while !round.over.load(Ordering::Relaxed) && !*self.ending.borrow() {
            let page = self.store.deliverable(name, self.clock.now(), PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut of_subject: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
            let mut order = vec![];
            for delivery in page {
                let subject = delivery.subject.clone();
                let rows = of_subject.entry(subject.clone()).or_default();
                if rows.is_empty() {
                    order.push(subject);
                }
                rows.push(delivery);
            }
            let groups = order.iter().filter_map(|subject| of_subject.remove(subject));
            // One at a time is in the order of arrival, across jobs too.
            let groups: Vec<Vec<Delivery>> = match round.target.at_once() {
                1 => {
                    let mut all: Vec<Delivery> = groups.flatten().collect();
                    all.sort_by_key(|delivery| delivery.sequence);
                    vec![all]
                }
                _ => groups.collect(),
            };
            let mut sent = stream::iter(groups.into_iter().map(|group| self.send(round, group)))
                .buffer_unordered(round.target.at_once());
            while let Some(outcome) = sent.next().await {
                outcome?;
            }
        }
        Ok(())
    }

    /// Sends rows in order; those behind one that has to wait wait too.
    async fn send(&self, round: &Round<'_>, group: Vec<Delivery>) -> Result<(), StoreError> {
        let mut waits: Vec<String> = vec![];
        for delivery in group {
            if round.over.load(Ordering::Relaxed) || *self.ending.borrow() {
                return Ok(());
            }
            if waits.contains(&delivery.subject) {
                continue;
            }
            self.tried.store(true, Ordering::Relaxed);
            let mut span = Span::begin("deliver", Kind::Client, said(&delivery.body).as_ref());
            if span.recording() {
                span.set("assay.target", delivery.target.clone());
                span.set("assay.event.id", delivery.event.to_string());
            }
            let work = round.target.deliver(&delivery, &self.store);
            let answer = within(span.context().cloned(), work).await;
            if let Err(refusal) = &answer {
                span.fail(refusal.name());
            }
            drop(span);
            match answer {
                Ok(()) => {
                    self.store.delivered(&delivery, self.clock.now()).await?;
                    round.delivered.fetch_add(1, Ordering::Relaxed);
                    round.failed_in_a_row.store(0, Ordering::Relaxed);
                }
                Err(refusal) => {
                    if self.failing(round, &delivery, refusal).await? {
                        waits.push(delivery.subject);
                    }
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").field("targets", &self.targets).finish_non_exhaustive()
    }
}

/// A point of time that is `wait` from `now`.
fn after(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(wait).unwrap_or(TimeDelta::days(1))
}
