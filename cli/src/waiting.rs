//! What waits in the log, as far as it answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use assay_dlq::{Index, Summary};
use assay_log::Log;
use assay_pipeline::{Behind, Places, behind};

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
        let away = away(self.log.as_ref()).await;
        let unread = match away {
            Some(_) => None,
            None => {
                self.index.catch_up(&|_| {}).await?;
                Some(behind(&self.places, self.log.as_ref()).await?)
            }
        };
        Ok(Waiting { unread, letters: self.index.summary().await?, away })
    }
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
