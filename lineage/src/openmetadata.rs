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
mod status;
mod sync;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use assay_core::Clock;
use serde_json::Value;
use tokio::sync::Mutex;

use self::api::{Api, Trouble};
use self::entity::Entity;
use self::told::{Dataset, Stands, Told};
use crate::http::{Client, Credential, NoAnswer};
use crate::target::Refusal;

pub use api::Change;
pub use look::{Found, Look};
pub use place::Naming;
pub use record::{Exchange, Recording, parse_recording};
pub use sync::{WantedColumn, WantedPipeline, WantedTable, WantedTask, WantedTopic};

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

    /// Makes the server show what an event tells. Again does no harm.
    pub(crate) async fn deliver(&self, event: &Value) -> Result<(), Refusal> {
        let told = Told::of(event, &self.naming);
        let mut known = self.known.lock().await;
        match self.show(&told, &mut known).await {
            // What was there may have been deleted there.
            Err(Trouble::NotFound(_)) => {
                *known = Known::default();
                self.show(&told, &mut known).await.map_err(Refusal::from)
            }
            shown => shown.map_err(Refusal::from),
        }
    }

    async fn show(&self, told: &Told, known: &mut Known) -> Result<(), Trouble> {
        let pipeline = self.pipeline(&told.job, known).await?;
        if told.stands == Stands::Started {
            return self.status(&pipeline, told).await;
        }
        let mut inputs = vec![];
        for dataset in told.inputs.iter().filter(|_| told.moved_rows) {
            inputs.push(self.dataset(dataset, known).await?);
        }
        let shows = |dataset: &&Dataset| told.moved_rows || !dataset.assertions.is_empty();
        for dataset in told.outputs.iter().filter(shows) {
            let output = self.dataset(dataset, known).await?;
            if told.moved_rows {
                for input in &inputs {
                    self.edge(input, &output, dataset, told, &pipeline, known).await?;
                }
            }
            self.quality(&output, dataset, told, known).await?;
        }
        self.status(&pipeline, told).await
    }
}
