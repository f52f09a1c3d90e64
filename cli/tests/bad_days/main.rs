//! Bad days of the real binary on real files: killed, suspended, doubled. Whatever happens, it
//! ends like a day on which nothing did.
//!
//! When something happens is drawn by chance from fixed seeds, so each test sees other moments
//! on another machine; what was done stands in the output of a test that fails.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod books;
mod chance;
mod following;
mod office;
mod state;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use self::books::{Books, a_minute_later, void_letters};
use self::chance::{Chance, Course, Moment, course_of};
use self::office::{End, Office};
use self::state::{State, letters};

#[test]
fn killed_fifty_times_at_random_moments_it_ends_like_an_undisturbed_day() {
    let (mut days, mut chance) = (Days::new(), Chance::seeded(0xdead));
    let mut kills = 0;
    while kills < 50 {
        let course = days.begin();
        loop {
            let moment = chance.moment(&days.bad, course);
            let end = days.bad.start_run().killed_at(&moment);
            if end.complete() {
                break;
            }
            assert_eq!(end, End::Killed, "nobody else is there to be fenced off by");
            letters(&days.bad);
            kills += 1;
        }
        let told = days.offices().map(|office| Books::of(office).reports.len());
        let [quiet, bad] = told.collect::<Vec<_>>()[..] else { unreachable!("two days") };
        assert_eq!(bad, quiet, "what was committed is told by the next run, not by some later one");
    }
    days.must_have_ended_alike();
}

#[test]
fn an_ingest_that_was_killed_and_done_again_takes_every_line_once() {
    let (days, mut chance) = (Days::new(), Chance::seeded(0xf11e));
    for number in 0..3 {
        // Several steps of a thousand lines, and several messages.
        let file = days.events(number, 4000);
        let course = course_of(days.quiet.start_ingest(&file), &days.quiet);
        let taken = Books::of(&days.bad).complete("ingest");
        // One that was killed behind its end is done, too: once more would count its lines again.
        let done = |office: &Office| Books::of(office).complete("ingest") > taken;
        for _ in 0..8 {
            let moment = chance.moment(&days.bad, course);
            if days.bad.start_ingest(&file).killed_at(&moment).complete() || done(&days.bad) {
                break;
            }
        }
        if !done(&days.bad) {
            days.bad.start_ingest(&file).fine();
        }
        if number == 1 {
            days.offices().for_each(|office| office.start_run().fine());
        }
    }
    days.offices().for_each(|office| office.start_run().fine());
    a_minute_later(&days.bad);
    Books::of(&days.bad).must_agree();
    let found = State::of(&days.bad).however_cut();
    found.must_be(&State::of(&days.quiet).however_cut());
}

#[test]
fn two_workers_that_are_killed_now_and_then_do_the_work_of_one() {
    let mut days = Days::new();
    for round in 0..6 {
        let course = days.begin().twice();
        let office = &days.bad;
        thread::scope(|scope| {
            for worker in 0..2 {
                let chance = Chance::seeded(0x2_0000 + 2 * round + worker);
                scope.spawn(move || work_until_all_is_done(office, course, chance));
            }
        });
    }
    days.must_have_ended_alike();
}

#[test]
fn two_workers_and_an_ingest_all_killed_now_and_then_lose_and_double_nothing() {
    let mut days = Days::new();
    let course = days.begin().twice();
    let files: Vec<PathBuf> = (100..106).map(|number| days.events(number, 300)).collect();
    let office = &days.bad;
    thread::scope(|scope| {
        for worker in 0..2 {
            let mut chance = Chance::seeded(0x3_0000 + worker);
            scope.spawn(move || {
                for _ in 0..3 {
                    work_until_all_is_done(office, course, Chance::seeded(chance.below(u64::MAX)));
                }
            });
        }
        scope.spawn(|| {
            let mut chance = Chance::seeded(0x3_1000);
            for file in &files {
                let taken = Books::of(office).complete("ingest");
                let course = Course { took: course.took / 4, changes: 6 };
                let moment = chance.moment(office, course);
                office.start_ingest(file).killed_at(&moment).complete();
                if Books::of(office).complete("ingest") == taken {
                    office.start_ingest(file).fine();
                }
            }
        });
    });
    office.start_run().fine();
    a_minute_later(office);
    Books::of(office).must_agree();
    for file in &files {
        days.quiet.start_ingest(file).fine();
    }
    days.quiet.start_run().fine();
    State::of(office).however_cut().must_be(&State::of(&days.quiet).however_cut());
}

