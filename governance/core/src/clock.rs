use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Tells the time. Nothing else in the product may ask the system for it.
pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;
}

/// Makes ids that nobody made before.
pub trait Ids: Send + Sync {
    fn next(&self) -> Uuid;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where time enters")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Ids that sort by the time they were made (UUID version 7).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[allow(clippy::disallowed_methods, reason = "the one place where randomness enters")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
