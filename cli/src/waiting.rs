//! What waits in the log, as far as it answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use assay_core::Fault;
use assay_dlq::{DlqError, Index, Summary};
use assay_log::Log;
use assay_pipeline::{Behind, Places, SourceError, behind};
use assay_store::StoreError;

use crate::app::App;

/// How long who only looks waits for a log that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What waits, and where it is looked for.
pub(crate) struct Desk {
    places: Arc<Places>,
    log: Arc<dyn Log>,
    index: Index,
}

/// Messages that nobody has read, and letters that nobody has dealt with.
pub(crate) struct Waiting {
    /// None when the log does not answer.
    pub(crate) unread: Option<Vec<Behind>>,
    /// As the index knows them, which may be of before.
    pub(crate) letters: Vec<Summary>,
    /// Why the log does not answer.
    pub(crate) away: Option<String>,
}

impl Desk {
    pub(crate) fn of(app: &App) -> Desk {
        Desk { places: Arc::clone(&app.places), log: Arc::clone(&app.log), index: app.index() }
    }

    pub(crate) async fn waiting(&self) -> Result<Waiting> {
        let (unread, away) = match away(self.log.as_ref()).await {
            Some(away) => (None, Some(away)),
            None => match self.unread().await {
                Ok(unread) => (Some(unread), None),
                // A part of it may be away.
                Err(error) if of_log(&error) => (None, Some(error.to_string())),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Waiting { unread, letters: self.index.summary().await?, away })
    }

    async fn unread(&self) -> Result<Vec<Behind>, SourceError> {
        self.index.catch_up(&|_| {}).await?;
        behind(&self.places, self.log.as_ref()).await
    }
}

/// Whether it is the log that may answer another time, or the one of another host.
fn of_log(error: &SourceError) -> bool {
    if matches!(error, SourceError::Letters(error) if elsewhere(error)) {
        return true;
    }
    let of_log = matches!(error, SourceError::Log(_) | SourceError::Letters(DlqError::Log { .. }));
    of_log && error.fault() == Fault::Transient
}

/// Whether the store tells of the log of another host: what it knows is all there is to see here.
pub(crate) fn elsewhere(error: &DlqError) -> bool {
    matches!(error, DlqError::Index(StoreError::Elsewhere { .. }))
}

/// Why the log does not answer, if it does not.
pub(crate) async fn away(log: &dyn Log) -> Option<String> {
    match tokio::time::timeout(PATIENCE, log.topics()).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!(
            "the log {} has not answered within {} s: see whether its brokers run",
            log.namespace(),
            PATIENCE.as_secs()
        )),
    }
}
