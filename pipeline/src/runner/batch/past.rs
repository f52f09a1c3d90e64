//! What a batch is held against: the batches before it.

use assay_core::Run;
use assay_quality::{History, Past, PastLag};
use chrono::{DateTime, Utc};

use super::super::{RunError, Runner};
use crate::stage::Stage;

/// Earlier batches that a batch is held against: a quarter of a year, when there is one each hour.
const HISTORY: u32 = 13 * 7 * 24;

/// What was before the batch that is judged now, as far as a rule asks for it.
pub(super) async fn history(
    runner: &Runner,
    run: &Run,
    stage: &Stage,
    now: DateTime<Utc>,
) -> Result<History, RunError> {
    let (asks, dataset) = (stage.suite.asks(), &stage.writes.dataset);
    let mut history = History::default();
    if asks.volumes {
        let known = runner.ledger.rows_added(dataset, HISTORY).await?;
        history.batches = known.into_iter().map(|(at, rows)| Past { at, rows }).collect();
    }
    for rule in asks.lags {
        let known = runner.ledger.lags(dataset, &rule, HISTORY).await?;
        let lags = known.into_iter().map(|(at, seconds)| PastLag { at, seconds }).collect();
        history.lags.insert(rule, lags);
    }
    for (season, runs) in asks.runs {
        let like = runner.ledger.profiles(dataset, run.id, (season, now), runs).await?;
        history.runs.insert(season, like);
    }
    Ok(history)
}
