//! What an answer of Postgres means: whether trying again can help, and what to do.

use assay_core::Fault;
use sqlx::Error;
use sqlx::postgres::PgDatabaseError;

use crate::target::TargetError;

/// How what a client says begins that does not trust the server: it comes as if the line had failed.
const UNTRUSTED: &str = "invalid peer certificate";

const TRUST: &str = "check `sslmode` and `sslrootcert` of the address";

/// What of an address may be a file.
const FILES: &str = "the address names a socket, or a certificate (`sslrootcert`, `sslcert`, \
                     `sslkey`), that is not there";

/// The error of something that was asked of the database.
pub(super) fn of(doing: String, error: Error) -> TargetError {
    let (why, fault) = match &error {
        Error::Database(answer) => match answer.try_downcast_ref::<PgDatabaseError>() {
            Some(answer) => answered(answer),
            None => (answer.message().to_owned(), Fault::Permanent),
        },
        Error::PoolTimedOut => (
            "no connection can be had: is the server up, and does it take more connections?"
                .to_owned(),
            Fault::Transient,
        ),
        Error::Io(io) if io.to_string().starts_with(UNTRUSTED) => {
            (format!("{io}; {TRUST}"), Fault::Permanent)
        }
        Error::Io(io) if io.kind() == std::io::ErrorKind::NotFound => {
            (format!("{io}: {FILES}"), Fault::Transient)
        }
        Error::Io(io) => (format!("the connection failed: {io}"), Fault::Transient),
        Error::Protocol(what) => (format!("the connection failed: {what}"), Fault::Transient),
        Error::WorkerCrashed | Error::PoolClosed => (error.to_string(), Fault::Transient),
        Error::Tls(_) => (format!("{error}; {TRUST}"), Fault::Permanent),
        _ => (error.to_string(), Fault::Permanent),
    };
    TargetError::Postgres { doing, why, fault }
}

/// Whether it says that a key is there already.
pub(super) fn is_repeated_key(error: &Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn answered(error: &PgDatabaseError) -> (String, Fault) {
    let code = error.code();
    let advice = advice(code);
    let said = match &code[..2] {
        // These texts quote the value.
        "22" | "23" => places(error),
        _ => error.message().to_owned(),
    };
    let why = match advice {
        "" => format!("{said} ({code})"),
        advice => format!("{said} ({code}); {advice}"),
    };
    (why, if may_pass(code) { Fault::Transient } else { Fault::Permanent })
}

/// What goes by: connections, conflicts with others, too little room, a server on its way down or
/// up, and the limits that we set ourselves.
fn may_pass(code: &str) -> bool {
    matches!(&code[..2], "08" | "40" | "53" | "58")
        || matches!(code, "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
}

fn advice(code: &str) -> &'static str {
    match code {
        "42P01" | "3F000" => "make the tables: `assay db migrate --pipeline NAME`",
        "42703" => "the table lacks a column: add a migration, then `assay db migrate`",
        "42501" => "GRANT it to the user of the address, or name another user",
        "28P01" | "28000" => "check user and password of the address",
        "3D000" => "create it: CREATE DATABASE …",
        "22001" | "22003" | "22021" => {
            "a value does not fit its column: with a rule in the contract (`maxLength`, `maximum`, \
             `pattern`) a run with --enable-quality-checks --enable-dlq sets such rows aside"
        }
        "23502" | "23514" => {
            "with a rule in the contract (`required`, an expression) a run with \
             --enable-quality-checks --enable-dlq sets such rows aside"
        }
        "23505" => {
            "only the key by which the stage knows its rows may come again: delete the older row, \
             or drop the constraint"
        }
        "25006" => "the server is read-only: name the primary",
        "53300" => "raise max_connections, or stop other clients",
        _ => "",
    }
}

/// Where a value was refused, without the value.
fn places(error: &PgDatabaseError) -> String {
    let kind = match error.code() {
        "22001" => "a text is too long",
        "22003" => "a number is too large",
        "22021" => "a text has a character that can't be stored",
        "23502" => "a value is missing",
        "23505" => "a key is there already",
        _ => "a value was refused",
    };
    let part = |what: &str, name: Option<&str>| {
        name.map(|name| format!(" {what} `{name}`")).unwrap_or_default()
    };
    format!(
        "{kind}:{}{}{}",
        part("table", error.table()),
        part("column", error.column()),
        part("constraint", error.constraint()),
    )
    .trim_end_matches(':')
    .to_owned()
}
