use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

/// What the script answers when Kafka can't be had.
const SKIPPED: i32 = 3;

/// A broker that goes with the test.
pub(crate) struct Broker {
    /// The first of six; the fifth tells clients to come to the sixth, where a proxy may be.
    port: u16,
    folder: TempDir,
}

impl Broker {
    /// None when it can't be had, and is not required.
    pub(crate) fn start() -> Option<Broker> {
        let broker = Broker { port: free_ports(), folder: TempDir::new().unwrap() };
        let started = broker.command("start");
        if started.status.code() == Some(SKIPPED) {
            let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
            let why = String::from_utf8_lossy(&started.stdout).into_owned();
            assert!(!required.to_string_lossy().split(',').any(|name| name == "kafka"), "{why}");
            print!("{why}");
            return None;
        }
        assert!(started.status.success(), "{started:?}");
        Some(broker)
    }

    pub(crate) fn command(&self, what: &str) -> Output {
        self.script().arg(what).output().unwrap()
    }

    pub(crate) fn script(&self) -> Command {
        let mut script = Command::new(root().join("tests/services/kafka.sh"));
        script
            .env("ASSAY_KAFKA_PORT", self.port.to_string())
            .env("ASSAY_KAFKA_PROXY", self.proxy().to_string())
            .env("ASSAY_KAFKA_STATE", self.folder.path())
            .stdin(Stdio::null());
        script
    }

    pub(crate) fn log(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port)
    }

    /// Where users log in over TLS.
    pub(crate) fn of_users(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port + 2)
    }

    /// Where clients show a certificate.
    pub(crate) fn of_certificates(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port + 3)
    }

    /// A certificate or key that came with the broker.
    pub(crate) fn certificate(&self, name: &str) -> String {
        self.folder.path().join("tls").join(name).display().to_string()
    }

    /// Where the proxy has to bring its clients.
    pub(crate) fn behind_proxy(&self) -> u16 {
        self.port + 4
    }

    /// Where a proxy has to listen.
    pub(crate) fn proxy(&self) -> u16 {
        self.port + 5
    }

    /// Goes away as by a loss of power, and comes back after so long.
    pub(crate) fn is_dead_for(&self, time: Duration) {
        self.command("kill");
        std::thread::sleep(time);
        assert!(self.command("start").status.success());
    }

    /// Runs one of Kafka's own tools.
    pub(crate) fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let at = format!("127.0.0.1:{}", self.port);
        let mut script = self.script();
        script.args(["tool", class, "--bootstrap-server", &at]).args(arguments);
        let told = script.output().unwrap();
        assert!(told.status.success(), "{told:?}");
        String::from_utf8(told.stdout).unwrap()
    }

    /// Does something with topics: `kafka-topics.sh`.
    pub(crate) fn topics(&self, arguments: &[&str]) {
        self.tool("org.apache.kafka.tools.TopicCommand", arguments);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.command("kill");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The first of six ports in a row that nobody has. No two tests get the same.
fn free_ports() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let first = 19_300 + TAKEN.fetch_add(1, Ordering::SeqCst) * 6;
        if (first..first + 6).all(free) {
            return first;
        }
    }
}
