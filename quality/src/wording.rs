//! Numbers as people read them in a report.

use std::fmt;

/// A span of time in the largest unit that keeps it short: `90 s`, `3.5 h`, `4 d`.
pub(crate) struct Span(pub(crate) f64);

/// A score, rounded down, so that one below a limit never looks like the limit.
pub(crate) struct Points(pub(crate) f64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0.abs() {
            seconds if seconds < 120.0 => (self.0, "s"),
            seconds if seconds < 7_200.0 => (self.0 / 60.0, "min"),
            seconds if seconds < 172_800.0 => (self.0 / 3_600.0, "h"),
            _ => (self.0 / 86_400.0, "d"),
        };
        write!(f, "{} {unit}", (count * 10.0).round() / 10.0)
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 100.0).floor() / 100.0)
    }
}
