//! Progress: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use assay_core::Counts;
use assay_pipeline::{Stage, Watch};
use indicatif::{ProgressBar, ProgressStyle};

/// Rows between two plain lines.
const ROWS_PER_LINE: u64 = 100_000;

/// Shows how one run after another gets on. Everything goes to standard error.
pub(crate) struct Progress {
    bar: Mutex<Option<ProgressBar>>,
    said: AtomicU64,
    quiet: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Progress {
        Progress { bar: Mutex::new(None), said: AtomicU64::new(0), quiet }
    }

    /// Begins with another piece of work.
    pub(crate) fn begin(&self, name: &str) {
        self.said.store(0, Ordering::Relaxed);
        if self.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix:24} {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        if let Ok(mut current) = self.bar.lock() {
            *current = Some(bar);
        }
    }

    pub(crate) fn show(&self, name: &str, counts: &Counts) {
        if self.quiet {
            return;
        }
        let rows =
            counts.read.max(counts.written + counts.rejected + counts.duplicates + counts.filtered);
        let text = format!("{rows} rows, {} written, {} rejected", counts.written, counts.rejected);
        let bar = self.bar.lock().ok().and_then(|bar| bar.clone());
        if let Some(bar) = bar {
            bar.set_message(text);
        } else if rows >= self.said.load(Ordering::Relaxed) + ROWS_PER_LINE {
            self.said.store(rows, Ordering::Relaxed);
            eprintln!("{name}: {text}");
        }
    }

    /// Shows how the piece of work that was begun gets on.
    pub(crate) fn at(&self, counts: &Counts) {
        self.show("replay", counts);
    }

    /// Ends the piece of work, leaving nothing on the terminal.
    pub(crate) fn end(&self) {
        let bar = self.bar.lock().ok().and_then(|mut bar| bar.take());
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn progress(&self, stage: &Stage, counts: &Counts) {
        self.show(&stage.id.to_string(), counts);
    }
}

/// Shows how far something is of which only a number is known; nothing while it is quick.
pub(crate) struct Counting {
    what: &'static str,
    bar: Option<ProgressBar>,
    said: AtomicU64,
}

impl Counting {
    pub(crate) fn new(what: &'static str) -> Counting {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Counting { what, bar, said: AtomicU64::new(0) }
    }

    pub(crate) fn at(&self, number: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{number} {}", self.what));
            bar.tick();
        } else if number >= self.said.load(Ordering::Relaxed) + ROWS_PER_LINE {
            self.said.store(number, Ordering::Relaxed);
            eprintln!("{number} {}", self.what);
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
