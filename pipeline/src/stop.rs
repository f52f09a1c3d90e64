use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::Sender;

/// Asks long work to stop at the next place where nothing is half done.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Sender<Asked>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Nothing,
    /// To read no more, and to commit what was read.
    Drain,
    /// To drop the open batch.
    Stop,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop(Arc::new(Sender::new(Asked::Nothing)))
    }
}

impl Stop {
    /// Asks to stop and to drop what is not committed.
    pub fn ask(&self) {
        self.0.send_replace(Asked::Stop);
    }

    /// Asks a stage that follows to read no more, to commit what it has read, and to end.
    pub fn drain(&self) {
        self.0.send_modify(|asked| *asked = Asked::Drain.max(*asked));
    }

    pub fn asked(&self) -> bool {
        *self.0.borrow() == Asked::Stop
    }

    /// Whether nothing more is to be begun.
    pub fn draining(&self) -> bool {
        *self.0.borrow() >= Asked::Drain
    }

    /// Sleeps that long; not a moment longer when it is asked to end meanwhile.
    pub async fn sleep(&self, time: Duration) {
        let mut asked = self.0.subscribe();
        let asked = asked.wait_for(|asked| *asked >= Asked::Drain);
        // The sender lives as long as this does, so there is no end without having been asked.
        let _ = tokio::time::timeout(time, asked).await;
    }
}
