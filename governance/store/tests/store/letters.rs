//! The index of letters and the jobs that send them back.

use assay_core::StageId;
use assay_store::{
    Action, AuditEntry, GivenUp, LetterBatch, LetterCause, LetterClosing, LetterFilter, LetterRow,
    LetterState, LetterWord, Replay, ReplayOptions, ReplayState, Store,
};
use serde_json::json;

use crate::sample::{at, id, store};

const TOPIC: &str = "dlq_failed_messages";

fn letter(number: u64, draft: &str) -> LetterRow {
    LetterRow {
        id: format!("letter_{number}"),
        attempt: 1,
        draft: draft.to_owned(),
        topic: TOPIC.to_owned(),
        part: 3,
        place: number,
        fingerprint: "f".to_owned(),
        run: None,
        detail: Some("amount is not a number".to_owned()),
        contract: None,
        origin: None,
        // Some know where they come from.
        source_topic: number.is_multiple_of(2).then(|| "events".to_owned()),
        source_part: Some(0),
        source_place: Some(100 - number),
        failed_at: at(i64::try_from(number).unwrap()),
        first_failed_at: at(0),
        rows_held: 2,
        payload_kind: None,
        payload_bytes: 10,
    }
}

fn cause() -> LetterCause {
    LetterCause {
        fingerprint: "f".to_owned(),
        topic: TOPIC.to_owned(),
        dialect: "assay".to_owned(),
        stage: Some("shop/parse".to_owned()),
        dataset: Some("silver.orders".to_owned()),
        reason: Some("rule".to_owned()),
        rules: vec!["b_rule".to_owned(), "A_rule".to_owned()],
        class: None,
        wrote: None,
        detail: None,
    }
}

fn batch(from: u64, letters: Vec<LetterRow>) -> LetterBatch {
    let next = letters.iter().map(|letter| letter.place + 1).max().unwrap_or(from);
    let (topic, causes) = (TOPIC.to_owned(), vec![cause()]);
    LetterBatch { topic, part: 3, from, next, letters, causes, ..LetterBatch::default() }
}

fn entry() -> AuditEntry {
    AuditEntry {
        at: at(50),
        who: "ann".to_owned(),
        action: Action::Replay,
        subject: "job".to_owned(),
        reason: "mended".to_owned(),
        details: json!({}),
    }
}

fn job(number: u64) -> Replay {
    Replay {
        id: id(number),
        stage: StageId { pipeline: "shop".to_owned(), stage: "parse".to_owned() },
        state: ReplayState::Waiting,
        dry: false,
        who: "ann".to_owned(),
        reason: "mended".to_owned(),
        wanted: LetterFilter::default(),
        options: ReplayOptions::default(),
        created_at: at(50),
        beat_at: None,
        ended_at: None,
        letters: 0,
        skipped: 0,
        message: None,
        handed: true,
        wish: None,
        result: None,
    }
}

async fn ids(store: &Store, filter: LetterFilter) -> Vec<String> {
    let found = store.letters(&filter, None, 100).await.unwrap();
    found.into_iter().map(|found| found.letter.id).collect()
}

