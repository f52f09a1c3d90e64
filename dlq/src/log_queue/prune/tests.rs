use std::sync::{Arc, Mutex};

use assay_core::Clock;
use assay_log::EmbeddedLog;
use chrono::TimeDelta;
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::letter::example;
use crate::{DeadLetter, DeadLetterQueue, Filter, Letters, Reason};

/// A clock that moves only when it is told to.
struct Hand(Mutex<DateTime<Utc>>);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

struct Desk {
    directory: TempDir,
    clock: Arc<Hand>,
    queue: LogQueue,
}

const SCHEMA: &str = "dlq_schema_validation_errors";
const PROCESSING: &str = "dlq_processing_errors";

fn day(day: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day)
}

fn draft(id: u128) -> DraftId {
    DraftId(Uuid::from_u128(id))
}

impl Desk {
    async fn open() -> Desk {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hand(Mutex::new(day(0))));
        let file = directory.path().join("log.db");
        let log = EmbeddedLog::open(&file, Arc::clone(&clock) as _).await.unwrap();
        let queue = LogQueue::new(Arc::new(log));
        Desk { directory, clock, queue }
    }

    fn go_to(&self, when: i64) {
        *self.clock.0.lock().unwrap() = day(when);
    }

    async fn put(&self, names: &[&str], reason: Reason, of: Option<DraftId>) {
        let mut bag = Letters::new(self.directory.path());
        for name in names {
            let letter = DeadLetter { reason, failed_at: self.clock.now(), ..example(name, "{}") };
            bag.push(letter).unwrap();
        }
        self.queue.put(&mut bag, of).await.unwrap();
    }

    async fn commit(&self, of: DraftId, topics: &[&str]) {
        self.queue.mark_committed(of, topics).await.unwrap();
    }

    /// Closes all that is open, for a draft.
    async fn close(&self, by: DraftId) {
        let mut none = Letters::new(self.directory.path());
        let stage = example("any", "").stage;
        let by = (by, self.clock.now());
        self.queue.close(&stage, &|_| true, &mut none, by).await.unwrap();
    }

    /// The letters that are open, by the name of their row.
    async fn names(&self) -> Vec<String> {
        let all = Filter { limit: usize::MAX, ..Filter::default() };
        let listed = self.queue.list(&all).await.unwrap();
        let mut names: Vec<_> = listed.into_iter().map(|letter| letter.origin.unwrap().0).collect();
        names.sort();
        names
    }
}

/// Letters are kept from `since` on, void ones from `void_since` on, and all commits before
/// `settled` are told.
fn keep(since: i64, void_since: i64, settled: i64) -> KeptLetters {
    let dataset = example("any", "").dataset;
    let settled = BTreeMap::from([(dataset, day(settled))]);
    let (since, void_since) = (day(since), day(void_since));
    let (bytes, weighed_before) = (None, day(1000));
    KeptLetters { since, closed_since: since, void_since, settled, bytes, weighed_before }
}

fn everything() -> Filter {
    let limit = usize::MAX;
    Filter { include_void: true, include_closed: true, limit, ..Filter::default() }
}

fn of<'a>(all: &'a [DueLetters], topic: &str) -> &'a DueLetters {
    all.iter().find(|due| due.topic == topic).unwrap()
}

