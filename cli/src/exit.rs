//! Exit codes, and errors as a person reads them.

use std::io::ErrorKind;
use std::process::ExitCode;

use assay_collect::CollectorError;
use assay_dlq::ForwardError;
use assay_door::DoorError;
use assay_pipeline::{
    IngestError, InspectError, LoadError, QueryError, ReplayError, RewindError, RunError,
    TargetError,
};
use assay_sidecar::SidecarError;

use crate::config::ConfigError;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const HALTED: u8 = 3;
const FENCED: u8 = 4;
const BREAKING: u8 = 5;
pub(crate) const INTERRUPTED: u8 = 130;

/// What a command was asked for does not exist, or makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A contract's new version breaks someone.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Breaking(pub(crate) String);

/// Quality halts what was judged.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Halted(pub(crate) String);

/// All letters that are meant are others' already.
#[derive(Debug, thiserror::Error)]
#[error(
    "all {0} letters that are meant are in flight for other jobs: `assay dlq jobs` lists these, \
     `assay dlq resume JOB` goes on with one, `assay dlq cancel JOB` frees its letters"
)]
pub(crate) struct InFlight(pub(crate) u64);

/// Says what went wrong, and gives the code for it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // A reader that has seen enough closes the pipe; that is no failure of ours.
    if broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {}", told(error));
    if let Some(hint) = hint(error) {
        eprintln!("  hint: {hint}");
    }
    ExitCode::from(code(error))
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    let pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
    };
    error.chain().any(pipe)
}

/// The error and its causes, each thing said once.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let text: String = error.chain().map(|cause| format!("{cause}\n")).collect();
    let has = |part: &str| text.contains(part);
    if has("No space left on device") || has("disk is full") || has("disk I/O error") {
        return Some(
            "the disk may be full: free space and run it again; what was committed is safe",
        );
    }
    if has("Permission denied") || has("Read-only file system") {
        return Some("check who owns the folder, or choose another with --data-dir");
    }
    None
}

fn code(error: &anyhow::Error) -> u8 {
    let codes = error.chain().filter_map(|cause| {
        let run = cause.downcast_ref::<RunError>().and_then(of_run);
        let target = cause.downcast_ref::<TargetError>().and_then(of_target);
        let ingest = cause.downcast_ref::<IngestError>().and_then(of_ingest);
        let query = cause.downcast_ref::<QueryError>().and_then(|error| match error {
            QueryError::Table(error) => of_target(error),
            _ => Some(USAGE),
        });
        let rewind = cause.downcast_ref::<RewindError>().and_then(of_rewind);
        let replay = cause.downcast_ref::<ReplayError>().and_then(of_replay);
        let sidecar = cause.downcast_ref::<SidecarError>().and_then(of_sidecar);
        let collect = cause.downcast_ref::<CollectorError>().and_then(of_collector).or(sidecar);
        let usage = cause.is::<LoadError>() || cause.is::<ConfigError>() || cause.is::<Usage>();
        let inspect = cause.downcast_ref::<InspectError>().is_some_and(InspectError::usage);
        let breaking = cause.is::<Breaking>().then_some(BREAKING);
        let halted = cause.is::<Halted>().then_some(HALTED);
        let others = cause.is::<InFlight>().then_some(FENCED);
        let ours = breaking.or(halted).or(others).or((usage || inspect).then_some(USAGE));
        run.or(target).or(ingest).or(query).or(rewind).or(replay).or(collect).or(ours)
    });
    codes.into_iter().next().unwrap_or(FAILED)
}

fn of_run(error: &RunError) -> Option<u8> {
    match error {
        RunError::Halted { .. } | RunError::BadRow { .. } | RunError::Outage { .. } => Some(HALTED),
        RunError::Interrupted => Some(INTERRUPTED),
        RunError::Stage(_) | RunError::Transform { .. } => Some(USAGE),
        RunError::Target(error) => of_target(error),
        _ => None,
    }
}

fn of_target(error: &TargetError) -> Option<u8> {
    match error {
        TargetError::Fenced { .. } | TargetError::Moved { .. } => Some(FENCED),
        TargetError::Narrowed(_) => Some(USAGE),
        _ => None,
    }
}

fn of_rewind(error: &RewindError) -> Option<u8> {
    match error {
        RewindError::Source(_) => None,
        RewindError::Target(error) => of_target(error),
        _ => Some(USAGE),
    }
}

fn of_ingest(error: &IngestError) -> Option<u8> {
    match error {
        IngestError::Outage { .. } | IngestError::Again { .. } => Some(HALTED),
        IngestError::Transform(_) => Some(USAGE),
        IngestError::Interrupted { .. } => Some(INTERRUPTED),
        IngestError::NoIngest(_) => Some(USAGE),
        _ => None,
    }
}

fn of_replay(error: &ReplayError) -> Option<u8> {
    match error {
        ReplayError::Run(error) => of_run(error),
        ReplayError::Ingest(error) => of_ingest(error),
        ReplayError::Forward(ForwardError::Interrupted(_)) => Some(INTERRUPTED),
        ReplayError::Forward(ForwardError::Loop(_))
        | ReplayError::Transform(_)
        | ReplayError::NoJob(_)
        | ReplayError::NoStage { .. }
        | ReplayError::Over(..)
        | ReplayError::Alive(_) => Some(USAGE),
        ReplayError::Taken(_) => Some(FENCED),
        ReplayError::Waiting { .. } | ReplayError::Forward(_) | ReplayError::Letters(_) => None,
    }
}

fn of_collector(error: &CollectorError) -> Option<u8> {
    use CollectorError::{Door, NoIngest, Settings};
    matches!(error, NoIngest(_) | Settings(_) | Door(DoorError::Tls(_))).then_some(USAGE)
}

fn of_sidecar(error: &SidecarError) -> Option<u8> {
    use SidecarError::{Door, Settings};
    matches!(error, Settings(_) | Door(DoorError::Tls(_))).then_some(USAGE)
}