#[test]
fn a_worker_that_slept_while_another_did_its_work_adds_nothing_when_it_wakes() {
    let (mut days, mut chance) = (Days::new(), Chance::seeded(0x50_1111));
    let (mut fenced, mut void) = (Vec::new(), 0);
    for round in 0..16 {
        let course = days.begin();
        let moment = match round % 3 {
            // The first stage is the one that only its position protects.
            0 => Moment::After(course.took / 8 + chance.time(course.took / 4)),
            1 => chance.moment_of_letters(&days.bad),
            _ => chance.moment(&days.bad, course),
        };
        let mut sleeper = days.bad.start_run();
        let asleep = moment.comes(&mut sleeper);
        if asleep {
            // Nobody looks now: it may sleep on the lock of a database.
            sleeper.suspend();
        }
        let mut other = days.bad.start_run();
        // One that sleeps on the lock of a database has to be woken before anybody gets on.
        if !other.over_within(Duration::from_secs(10)) && asleep {
            sleeper.resume();
        }
        let other = other.end();
        if asleep {
            sleeper.resume();
        }
        let woken = sleeper.end();
        println!("round {round}, suspended {moment:?}: {woken:?}; meanwhile {other:?}");
        if !(other.complete() | woken.complete()) {
            days.bad.start_run().fine();
        }
        must_say_that_another_was_faster(&woken);
        if let End::Code(4, words) = woken {
            fenced.push(words);
        }
        void = void_letters(&days.bad);
    }
    println!("{void} letters of those that woke too late are void");
    assert!(!fenced.is_empty(), "nobody woke too late, which shows nothing");
    days.must_have_ended_alike();
}

#[test]
fn of_two_equal_runs_at_a_time_one_does_the_work_and_the_other_harms_nothing() {
    let mut chance = Chance::seeded(0x7777);
    let mut fenced = 0;
    for _ in 0..4 {
        // Also on a folder that has no tables yet, which both want to make.
        let mut days = Days::new();
        for _ in 0..4 {
            let course = days.begin();
            let first = days.bad.start_run();
            thread::sleep(chance.time(course.took / 8));
            let ends = [days.bad.start_run().end(), first.end()];
            println!("{ends:?}");
            assert!(ends.iter().any(End::complete), "nobody did the work: {ends:?}");
            ends.iter().for_each(must_say_that_another_was_faster);
            fenced += ends.iter().filter(|end| !end.complete()).count();
        }
        days.must_have_ended_alike();
    }
    assert!(fenced > 0, "no two runs ever met: the test shows nothing");
}

#[test]
fn two_hosts_with_a_store_each_over_one_lake_do_the_work_of_one() {
    let mut days = Days::new();
    let mut second: Option<Office> = None;
    for round in 0..4 {
        let course = days.begin().twice();
        // The lake is there when a second host comes.
        if round == 0 {
            days.bad.start_run().fine();
        }
        let other = days.folder.path().join("second");
        let hosts = [&days.bad, &*second.get_or_insert_with(|| days.bad.second_host(other))];
        thread::scope(|scope| {
            for (host, office) in hosts.into_iter().enumerate() {
                let chance = Chance::seeded(0x8_0000 + 2 * round + host as u64);
                scope.spawn(move || work_until_all_is_done(office, course, chance));
            }
        });
    }
    let second = second.unwrap();
    a_minute_later(&second);
    Books::of(&second).must_agree();
    days.must_have_ended_alike();
    // What was committed is known to both, whoever committed it.
    let lasting = ["rows", "letters", "reports"];
    State::of(&second).only(&lasting).must_be(&State::of(&days.quiet).only(&lasting));
}

/// One that did not do the work ends with 4, and says why and what to do.
fn must_say_that_another_was_faster(end: &End) {
    if let End::Code(4, said) = end {
        let why = ["another worker moved its position", "changed by another writer"];
        assert!(why.iter().any(|why| said.contains(why)), "{said}");
        assert!(said.contains("run the stage again"), "{said}");
    }
}

/// Works until a run comes to its end with nothing left to do, and is killed now and then.
fn work_until_all_is_done(office: &Office, course: Course, mut chance: Chance) {
    loop {
        let moment = chance.moment(office, course);
        let end = match chance.one_in(3) {
            true => office.start_run().end(),
            false => office.start_run().killed_at(&moment),
        };
        if end.complete() {
            return;
        }
    }
}

/// A quiet day and a bad one, with the same input.
struct Days {
    folder: TempDir,
    quiet: Office,
    bad: Office,
    files: u64,
}

impl Days {
    fn new() -> Days {
        let folder = TempDir::new().unwrap();
        let [quiet, bad] = ["quiet", "bad"].map(|name| Office::at(folder.path().join(name)));
        Days { folder, quiet, bad, files: 0 }
    }

    fn offices(&self) -> impl Iterator<Item = &Office> {
        [&self.quiet, &self.bad].into_iter()
    }

    /// A file of events with a defect of every kind.
    fn events(&self, seed: u64, count: u64) -> PathBuf {
        let file = self.folder.path().join(format!("events-{seed}.jsonl"));
        let (count, seed) = (count.to_string(), seed.to_string());
        let wanted = ["--count", &count, "--seed", &seed, "--out", file.to_str().unwrap()];
        let day = ["--defects", "5%", "--until", "2026-02-12T00:00:00Z"];
        self.quiet.assay(&[&["generate", "github-events"], &wanted[..], &day].concat());
        file
    }

    /// New events for both, which the quiet day works off.
    fn begin(&mut self) -> Course {
        let file = self.events(self.files, 300);
        self.files += 1;
        self.offices().for_each(|office| office.start_ingest(&file).fine());
        course_of(self.quiet.start_run(), &self.quiet)
    }

    fn must_have_ended_alike(&self) {
        a_minute_later(&self.bad);
        Books::of(&self.bad).must_agree();
        State::of(&self.bad).must_be(&State::of(&self.quiet));
    }
}
