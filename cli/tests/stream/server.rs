//! A server of Postgres that goes with the test.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::shop;

/// What the script answers when Postgres can't be had.
const SKIPPED: i32 = 3;

pub(crate) struct Server {
    port: u16,
    folder: TempDir,
}

impl Server {
    /// None when it can't be had, and is not required.
    pub(crate) fn start() -> Option<Server> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        // Its user is another one than that of the test, and must be able to go there.
        let open = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        let server = Server { port, folder };
        let started = server.command("start");
        if started.status.code() == Some(SKIPPED) {
            shop::may_be_skipped(&String::from_utf8_lossy(&started.stdout));
            return None;
        }
        assert!(started.status.success(), "{started:?}");
        Some(server)
    }

    /// `start`, `stop`, or `kill`, which is as a loss of power.
    pub(crate) fn command(&self, what: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/postgres.sh");
        Command::new(script)
            .arg(what)
            .env("ASSAY_POSTGRES_PORT", self.port.to_string())
            .env("ASSAY_POSTGRES_STATE", self.folder.path().join("data"))
            .env("ASSAY_POSTGRES_OPTIONS", "-c ssl=on -c listen_addresses=127.0.0.1,127.0.0.2")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What stands before the name of a database.
    pub(crate) fn place(&self) -> String {
        format!("127.0.0.1:{}/", self.port)
    }

    /// The same by its other name.
    pub(crate) fn by_name(&self) -> String {
        format!("localhost:{}/", self.port)
    }

    /// The same by a name that its certificate does not have.
    pub(crate) fn elsewhere(&self) -> String {
        format!("127.0.0.2:{}/", self.port)
    }

    /// The certificate of an authority that came with the server.
    pub(crate) fn authority(&self, name: &str) -> String {
        self.folder.path().join("data").join(name).display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.command("kill");
    }
}
