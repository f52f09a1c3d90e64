/// Stops a batch of which too much is rejected: that is an outage or a bad deployment, not bad
/// data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// It trips when more than this share of the rows read is rejected, 0–100.
    pub percent: f64,
    /// A batch with fewer rows says too little.
    pub at_least_rows: u64,
}

impl Breaker {
    /// How it stands among the rules of a report.
    pub const NAME: &'static str = "batch_breaker";

    pub fn trips(&self, rejected: u64, read: u64) -> bool {
        read >= self.at_least_rows && 100.0 * rejected as f64 > self.percent * read as f64
    }
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker { percent: 50.0, at_least_rows: 100 }
    }
}
