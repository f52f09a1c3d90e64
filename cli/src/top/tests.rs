use assay_store::TargetHealth;
use chrono::{DateTime, TimeDelta, Utc};
use ratatui::termion::event::Key;

use super::look::{Dataset, Letters, Look, Reader, Stage, State};
use super::picture::Picture;
use super::screen::Screen;
use super::view::{Press, View};

fn now() -> DateTime<Utc> {
    "2026-02-12T15:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn stage(name: &str, state: State, rows: u64) -> Stage {
    Stage {
        name: name.to_owned(),
        state,
        run: uuid::Uuid::from_u128(1).to_string().parse().unwrap(),
        started_at: ago(300),
        ended_at: (state != State::Running).then(|| ago(288)),
        read: rows,
        written: rows,
        rejected: rows / 100,
        #[allow(clippy::cast_precision_loss, reason = "small")]
        rows_per_second: (state != State::Running).then_some(rows as f64 / 12.0),
        why: (state == State::Halted).then(|| "batch_breaker: 67 % of\nthe rows".to_owned()),
    }
}

fn dataset(name: &str, score: f64, verdict: &'static str) -> Dataset {
    Dataset { name: name.to_owned(), score: Some(score), verdict, judged_at: ago(288) }
}

fn target(name: &str, waiting: u64, parked: u64, held: bool) -> TargetHealth {
    TargetHealth {
        target: name.to_owned(),
        since: ago(90_000),
        waiting,
        parked,
        oldest: (waiting > 0).then(|| ago(7_200)),
        delivered: 10,
        failures: 3,
        last_success_at: None,
        held_until: held.then(|| ago(-60)),
        reason: None,
    }
}

/// A platform that works, and where something has to be done.
fn busy() -> Look {
    let of = |name: &str| format!("github_events/{name}");
    Look {
        at: now(),
        place: "/data/assay".to_owned(),
        stages: vec![
            stage(&of("ingest"), State::Complete, 2_970),
            stage(&of("land"), State::Running, 1_234_567),
            stage(&of("parse"), State::Halted, 940),
            stage(&of("enrich"), State::Paused, 2_940),
            stage("shop/a_stage_with_a_name_that_is_far_too_long", State::Complete, 7),
        ],
        datasets: vec![
            dataset("bronze.github_events", 100.0, "pass"),
            dataset("silver.github_events_parsed", 33.3, "halt"),
            dataset("silver.github_events", 99.16, "warn"),
            Dataset { score: None, ..dataset("gold.user_activity", 0.0, "not evaluated") },
        ],
        readers: vec![Reader {
            name: of("land"),
            topic: "raw_metrics_avro".to_owned(),
            messages: 12_345,
            seconds: Some(754.0),
        }],
        letters: vec![
            Letters {
                topic: "dlq_schema_validation_errors".to_owned(),
                reason: "rule-broken",
                letters: 25,
                oldest: ago(500_000),
            },
            Letters {
                topic: "dlq_failed_messages".to_owned(),
                reason: "undecodable",
                letters: 30,
                oldest: ago(40),
            },
        ],
        targets: vec![target("marquez", 0, 0, false), target("openmetadata", 42, 1, true)],
        jobs: vec![],
        away: None,
    }
}

fn seen(mut look: Look) -> View {
    look.sort();
    let mut view = View::default();
    view.take_in(Ok(look), now());
    view
}

fn drawn(view: &View, width: u16, height: u16) -> String {
    let lines = Picture(view).lines(width, height);
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    assert_eq!(lines.len(), usize::from(height));
    lines.join("\n")
}

#[test]
fn a_frame_says_what_has_to_be_looked_at_first() {
    insta::assert_snapshot!("busy_80x24", drawn(&seen(busy()), 80, 24));
    insta::assert_snapshot!("busy_120x40", drawn(&seen(busy()), 120, 40));
}

#[test]
fn while_the_log_is_away_the_frame_says_so_and_guesses_nothing() {
    let away = Some("it has not answered within 5 s".to_owned());
    let frame = drawn(&seen(Look { away, readers: vec![], ..busy() }), 80, 24);
    assert!(frame.contains("the log is away: it has not answered"), "{frame}");
    assert!(frame.contains(" · ? unread · 55 letters"), "{frame}");
}

#[test]
fn an_empty_platform_says_how_to_begin() {
    let look = Look { at: now(), place: "/data/assay".to_owned(), ..Look::default() };
    insta::assert_snapshot!("empty_80x24", drawn(&seen(look), 80, 24));
    assert!(drawn(&View::default(), 80, 24).starts_with("looking …"));
}

#[test]
fn fifty_stages_are_scrolled_and_what_is_in_trouble_stands_above() {
    let mut look = busy();
    let more = (0..45).map(|number| stage(&format!("p/s{number:02}"), State::Complete, number));
    look.stages.extend(more);
    let mut view = seen(look);
    insta::assert_snapshot!("fifty_80x24", drawn(&view, 80, 24));
    // Down to the last one and no further.
    (0..80).for_each(|_| _ = view.press(Key::Down));
    let below = drawn(&view, 80, 24);
    assert!(below.contains("shop/a_stage") && !below.contains("more"), "{below}");
    assert_eq!(view.press(Key::Char('q')), Press::Leave);
    assert_eq!(view.press(Key::Ctrl('c')), Press::Leave);
}

#[test]
fn no_size_and_no_text_breaks_a_frame() {
    let mut look = busy();
    look.stages[0].name = "\u{1b}[2J日本語/📈\n".repeat(30);
    look.targets[0].target = String::new();
    let view = seen(look);
    for (width, height) in [(0, 0), (1, 1), (39, 24), (40, 12), (80, 13), (300, 12), (41, 200)] {
        let text = drawn(&view, width, height);
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    // What is written at once has room for all.
    let height = Picture(&view).height(80);
    assert!(!drawn(&view, 80, height).contains("more"));
}

#[test]
fn what_can_t_be_seen_any_more_is_said_and_what_was_seen_stays() {
    let mut view = seen(busy());
    view.take_in(Err(anyhow::anyhow!("the log is away")), now() + TimeDelta::seconds(95));
    let text = drawn(&view, 80, 24);
    assert!(text.contains("no answer for 95s, as of 15:00:00Z"), "{text}");
    assert!(text.contains("not seen anew: the log is away"), "{text}");
    assert!(text.contains("github_events/land"), "{text}");
}

/// Runs in a terminal of its own, see below.
#[test]
#[ignore = "panics, for the test below"]
fn a_panic_on_the_screen() {
    let mut screen = Screen::open(false).unwrap();
    screen.draw(&seen(busy())).unwrap();
    panic!("this can be read");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let me = std::env::current_exe().unwrap();
    let test = "top::tests::a_panic_on_the_screen";
    let order = format!(
        "stty rows 24 cols 80; {} --exact {test} --ignored --nocapture; stty -a",
        me.display()
    );
    let ran = std::process::Command::new("script")
        .args(["-qec", &order, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output();
    let Ok(ran) = ran else {
        return println!("skipped: a panic on a terminal, because there is no `script`");
    };
    let said = String::from_utf8_lossy(&ran.stdout);
    let (drawn, after) = said.split_once("\u{1b}[?1049l").unwrap_or_else(|| panic!("{said}"));
    assert!(drawn.contains("\u{1b}[?1049h") && drawn.contains("parse"), "{said}");
    assert!(after.contains("this can be read"), "{said}");
    assert!(after.contains(" icanon") && !after.contains("-echo "), "{said}");
}
