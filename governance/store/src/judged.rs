//! What a metric needs of a report. Each scrape asks for it, and the rules, which are most of a
//! report, stay unread.

use assay_core::{DatasetName, DimensionScore, DraftId, Run};
use serde::Deserialize;

use crate::database::Row;
use crate::{Store, StoreError};

/// How good the last judged batch of a dataset was.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedBatch {
    pub draft: DraftId,
    pub run: Run,
    pub dataset: DatasetName,
    pub score: f64,
    pub dimensions: Vec<DimensionScore>,
}

#[derive(Deserialize)]
struct Body {
    run: Run,
    draft: DraftId,
    output: DatasetName,
    quality: Evaluated,
}

/// As [`assay_core::Evaluated`] of what was judged, without the rules.
#[derive(Deserialize)]
struct Evaluated {
    judged: Scores,
}

#[derive(Deserialize)]
struct Scores {
    score: f64,
    #[serde(default)]
    dimensions: Vec<DimensionScore>,
}

impl Store {
    /// The last batch of each dataset whose quality was judged, committed or halted.
    pub async fn latest_judged(&self) -> Result<Vec<JudgedBatch>, StoreError> {
        self.latest("AND score IS NOT NULL AND replay = 0", judged).await
    }
}

fn judged(row: &Row) -> Result<JudgedBatch, sqlx::Error> {
    let body: Body = serde_json::from_str(row.try_get("body")?)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let Body { run, draft, output: dataset, quality } = body;
    let Scores { score, dimensions } = quality.judged;
    Ok(JudgedBatch { draft, run, dataset, score, dimensions })
}
