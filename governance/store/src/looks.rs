//! What rows looked like that were judged outside of any pipeline, kept under a name that a person
//! gave, so that those of later are held against them.

use assay_core::{Remembered, RunId, Season};
use chrono::{DateTime, Utc};

use crate::column::{count, time};
use crate::database::statement;
use crate::profiles::{Of, keep};
use crate::{ProfileRecord, Store, StoreError};

/// The name stands where that of a dataset does otherwise, and is none: a dataset has a dot.
fn key(name: &str) -> String {
    format!("look:{name}")
}

impl Store {
    /// Keeps what the rows of a look looked like.
    pub async fn keep_look(
        &self,
        name: &str,
        look: RunId,
        at: DateTime<Utc>,
        remembered: &Remembered,
    ) -> Result<(), StoreError> {
        let failed = self.failed("keep what the rows look like");
        let (key, look) = (key(name), look.to_string());
        let of = Of { dataset: &key, run: &look, draft: &look, judged_at: at };
        let mut transaction = self.write().await.map_err(&failed)?;
        keep(&mut transaction, &of, remembered).await.map_err(&failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// When the newest looks of that name were, and how many rows each had; newest first.
    pub async fn looks(
        &self,
        name: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, u64)>, StoreError> {
        let failed = self.failed("read how many rows there were before");
        let rows = statement(
            "SELECT judged_at, CAST(json_extract(body, '$.rows') AS BIGINT) AS there FROM profiles
             WHERE dataset = $1 ORDER BY judged_at DESC, run DESC LIMIT $2",
        )
        .bind(key(name))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        let pair = |row| Ok((time(row, "judged_at")?, count(row, "there")?));
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }

    /// The profiles of the newest looks of that name that are like one of that time.
    pub async fn profiles_of_looks(
        &self,
        name: &str,
        like: (Season, DateTime<Utc>),
        limit: u32,
    ) -> Result<Vec<ProfileRecord>, StoreError> {
        let known = self.alike(&key(name), None, like, limit).await;
        known.map_err(self.failed("read the profiles of earlier looks"))
    }

    /// When the newest looks of that name were that a rule measured, and how many seconds old the
    /// newest row of each was.
    pub async fn lags_of_looks(
        &self,
        name: &str,
        rule: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, f64)>, StoreError> {
        let known = self.lags_of(&key(name), rule, limit).await;
        known.map_err(self.failed("read how fresh earlier looks were"))
    }
}
