//! The real binary on a data folder, and processes of it that can be disturbed.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::chance::Moment;

pub(crate) const PIPELINE: &str = "github_events";

/// A process that is not over by then hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A data folder and the command that works on it.
pub(crate) struct Office {
    data: PathBuf,
}

/// A process at work.
pub(crate) struct Worker {
    child: Child,
    doing: String,
    told: PathBuf,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    /// By itself, with this code and what it said.
    Code(i32, String),
}

impl Office {
    pub(crate) fn at(data: PathBuf) -> Office {
        Office { data }
    }

    /// A second host: a store of its own over the log and the lake of this one.
    pub(crate) fn second_host(&self, data: PathBuf) -> Office {
        std::fs::create_dir(&data).unwrap();
        for shared in ["log.db", "lake"] {
            std::os::unix::fs::symlink(self.data.join(shared), data.join(shared)).unwrap();
        }
        Office { data }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The files in which every effect of a run shows.
    pub(crate) fn databases(&self) -> Vec<PathBuf> {
        let bases = ["log.db", "store.db", "lake/catalog.db"];
        let files = bases.iter().flat_map(|base| [self.data.join(base), self.write_ahead(base)]);
        files.collect()
    }

    pub(crate) fn write_ahead(&self, base: &str) -> PathBuf {
        self.data.join(format!("{base}-wal"))
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Worker {
        let (stderr, told) = tempfile::NamedTempFile::new().unwrap().keep().unwrap();
        let child = self.command(arguments).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Worker { child, doing: arguments.join(" "), told }
    }

    pub(crate) fn start_run(&self) -> Worker {
        self.start(&["run", "all", "--pipeline", PIPELINE, "--governed"])
    }

    pub(crate) fn start_ingest(&self, file: &Path) -> Worker {
        self.start(&["ingest", PIPELINE, "--file", file.to_str().unwrap()])
    }

    /// What a command prints, which must succeed.
    pub(crate) fn assay(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "assay {arguments:?}: {}\n{told}", done.status);
        String::from_utf8(done.stdout).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .arg("--data-dir")
            .arg(&self.data)
            .args(arguments)
            // No settings of the user's.
            .current_dir(self.data.parent().unwrap())
            .env_remove("ASSAY_CONFIG")
            .stdin(Stdio::null());
        command
    }
}

impl Worker {
    /// Whether it has ended.
    pub(crate) fn over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it with -9 at that moment, unless it ends before.
    pub(crate) fn killed_at(mut self, moment: &Moment) -> End {
        if moment.comes(&mut self) {
            self.child.kill().unwrap();
        }
        let end = self.end();
        println!("{moment:?}: {end:?}");
        end
    }

    /// Ends it with -9 now.
    pub(crate) fn killed(mut self) -> End {
        self.child.kill().unwrap();
        self.end()
    }

    /// Tells it to end, as schedulers do.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Stops it where it stands, as a host does that is out of memory or moved elsewhere.
    pub(crate) fn suspend(&self) {
        self.signal("STOP");
    }

    /// Lets it go on as if no time had passed.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Waits for its end, at most that long.
    pub(crate) fn over_within(&mut self, time: Duration) -> bool {
        let start = Instant::now();
        while !self.over() {
            if start.elapsed() > time {
                return false;
            }
            sleep(Duration::from_millis(2));
        }
        true
    }

    /// How it ends.
    pub(crate) fn end(mut self) -> End {
        if !self.over_within(PATIENCE) {
            self.child.kill().unwrap();
            panic!("`{}` hangs", self.doing);
        }
        let status: ExitStatus = self.child.wait().unwrap();
        let mut said = String::new();
        File::open(&self.told).unwrap().read_to_string(&mut said).unwrap();
        match status.code() {
            Some(code) => End::Code(code, said),
            None => {
                assert_eq!(status.signal(), Some(9), "`{}` ended by itself: {said}", self.doing);
                End::Killed
            }
        }
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn fine(self) {
        let doing = self.doing.clone();
        let end = self.end();
        assert!(matches!(end, End::Code(0, _)), "`{doing}`: {end:?}");
    }

    /// By the shell, since a signal other than KILL is beyond the standard library.
    fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.child.id());
        let done = Command::new("sh").args(["-c", &order]).status().unwrap();
        assert!(done.success(), "{order}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Neither a process that a failing test leaves behind, nor its words, may stay.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.told);
    }
}

impl End {
    /// Whether it did all there was to do; if not, it was killed or another process was faster.
    pub(crate) fn complete(&self) -> bool {
        match self {
            End::Code(0, _) => true,
            End::Killed | End::Code(4, _) => false,
            End::Code(code, said) => panic!("a run ended with {code}: {said}"),
        }
    }
}
