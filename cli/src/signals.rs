//! Signals that ask a service to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears when somebody asks to stop, from the moment on when it is made.
pub(crate) struct Asked {
    interrupt: Signal,
    terminate: Signal,
}

impl Asked {
    pub(crate) fn listen() -> std::io::Result<Asked> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Asked { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    pub(crate) async fn once(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits to be asked to stop, and says so. Whoever asks twice does not want to wait.
    pub(crate) async fn stopped(mut self, saying: &'static str) {
        self.once().await;
        eprintln!("{saying}");
        tokio::spawn(async move {
            self.once().await;
            std::process::exit(crate::exit::INTERRUPTED.into());
        });
    }
}