#[tokio::test]
async fn letters_are_void_until_their_draft_is_committed_and_closed_when_another_says_so() {
    let (_home, store) = store().await;
    let letters = vec![letter(1, ""), letter(2, "d"), letter(2, "d"), letter(3, "")];
    assert!(store.take_letters(&batch(0, letters.clone())).await.unwrap());
    // Taken in once.
    assert!(!store.take_letters(&batch(0, letters)).await.unwrap());
    assert_eq!(store.letter_mark(TOPIC, 3).await.unwrap(), 4);
    assert_eq!((store.letter_topics().await.unwrap()).as_slice(), [TOPIC]);
    assert_eq!(store.letter_parts(TOPIC).await.unwrap(), [3]);
    assert_eq!(ids(&store, LetterFilter::default()).await, ["letter_3", "letter_1"]);
    let void = LetterFilter { ids: vec!["letter_2".to_owned()], void: true, ..Default::default() };
    assert_eq!(ids(&store, void).await, ["letter_2"]);

    let closing = LetterClosing {
        id: "letter_1".to_owned(),
        draft: String::new(),
        at: at(20),
        fate: "landed".to_owned(),
        job: None,
        sent_to: None,
        place: 5,
    };
    let committed = vec![("d".to_owned(), 4)];
    let told = LetterBatch { next: 6, closings: vec![closing], committed, ..batch(4, vec![]) };
    assert!(store.take_letters(&told).await.unwrap());
    assert_eq!(ids(&store, LetterFilter::default()).await, ["letter_3", "letter_2"]);
    let one = store.letters_of("letter_1").await.unwrap().pop().unwrap();
    assert_eq!((one.state, one.closed.unwrap().fate.as_str()), (LetterState::Closed, "landed"));
    // It fails anew, later.
    let again = LetterRow { attempt: 2, place: 6, failed_at: at(30), ..letter(1, "") };
    assert!(store.take_letters(&batch(6, vec![again])).await.unwrap());
    let states: Vec<_> =
        store.letters_of("letter_1").await.unwrap().iter().map(|one| one.state).collect();
    assert_eq!(states, [LetterState::Open, LetterState::Older]);
    let groups = store.letter_groups(&LetterFilter::default(), 10).await.unwrap();
    assert_eq!((groups[0].letters, groups[0].rows, groups[0].newest), (3, 6, at(30)));
    assert_eq!(store.forget_letters(TOPIC, 3, (2, 7)).await.unwrap(), 1);
}

#[tokio::test]
async fn what_letters_name_can_be_asked_for() {
    let (_home, store) = store().await;
    store.take_letters(&batch(0, vec![letter(1, "")])).await.unwrap();
    for (kind, known) in [
        (LetterWord::Stage, &["shop/parse"][..]),
        (LetterWord::Dataset, &["silver.orders"]),
        (LetterWord::Rule, &["A_rule", "b_rule"]),
        (LetterWord::Class, &[]),
        (LetterWord::Group, &["f"]),
    ] {
        assert_eq!(store.letter_words(kind, 10).await.unwrap(), known, "{kind:?}");
        for word in known {
            assert!(store.is_letter_word(kind, word).await.unwrap(), "{kind:?}");
        }
        assert!(!store.is_letter_word(kind, "nothing").await.unwrap(), "{kind:?}");
    }
    let by = |rule: &str| LetterFilter { rule: Some(rule.to_owned()), ..LetterFilter::default() };
    assert_eq!(ids(&store, by("A_rule")).await, ["letter_1"]);
    assert_eq!(store.letter_count(&by("other")).await.unwrap(), 0);
}

#[tokio::test]
async fn a_job_has_its_letters_in_the_order_of_their_sources_and_one_worker() {
    let (_home, store) = store().await;
    store.take_letters(&batch(0, (1..=4).map(|n| letter(n, "")).collect())).await.unwrap();
    let made = store.start_replay(&job(1), Some(3), Some(&entry())).await.unwrap();
    assert_eq!((made.letters, made.skipped), (3, 0));
    let numbered = store.replay_letters(made.id, 0, 10).await.unwrap();
    let order: Vec<&str> = numbered.iter().map(|letter| letter.id.as_str()).collect();
    // Those without a source first, as SQLite sorts.
    assert_eq!(order, ["letter_3", "letter_1", "letter_4"]);
    // What is in flight is no other job's.
    let second = store.start_replay(&job(2), None, Some(&entry())).await.unwrap();
    assert_eq!((second.letters, second.skipped), (1, 3));

    let (worker, other) = (id(70), id(71));
    assert!(store.claim_replay(made.id, worker, (at(60), at(0))).await.unwrap());
    assert!(!store.claim_replay(made.id, other, (at(61), at(0))).await.unwrap());
    assert!(store.beat_replay(made.id, worker, at(62)).await.unwrap());
    assert!(!store.beat_replay(made.id, other, at(62)).await.unwrap());
    let wished = store.wish_given_up(made.id, &entry()).await.unwrap();
    assert_eq!(wished, GivenUp::ByWorker);
    assert!(!store.beat_replay(made.id, worker, at(63)).await.unwrap());
    assert!(store.cancel_replay(made.id, &entry()).await.unwrap());
    let outcome = store.replay_outcome(made.id).await.unwrap();
    assert_eq!(outcome.into_iter().collect::<Vec<_>>(), [("waiting".to_owned(), 3)]);
    let listed = store.replays_before(None, (None, false), 10).await.unwrap();
    assert_eq!(listed.len(), 2);
}
