//! Chance that comes out the same for the same seed, and the moments that are drawn by it.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, fs};

use crate::office::{Office, Worker};

/// Numbers that are as good as random.
pub(crate) struct Chance(u64);

/// When a process is disturbed.
pub(crate) enum Moment {
    /// So long after its start.
    After(Duration),
    /// A little after the files were seen to change for that many times: most of a process's
    /// time nothing can be broken, so most moments are drawn from where something can.
    Change { files: Vec<PathBuf>, number: u64, then: Duration },
}

/// How long a process takes that nobody disturbs, and how often it changes files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    pub(crate) took: Duration,
    pub(crate) changes: u64,
}

impl Course {
    /// That of one of two processes at once.
    pub(crate) fn twice(self) -> Course {
        Course { took: self.took * 2, changes: self.changes * 2 }
    }
}

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next number below `end` (SplitMix64).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn time(&mut self, below: Duration) -> Duration {
        Duration::from_micros(self.below(below.as_micros().try_into().unwrap()))
    }

    /// A moment in the course of a process that works on `office`.
    pub(crate) fn moment(&mut self, office: &Office, course: Course) -> Moment {
        if self.one_in(4) {
            return Moment::After(self.time(course.took));
        }
        let number = 1 + self.below(course.changes);
        Moment::Change { files: office.databases(), number, then: self.time(MOMENT) }
    }

    /// A moment right after dead letters were put, or marked as committed, by a run.
    pub(crate) fn moment_of_letters(&mut self, office: &Office) -> Moment {
        let number = 1 + self.below(4);
        Moment::Change {
            files: vec![office.write_ahead("log.db")],
            number,
            then: self.time(MOMENT),
        }
    }
}

/// From a change to the disturbance, at most.
const MOMENT: Duration = Duration::from_millis(3);

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::After(time) => write!(f, "after {time:.1?}"),
            Moment::Change { files, number, then } => {
                write!(f, "{then:.1?} after change {number} of {} files", files.len())
            }
        }
    }
}

impl Moment {
    /// Waits until it has come; false when the process has ended before.
    pub(crate) fn comes(&self, worker: &mut Worker) -> bool {
        let start = Instant::now();
        match self {
            Moment::After(time) => loop {
                if worker.over() {
                    return false;
                }
                match time.checked_sub(start.elapsed()) {
                    None => return true,
                    Some(left) => sleep(left.min(Duration::from_millis(2))),
                }
            },
            Moment::Change { files, number, then } => {
                let mut changes = Changes::of(files);
                while changes.seen < *number {
                    if worker.over() {
                        return false;
                    }
                    changes.look();
                    sleep(LOOK);
                }
                sleep(*then);
                true
            }
        }
    }
}

/// Lets a process that nobody disturbs come to its end, and watches its course.
pub(crate) fn course_of(mut worker: Worker, office: &Office) -> Course {
    let (start, files) = (Instant::now(), office.databases());
    let mut changes = Changes::of(&files);
    while !worker.over() {
        changes.look();
        sleep(LOOK);
    }
    let took = start.elapsed();
    worker.fine();
    Course { took, changes: changes.seen }
}

const LOOK: Duration = Duration::from_micros(300);

/// Counts how often files were seen to change.
struct Changes<'a> {
    files: &'a [PathBuf],
    last: Vec<Option<(u64, SystemTime)>>,
    seen: u64,
}

impl Changes<'_> {
    fn of(files: &[PathBuf]) -> Changes<'_> {
        Changes { files, last: stamps(files), seen: 0 }
    }

    fn look(&mut self) {
        let now = stamps(self.files);
        self.seen += u64::from(now != self.last);
        self.last = now;
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<(u64, SystemTime)>> {
    let stamp = |file: &PathBuf| {
        let known = fs::metadata(file).ok()?;
        Some((known.len(), known.modified().ok()?))
    };
    files.iter().map(stamp).collect()
}
