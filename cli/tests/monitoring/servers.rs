use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::web::{get, wait};

/// What the script answers when the programs can't be had.
const SKIPPED: i32 = 3;

/// The folder of Prometheus' programs; none when they can't be had, and are not required.
pub(crate) fn programs() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let script = root().join("tests/services/prometheus.sh");
        let found = Command::new(script).arg("path").stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        if found.status.code() == Some(SKIPPED) {
            let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
            let mut required = required.to_str().unwrap_or_default().split(',');
            assert!(!required.any(|name| name == "prometheus"), "{said}");
            println!("{said}");
            return None;
        }
        assert!(found.status.success(), "{found:?}");
        Some(PathBuf::from(said))
    };
    FOUND.get_or_init(find).as_deref()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs one of the programs that only check.
pub(crate) fn check(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(root()).output().unwrap()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A server that goes with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Server {
    /// `{port}` and `{folder}` stand in the arguments for where it is.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Server {
        Server::at(free_port(), program, arguments)
    }

    pub(crate) fn at(port: u16, program: &Path, arguments: &[&str]) -> Server {
        let folder = TempDir::new().unwrap();
        let place = folder.path().display().to_string();
        let argument =
            |text: &&str| text.replace("{port}", &port.to_string()).replace("{folder}", &place);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .args(arguments.iter().map(argument))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Server { child, port, _folder: folder };
        wait("server that is ready", 20, || get(port, "/-/ready"));
        server
    }

    pub(crate) fn pushgateway(programs: &Path) -> Server {
        Server::pushgateway_at(free_port(), programs)
    }

    /// Without a file: Debian's would keep groups from one test to the next.
    pub(crate) fn pushgateway_at(port: u16, programs: &Path) -> Server {
        let program = programs.join("prometheus-pushgateway");
        let arguments = ["--web.listen-address=127.0.0.1:{port}", "--persistence.file="];
        Server::at(port, &program, &arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
