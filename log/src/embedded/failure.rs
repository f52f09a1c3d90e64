use std::io;

use assay_core::Fault;

use crate::LogError;

/// Tells what a foreign error means for the log at `log`, while `doing`.
pub(super) fn sqlite(log: &str, doing: &str, source: sqlx::Error) -> LogError {
    if code(&source) == Some(NOT_A_DATABASE) {
        return LogError::Foreign { log: log.to_owned() };
    }
    let (fault, advice) = judge(&source);
    LogError::Failed {
        doing: doing.to_owned(),
        log: log.to_owned(),
        advice,
        fault,
        source: Box::new(source),
    }
}

/// The same for an error of the file system.
pub(super) fn file_system(log: &str, doing: &str, source: io::Error) -> LogError {
    LogError::Failed {
        doing: doing.to_owned(),
        log: log.to_owned(),
        advice: UNWRITABLE,
        fault: Fault::Permanent,
        source: Box::new(source),
    }
}

// The primary result codes of SQLite.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const DAMAGED: i32 = 11;
const FULL: i32 = 13;
const CANT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

const UNWRITABLE: &str = "; check that the path is right and that this user may write there";
const HELD: &str = "; another process or task held it too long: try again";

fn judge(error: &sqlx::Error) -> (Fault, &'static str) {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return (Fault::Transient, HELD);
    }
    match code(error) {
        Some(BUSY | LOCKED) => (Fault::Transient, HELD),
        Some(FULL) => (Fault::Permanent, "; free some space, then start again"),
        Some(READ_ONLY | CANT_OPEN) => (Fault::Permanent, UNWRITABLE),
        Some(DAMAGED) => (Fault::Permanent, "; the file is damaged: restore it from a backup"),
        _ => (Fault::Permanent, ""),
    }
}

/// The primary code, without what SQLite adds in the upper bits.
fn code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