#[tokio::test]
async fn old_letters_go_and_younger_ones_hold_back_what_is_behind_them() {
    let desk = Desk::open().await;
    let many: Vec<String> = (0..30).map(|n| format!("old {n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    desk.put(&many, Reason::RuleBroken, None).await;
    desk.go_to(5);
    desk.put(&["young"], Reason::RuleBroken, None).await;

    assert_eq!(of(&desk.queue.due(&keep(0, 0, 0)).await.unwrap(), PROCESSING).letters, 0);
    let due = desk.queue.due(&keep(3, 3, 0)).await.unwrap();
    let due = of(&due, PROCESSING);
    assert_eq!((due.letters, due.kept, due.oldest), (30, 0, Some(day(0))));
    assert!(due.bytes > 3000, "{due:?}");
    assert_eq!(desk.names().await.len(), 31, "looking deletes nothing");

    desk.queue.prune(&keep(3, 3, 0)).await.unwrap();
    assert_eq!(desk.names().await, ["young"]);
    assert_eq!(of(&desk.queue.due(&keep(3, 3, 0)).await.unwrap(), PROCESSING).letters, 0);
}

#[tokio::test]
async fn a_void_letter_goes_when_its_draft_can_t_be_committed_any_more() {
    let desk = Desk::open().await;
    desk.put(&["void"], Reason::RuleBroken, Some(draft(1))).await;
    // No later commit of the dataset was told: the draft's own may be the next one.
    let unsettled = desk.queue.prune(&keep(-9, 5, 0)).await.unwrap();
    assert_eq!((of(&unsettled, PROCESSING).void, of(&unsettled, PROCESSING).kept), (0, 0));
    let mut unknown = keep(-9, 5, 9);
    unknown.settled.clear();
    assert_eq!(of(&desk.queue.prune(&unknown).await.unwrap(), PROCESSING).void, 0);

    assert_eq!(of(&desk.queue.prune(&keep(-9, 5, 9)).await.unwrap(), PROCESSING).void, 1);
    assert_eq!(desk.queue.list(&everything()).await.unwrap(), []);
}

#[tokio::test]
async fn a_marker_stays_until_the_last_letter_of_its_draft_goes() {
    let desk = Desk::open().await;
    // The only marker is in a topic of which everything else is old.
    desk.put(&["old"], Reason::Schema, None).await;
    desk.commit(draft(1), &[SCHEMA]).await;
    desk.go_to(1);
    desk.put(&["behind"], Reason::Schema, None).await;
    desk.go_to(5);
    desk.put(&["young"], Reason::RuleBroken, Some(draft(1))).await;

    desk.queue.prune(&keep(3, 3, 9)).await.unwrap();
    let names = desk.names().await;
    assert!(names.contains(&"young".to_owned()), "{names:?}");

    desk.go_to(50);
    desk.queue.prune(&keep(40, 40, 9)).await.unwrap();
    assert_eq!(desk.names().await, [""; 0]);
    let topics = desk.queue.log.topics().await.unwrap();
    assert_eq!(topics.iter().filter_map(|topic| topic.records).sum::<u64>(), 0, "{topics:?}");
}

#[tokio::test]
async fn a_closed_letter_goes_before_an_open_one_and_stays_closed_as_long_as_it_is_there() {
    let desk = Desk::open().await;
    desk.put(&["closed"], Reason::RuleBroken, None).await;
    desk.close(draft(1)).await;
    desk.commit(draft(1), &[PROCESSING]).await;
    desk.go_to(5);
    desk.put(&["open"], Reason::RuleBroken, None).await;
    let keep = |closed_since| KeptLetters { closed_since: day(closed_since), ..keep(-9, 3, 0) };

    // The closing and the marker are old, but what they are needed for stays.
    desk.queue.prune(&keep(-9)).await.unwrap();
    assert_eq!(desk.names().await, ["open"]);
    assert_eq!(desk.queue.list(&everything()).await.unwrap().len(), 2);

    let pruned = desk.queue.prune(&keep(3)).await.unwrap();
    assert_eq!((of(&pruned, PROCESSING).closed, of(&pruned, PROCESSING).letters), (1, 0));
    assert_eq!(desk.names().await, ["open"]);
    assert_eq!(desk.queue.list(&everything()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_a_topic_that_weighs_too_much_the_oldest_letters_go_though_they_are_young() {
    let desk = Desk::open().await;
    for when in 0..40 {
        desk.go_to(when);
        desk.put(&[&format!("{when:02}")], Reason::RuleBroken, Some(draft(1))).await;
    }
    desk.commit(draft(1), &[PROCESSING]).await;
    let whole = of(&desk.queue.due(&keep(100, 100, 0)).await.unwrap(), PROCESSING).bytes;
    let most = |bytes| KeptLetters { bytes: Some(bytes), ..keep(-9, -9, 0) };
    assert_eq!(of(&desk.queue.due(&most(whole * 2)).await.unwrap(), PROCESSING).letters, 0);

    let pruned = desk.queue.prune(&most(whole / 2)).await.unwrap();
    let gone = of(&pruned, PROCESSING).letters;
    assert!((15..=30).contains(&gone), "{pruned:?}");
    // The newest of each partition are left, and valid: their marker is.
    let left = desk.names().await;
    assert_eq!(left.len() as u64, 40 - gone);
    assert!(left.contains(&"39".to_owned()) && !left.contains(&"00".to_owned()), "{left:?}");
    let weight = of(&desk.queue.due(&keep(100, 100, 0)).await.unwrap(), PROCESSING).bytes;
    assert!(weight <= whole / 2, "{weight} of {whole}");
    assert_eq!(of(&desk.queue.prune(&most(whole / 2)).await.unwrap(), PROCESSING).letters, 0);
}

#[tokio::test]
async fn what_weighs_too_much_and_may_still_become_valid_stays() {
    let desk = Desk::open().await;
    desk.put(&["at work"], Reason::RuleBroken, Some(draft(1))).await;
    desk.go_to(1);
    desk.put(&["young"], Reason::Schema, None).await;
    let nothing = KeptLetters { bytes: Some(0), weighed_before: day(1), ..keep(-9, -9, 0) };
    let pruned = desk.queue.prune(&nothing).await.unwrap();
    assert!(pruned.iter().all(|due| due.letters + due.void == 0), "{pruned:?}");
    desk.commit(draft(1), &[PROCESSING]).await;
    assert_eq!(desk.names().await, ["at work", "young"]);
    let all = KeptLetters { weighed_before: day(2), ..nothing };
    desk.queue.prune(&all).await.unwrap();
    assert_eq!(desk.names().await, [""; 0]);
}

/// What happens on a day: letters of a draft, of ingest, or a marker.
#[derive(Debug, Clone)]
enum Happening {
    Letters(u128, Reason, u8),
    Ingest(u8),
    Commit(u128, bool),
    /// A draft closes all that is open.
    Close(u128),
}

fn happening() -> impl Strategy<Value = Happening> {
    let reason = prop::sample::select(vec![Reason::RuleBroken, Reason::Schema]);
    prop_oneof![
        (1..6_u128, reason, 1..4_u8).prop_map(|(of, reason, n)| Happening::Letters(of, reason, n)),
        (1..4_u8).prop_map(Happening::Ingest),
        (1..6_u128, any::<bool>()).prop_map(|(of, both)| Happening::Commit(of, both)),
        (1..6_u128).prop_map(Happening::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is pruned when: a letter that is open and young enough is listed before and after,
    /// unless it is too much; what is not deleted stays as it was, and what was closed does not open again.
    #[test]
    fn no_letter_that_has_to_stay_goes_or_becomes_void(
        days in prop::collection::vec(happening(), 1..25),
        since in 0..25_i64,
        void_since in 0..25_i64,
        bytes in prop::option::of(0..20_000_u64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = Desk::open().await;
            let mut young = vec![];
            let mut all = 0;
            for (day, happening) in days.iter().enumerate() {
                let day = i64::try_from(day).unwrap();
                desk.go_to(day);
                let names = |n: u8| (0..n).map(|n| format!("{day:02}-{n}")).collect::<Vec<_>>();
                let (names, reason, of) = match happening {
                    Happening::Letters(of, reason, n) => (names(*n), *reason, Some(draft(*of))),
                    Happening::Ingest(n) => (names(*n), Reason::Schema, None),
                    Happening::Commit(of, both) => {
                        let topics: &[&str] = if *both { &[SCHEMA, PROCESSING] } else { &[SCHEMA] };
                        desk.commit(draft(*of), topics).await;
                        continue;
                    }
                    Happening::Close(of) => {
                        desk.close(draft(*of)).await;
                        continue;
                    }
                };
                let texts: Vec<&str> = names.iter().map(String::as_str).collect();
                desk.put(&texts, reason, of).await;
                all += names.len();
                if day >= since {
                    young.extend(names);
                }
            }
            let before = desk.names().await;
            let keep = KeptLetters { bytes, ..keep(since, void_since, 100) };
            let pruned = desk.queue.prune(&keep).await.unwrap();
            let after = desk.names().await;
            // What is too much may go, but is counted.
            let stays = |name: &&String| bytes.is_none() && before.contains(name);
            for name in young.iter().filter(stays) {
                prop_assert!(after.contains(name), "{} went", name);
            }
            prop_assert!(after.iter().all(|name| before.contains(name)), "{:?} opened", after);
            let deleted: u64 = pruned.iter().map(|due| due.letters).sum();
            prop_assert_eq!(before.len() as u64, after.len() as u64 + deleted);
            let others: u64 = pruned.iter().map(|due| due.void + due.closed).sum();
            let left = desk.queue.list(&everything()).await.unwrap().len();
            prop_assert_eq!(all as u64, left as u64 + deleted + others);
            Ok(())
        })?;
    }
}
