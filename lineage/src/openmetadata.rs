//! OpenMetadata, by its own REST calls: datasets, pipelines, lineage, run status and quality.
//!
//! What the calls are and what they answer is known from a real server of version 1.2; where newer
//! ones differ, the first answer that says so is remembered.

mod api;
mod body;
mod column;
mod edge;
mod entity;
mod look;
mod name;
mod place;
mod quality;
mod record;
mod so_far;
mod status;
mod sync;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use assay_core::Clock;
use assay_store::Store;
use serde_json::Value;
use tokio::sync::Mutex;

use self::api::{Api, Trouble};
use self::entity::Entity;
use self::so_far::Runs;
use self::told::{Dataset, Told};
use crate::http::{Client, Credential, NoAnswer};
use crate::target::Refusal;

pub use api::Change;
pub use look::{Found, Look};
pub use place::Naming;
pub use record::{Exchange, Recording, parse_recording};
pub use sync::{WantedColumn, WantedPipeline, WantedTable, WantedTask, WantedTopic};

/// Edges that a run is put together for, each of which takes two calls.
const MOST_EDGES: usize = 2_000;

/// One server.
#[derive(Debug)]
pub struct OpenMetadata {
    api: Api,
    naming: Naming,
    known: Mutex<Known>,
}

/// What the server is known to have, so that it is not asked again for every event.
#[derive(Debug, Default)]
struct Known {
    entities: BTreeMap<String, Entity>,
    /// Details that were put last, by the ids of an edge.
    edges: BTreeMap<(String, String), Value>,
    cases: BTreeMap<String, String>,
    definitions: BTreeSet<&'static str>,
    runs: Runs,
}

impl OpenMetadata {
    /// The name by which the outbox knows it.
    pub const NAME: &'static str = "openmetadata";

    /// `url` is the server, with or without `/api` behind it.
    pub fn new(
        url: &str,
        credential: Credential,
        naming: Naming,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<OpenMetadata, NoAnswer> {
        let api = Api::new(url, Client::new(credential, timeout, clock)?);
        Ok(OpenMetadata { api, naming, known: Mutex::default() })
    }

    pub(crate) fn answers(&self) -> u64 {
        self.api.client.answers()
    }

    /// Makes the server show what an event tells, together with what its run told before. Again does
    /// no harm.
    pub(crate) async fn deliver(&self, event: &Value, store: &Store) -> Result<(), Refusal> {
        let mut known = self.known.lock().await;
        let whole = known.runs.whole(event, store).await;
        let whole = whole.map_err(|error| Refusal::away(error.to_string()))?;
        let mut told = Told::of(whole.as_ref().unwrap_or(event), &self.naming);
        if told.inputs.len() * told.outputs.len() > MOST_EDGES {
            tracing::warn!("a run names too many datasets: each of its events is shown alone");
            told = Told::of(event, &self.naming);
        }
        match self.show(&told, &mut known).await {
            // What was there may have been deleted there.
            Err(Trouble::NotFound(_)) => {
                *known = Known { runs: std::mem::take(&mut known.runs), ..Known::default() };
                self.show(&told, &mut known).await.map_err(Refusal::from)
            }
            shown => shown.map_err(Refusal::from),
        }
    }

    async fn show(&self, told: &Told, known: &mut Known) -> Result<(), Trouble> {
        let Some(job) = &told.job else {
            for dataset in &told.outputs {
                let shown = self.dataset(dataset, known).await?;
                self.quality(&shown, dataset, told, known).await?;
            }
            return Ok(());
        };
        let pipeline = self.pipeline(job, known).await?;
        let shows = |dataset: &&Dataset| told.moved_rows || !dataset.assertions.is_empty();
        // Tests read what they judge, and write nothing.
        let mut inputs = vec![];
        for dataset in told.inputs.iter().filter(shows) {
            let input = self.dataset(dataset, known).await?;
            self.quality(&input, dataset, told, known).await?;
            inputs.push(input);
        }
        let mut outputs = vec![];
        for dataset in told.outputs.iter().filter(shows) {
            outputs.push((self.dataset(dataset, known).await?, dataset));
        }
        for (output, dataset) in &outputs {
            if told.moved_rows {
                let made_of = outputs.iter().filter(|(other, of)| {
                    other.name != output.name && dataset.is_made_of(&of.place)
                });
                for from in inputs.iter().chain(made_of.map(|(other, _)| other)) {
                    self.edge(from, output, dataset, told, &pipeline, known).await?;
                }
            }
            self.quality(output, dataset, told, known).await?;
        }
        self.status(&pipeline, told).await
    }
}
