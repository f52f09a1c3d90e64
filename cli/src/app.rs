use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use assay_core::{Clock, Ids, RandomIds, SystemClock};
use assay_dlq::{Index, LogQueue};
use assay_lineage::Courier;
use assay_log::{EmbeddedLog, KafkaLog, Log};
use assay_pipeline::{
    Ingest, KEYS_PER_BATCH, Lake, Patience, Places, Postgres, Runner, Stop, Watch,
};
use assay_store::{Store, StoreError};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, LogConfig, PostgresConfig};
use crate::exit::Usage;
use crate::scratch::Scratch;

/// The folder of what processes spill, in the data directory.
pub(crate) const TEMPORARY: &str = "tmp";

/// The parts of one process, built from its configuration.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) lake: Arc<Lake>,
    /// Where tables are: the lake, and the database of streams.
    pub(crate) places: Arc<Places>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<LogQueue>,
    pub(crate) stop: Stop,
    /// Where this process spills; it goes with it.
    scratch: Scratch,
}

/// Opens the log that the configuration names.
pub(crate) async fn open_log(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Log>> {
    let log: Arc<dyn Log> = match &config.log {
        LogConfig::Embedded => {
            let file = config.data_dir.join("log.db");
            Arc::new(EmbeddedLog::open(&file, Arc::clone(clock)).await?)
        }
        LogConfig::Kafka(settings) => Arc::new(KafkaLog::open(settings, clock.as_ref())?),
    };
    Ok(log)
}

/// The store that the configuration names, else that of the data directory.
pub(crate) async fn open_store(config: &Config) -> Result<Store> {
    Ok(match &config.store {
        Some(address) => {
            let connected = Store::connect(&address.url, address.password.as_deref()).await;
            match connected {
                Err(error @ StoreError::Address { .. }) => {
                    return Err(Usage(error.to_string()).into());
                }
                connected => connected?,
            }
        }
        None => Store::open(&config.data_dir.join("store.db")).await?,
    })
}

/// The database that the configuration names.
pub(crate) fn database(config: &Config) -> Result<&PostgresConfig> {
    let none = "nothing says where the database is: set ASSAY_POSTGRES, write --postgres \
                postgres://USER@HOST:PORT/DATABASE, or `postgres: {url: …}` in assay.yaml";
    Ok(config.postgres.as_ref().ok_or_else(|| Usage(none.to_owned()))?)
}

/// What is at that address; it is reached when it is first asked for something.
pub(crate) fn open_postgres(address: &PostgresConfig, spool: &Path) -> Result<Postgres> {
    let opened = Postgres::at(&address.url, address.password.as_deref(), spool);
    Ok(opened.map_err(|error| Usage(format!("the address of Postgres can't be used: {error}")))?)
}

impl App {
    /// Opens the data directory, and makes what is not there yet.
    pub(crate) async fn build(config: Config) -> Result<App> {
        let root = config.data_dir.clone();
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        let scratch = Scratch::claim(&root.join(TEMPORARY), ids.next()).with_context(|| {
            format!(
                "cannot use the data directory {}: choose another with --data-dir",
                root.display()
            )
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let lake =
            Lake::open(&root.join("lake"), scratch.path(), config.memory_bytes, Arc::clone(&clock))
                .await?;
        let log = open_log(&config, &clock).await?;
        let lake = Arc::new(lake);
        let postgres = match &config.postgres {
            Some(address) => Some(Arc::new(open_postgres(address, scratch.path())?)),
            None => None,
        };
        let store = open_store(&config).await?;
        let store = store.sending_to(&config.targets.names(), clock.now()).await?;
        Ok(App {
            places: Arc::new(Places { lake: Arc::clone(&lake), postgres }),
            lake,
            store: Arc::new(store),
            queue: Arc::new(LogQueue::new(Arc::clone(&log))),
            ids,
            stop: Stop::default(),
            scratch,
            clock,
            log,
            config,
        })
    }

    pub(crate) fn spool(&self) -> std::path::PathBuf {
        self.scratch.path().to_owned()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    pub(crate) fn runner(&self, watch: Arc<dyn Watch>) -> Runner {
        Runner {
            lake: Arc::clone(&self.lake),
            targets: Arc::clone(&self.places) as _,
            log: Arc::clone(&self.log),
            ledger: Arc::clone(&self.store) as _,
            queue: Arc::clone(&self.queue) as _,
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            spool: self.spool(),
            watch,
            stop: self.stop.clone(),
            patience: Patience::default(),
            keys_per_batch: KEYS_PER_BATCH,
        }
    }

    /// Answers what letters there are.
    pub(crate) fn index(&self) -> Index {
        Index::new(Arc::clone(&self.queue), Arc::clone(&self.store))
    }

    /// Sends what is in the outbox to the targets that the configuration names.
    pub(crate) fn courier(&self) -> Result<Courier> {
        let (store, ids) = (Arc::clone(&self.store), Arc::clone(&self.ids));
        Ok(self.config.targets.courier(store, &self.clock, ids)?)
    }

    /// Where hosts share a store, what goes into a log that only this one reaches is to be found by
    /// the index of letters.
    pub(crate) async fn claim_log(&self) -> Result<()> {
        match self.config.store {
            Some(_) => Ok(self.index().claim_log().await?),
            None => Ok(()),
        }
    }

    /// Where hosts share a store, the others know of letters what is in its index.
    pub(crate) async fn share_letters(&self) {
        if self.config.store.is_none() {
            return;
        }
        if let Err(error) = self.index().catch_up(&|_| {}).await {
            tracing::warn!(%error, "other hosts do not see the newest dead letters yet");
        }
    }

    pub(crate) fn ingest(&self) -> Ingest {
        Ingest {
            log: Arc::clone(&self.log),
            store: Arc::clone(&self.store),
            queue: Arc::clone(&self.queue) as _,
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            spool: self.spool(),
            stop: self.stop.clone(),
        }
    }

    /// Ctrl-C, or the signal that schedulers send, asks to commit what was read and to end. A second
    /// one, or the limit that is set for it, ends the process where it is, which harms nothing.
    pub(crate) fn drain_when_asked(&self) {
        let (stop, limit) = (self.stop.clone(), self.config.drain);
        tokio::spawn(async move {
            if asked_to_stop().await.is_err() {
                return;
            }
            let seconds = limit.as_secs_f64();
            eprintln!("committing what was read, within {seconds} s; once more to stop at once");
            stop.drain();
            if tokio::time::timeout(limit, asked_to_stop()).await.is_err() {
                eprintln!(
                    "that took longer than {seconds} s: stopped where it was. Nothing is lost: \
                     what is not committed is read again"
                );
            }
            std::process::exit(crate::exit::INTERRUPTED.into());
        });
    }

    /// Ctrl-C asks to stop; a second one ends the process where it is, which harms nothing.
    pub(crate) fn stop_on_ctrl_c(&self) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            while asked_to_stop().await.is_ok() {
                if stop.asked() {
                    std::process::exit(crate::exit::INTERRUPTED.into());
                }
                eprintln!("stopping at the next chunk; press Ctrl-C again to stop at once");
                stop.ask();
            }
        });
    }
}

/// Waits for Ctrl-C, or for the signal that schedulers send.
async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}
