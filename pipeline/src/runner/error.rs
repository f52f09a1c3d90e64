use assay_core::{DraftId, Evaluated, Fault, Report, RunStatus, StageId};
use assay_dlq::DlqError;
use assay_quality::SpoolError;
use assay_store::StoreError;
use uuid::Uuid;

use crate::source::SourceError;
use crate::stage::StageError;
use crate::target::TargetError;
use crate::telling::TellError;

/// Why a run did not complete.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    DeadLetters(#[from] DlqError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Telling(#[from] TellError),
    #[error(transparent)]
    Keys(#[from] SpoolError),
    #[error(
        "{stage} was halted by quality: {}; nothing of the batch was committed. {}",
        because(.report),
        way_on(.report, *.job)
    )]
    Halted { stage: StageId, report: Box<Report>, job: Option<Uuid> },
    #[error(
        "{stage} met a bad row and dead letters are off: {reason}. Nothing of the batch was \
         committed; run it with --enable-dlq to set such rows aside"
    )]
    BadRow { stage: StageId, reason: String },
    #[error(
        "{stage}: the counts do not balance: {read} rows read, but {written} written, {rejected} \
         rejected, {filtered} filtered and {duplicates} duplicates. Nothing was committed; this \
         is a defect of Assay or of the aggregate's SQL"
    )]
    Unbalanced {
        stage: StageId,
        read: u64,
        written: i128,
        rejected: u64,
        filtered: u64,
        duplicates: u64,
    },
    #[error(
        "{stage}: whether the batch {draft} was committed could not be found out. Run the stage \
         again: it goes on from what the table says, and loses and doubles nothing"
    )]
    Unknown {
        stage: StageId,
        draft: DraftId,
        #[source]
        source: Box<TargetError>,
    },
    #[error(
        "{stage} can't compute a day anew: nothing says which column holds a row's day. Add \
         `day: <column>` to the stage in pipeline.yaml"
    )]
    NoDays { stage: StageId },
    #[error(
        "{stage} set {rejected} of {read} rows of a batch aside, which is no bad data but an outage or a \
         wrong deployment. Nothing of the batch was committed and no letter was put: look at what \
         changed, or set `breaker` of the stage in pipeline.yaml. The first: {first}"
    )]
    Outage { stage: StageId, rejected: u64, read: u64, first: String },
    #[error("{what}")]
    Transform { what: String },
    #[error("stopped when asked to; nothing of the open batch was committed")]
    Interrupted,
}

fn because(report: &Report) -> String {
    match &report.quality {
        Evaluated::Judged(quality) => quality.because.join("; "),
        Evaluated::NotEvaluated => "the batch was not judged".to_owned(),
    }
}

/// What a person can do about a batch that was halted.
fn way_on(report: &Report, job: Option<Uuid>) -> String {
    match job {
        None => format!(
            "To let this very batch pass, run it with --accept-batch {} --reason \"...\"",
            report.draft
        ),
        Some(job) => format!(
            "Its letters are as they were: correct the contract or the rows, and `assay dlq resume \
             {job}` goes on; or give the job up (`assay dlq cancel {job}`), and send them back with \
             --stop-at 100, if so many may die again"
        ),
    }
}

impl RunError {
    /// Whether running again may help, all else unchanged.
    pub fn fault(&self) -> Fault {
        match self {
            RunError::Source(error) => error.fault(),
            RunError::Target(error) => error.fault(),
            RunError::DeadLetters(error) => error.fault(),
            RunError::Store(error) => error.fault(),
            RunError::Telling(error) => error.fault(),
            RunError::Keys(error) => error.fault(),
            _ => Fault::Permanent,
        }
    }

    /// How the run ended.
    pub fn status(&self) -> RunStatus {
        match self {
            RunError::Halted { .. } | RunError::BadRow { .. } | RunError::Outage { .. } => {
                RunStatus::Halted
            }
            RunError::Interrupted => RunStatus::Aborted,
            _ => RunStatus::Failed,
        }
    }

    /// The error and what led to it, in one line.
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
