//! Pushes the store's totals to a Pushgateway, beside the work and never in its way: what is slow
//! or away costs a stage nothing, and the end of the process at most the gateway's own limit.

mod held;
mod settings;

use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::held::Held;
pub(crate) use self::settings::{PushConfig, PushKeys};
use crate::app::App;
use crate::known::Known;

/// A task that pushes when there is news.
pub(crate) struct Pusher {
    news: watch::Sender<()>,
    task: JoinHandle<()>,
    limit: Duration,
}

/// So many answers of the gateway the end of a process waits for.
const LAST_ANSWERS: u32 = 2;

impl Pusher {
    /// None when no gateway is named, or the metrics are not asked for. Without `regularly` only
    /// news are pushed.
    pub(crate) fn start(app: &App, wanted: bool, regularly: bool) -> Option<Pusher> {
        let config = app.config.push.clone().filter(|_| wanted)?;
        let held = Held::at(app.data_dir());
        let known = Known::of(app);
        let (news, hears) = watch::channel(());
        let limit = config.gateway.limit() * LAST_ANSWERS;
        let task = tokio::spawn(pushing(config, known, held, hears, regularly));
        Some(Pusher { news, task, limit })
    }

    /// There is something new to push.
    pub(crate) fn news(&self) {
        self.news.send_replace(());
    }

    /// Pushes once more, for as long as that may take.
    pub(crate) async fn end(self) {
        let Pusher { news, mut task, limit } = self;
        drop(news);
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the newest metrics were not pushed: the Pushgateway is too slow");
        }
    }
}

/// Pushes at news, now and then, and once more at the end.
async fn pushing(
    config: PushConfig,
    known: Known,
    held: Held,
    mut hears: watch::Receiver<()>,
    regularly: bool,
) {
    let mut away = false;
    loop {
        let ended = tokio::select! {
            changed = hears.changed() => changed.is_err(),
            () = tokio::time::sleep(config.every), if regularly => false,
        };
        match push_once(&config, &known, &held).await {
            Ok(()) if away => {
                tracing::info!("metrics are pushed again");
                away = false;
            }
            Ok(()) => {}
            // Once: a gateway that is away would fill the log.
            Err(error) if !away => {
                let error = format!("{error:#}");
                tracing::warn!(error, "metrics are not pushed, and will be with the next ones");
                away = true;
            }
            Err(_) => {}
        }
        if ended {
            return;
        }
    }
}

/// Pushes what is known now. Only one process of a data folder does so at a time, and it looks
/// after its turn has come: so a number at the gateway never goes back to an older one.
pub(crate) async fn push_once(config: &PushConfig, known: &Known, held: &Held) -> Result<()> {
    let mut turn = held.wait(config.gateway.limit()).await?;
    let observed = known.observed().await?;
    let before = turn.groups();
    let pushed =
        assay_metrics::push(&config.gateway, &config.environment, &observed, &before).await?;
    turn.keep(&pushed.groups)?;
    Ok(pushed.outcome?)
}

/// Pushes once, for the command that only does that.
pub(crate) async fn push_now(app: &App, config: &PushConfig) -> Result<()> {
    push_once(config, &Known::of(app), &Held::at(app.data_dir())).await
}
