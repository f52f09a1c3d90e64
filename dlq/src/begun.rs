//! Work that was begun beside something else.

use tokio::task::JoinHandle;

use crate::DlqError;

/// Waits for it; its panic is ours.
pub(crate) async fn finish<T>(begun: JoinHandle<Result<T, DlqError>>) -> Result<T, DlqError> {
    match begun.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and whoever waits here with it.
            Err(_) => std::future::pending().await,
        },
    }
}
