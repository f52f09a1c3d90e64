//! What is in the outbox is sent while a command works, and for a short while after it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use assay_lineage::Courier;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::App;

/// A courier beside the work. It neither delays the work nor can it fail it.
pub(crate) struct Sending {
    running: Option<Running>,
}

struct Running {
    courier: Arc<Courier>,
    grace: Duration,
    over: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Sending {
    pub(crate) fn start(app: &App) -> Result<Sending> {
        Ok(Sending::of(app.courier()?, app.config.targets.grace))
    }

    pub(crate) fn of(courier: Courier, grace: Duration) -> Sending {
        if courier.idle() {
            return Sending { running: None };
        }
        let courier = Arc::new(courier);
        let (over, told) = oneshot::channel();
        let beside = Arc::clone(&courier);
        let task = tokio::spawn(async move {
            let over = async {
                // An end that nobody tells is an end too.
                let _ = told.await;
            };
            beside.run(over).await;
        });
        Sending { running: Some(Running { courier, grace, over, task }) }
    }

    /// Sends what is left after work that came to `outcome`, which stays what it is.
    pub(crate) async fn after<T>(self, outcome: T) -> T {
        let Some(Running { courier, grace, over, task }) = self.running else { return outcome };
        let _ = over.send(());
        let _ = task.await;
        courier.finish(grace).await;
        outcome
    }
}
