use assay_core::{Profile, Remembered, RunId};
use assay_quality::{History, Past, PastLag, Suite};
use assay_store::{Store, StoreError};
use chrono::{DateTime, Utc};

/// Earlier looks that one is held against: a quarter of a year, when there is one each hour.
const LOOKS: u32 = 13 * 7 * 24;

/// What rows looked like that were judged before under one name.
#[derive(Clone, Copy)]
pub struct Earlier<'a> {
    pub store: &'a Store,
    pub name: &'a str,
}

impl Earlier<'_> {
    /// As far as the rules ask for it.
    pub(super) async fn history(
        &self,
        suite: &Suite,
        now: DateTime<Utc>,
    ) -> Result<History, StoreError> {
        let (asks, name) = (suite.asks(), self.name);
        let mut history = History::default();
        if asks.volumes {
            let known = self.store.looks(name, LOOKS).await?;
            history.batches = known.into_iter().map(|(at, rows)| Past { at, rows }).collect();
        }
        for rule in asks.lags {
            let known = self.store.lags_of_looks(name, &rule, LOOKS).await?;
            let lags = known.into_iter().map(|(at, seconds)| PastLag { at, seconds }).collect();
            history.lags.insert(rule, lags);
        }
        for (season, runs) in asks.runs {
            let known = self.store.profiles_of_looks(name, (season, now), runs).await?;
            let known: Vec<Profile> = known.into_iter().map(|it| it.profile).collect();
            history.runs.insert(season, known);
        }
        Ok(history)
    }

    /// Keeps what later looks are held against.
    pub async fn keep(
        &self,
        look: RunId,
        at: DateTime<Utc>,
        remembered: &Remembered,
    ) -> Result<(), StoreError> {
        self.store.keep_look(self.name, look, at, remembered).await
    }

    /// How many looks are known, of those that count.
    pub async fn known(&self) -> Result<usize, StoreError> {
        Ok(self.store.looks(self.name, LOOKS).await?.len())
    }
}
