//! A data directory and a database of their own, and the command that works on them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PORT: u16 = 19150;

/// A state that does not come by then never comes.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Shop {
    folder: tempfile::TempDir,
    database: String,
    /// Whoever made the database drops it.
    made: bool,
}

/// None, and a word of why, where there is no Postgres.
pub(crate) fn shop(name: &str) -> Option<Shop> {
    let there = std::net::TcpStream::connect(("127.0.0.1", PORT)).is_ok();
    let client = Command::new("psql").arg("--version").output().is_ok();
    if !there || !client {
        let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
        assert!(
            !required.to_string_lossy().contains("postgres"),
            "postgres is required and is not there"
        );
        println!("skipped: no Postgres; ./dev services start postgres");
        return None;
    }
    let shop = Shop {
        folder: tempfile::tempdir().unwrap(),
        database: format!("stream_{name}_{}", std::process::id()),
        made: true,
    };
    psql("postgres", &format!("CREATE DATABASE {}", shop.database));
    shop.done(&["db", "migrate", "--pipeline", "ecommerce"]);
    Some(shop)
}

fn psql(database: &str, sql: &str) -> String {
    let address = format!("postgres://postgres@127.0.0.1:{PORT}/{database}");
    let output = Command::new("psql")
        .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", &address, "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !self.made {
            return;
        }
        psql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database));
    }
}

impl Shop {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        psql(&self.database, sql)
    }

    /// Waits until a query says `t`.
    pub(crate) fn until(&self, sql: &str) {
        let start = Instant::now();
        while self.sql(sql) != "t" {
            assert!(start.elapsed() < PATIENCE, "it did not come to: {sql}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A session that does this and then does not end.
    pub(crate) fn holds(&self, sql: &str) -> Child {
        let wait = format!("{sql}; SELECT pg_sleep(600)");
        let mut command = Command::new("psql");
        command.args(["-qAtX", "-1", "-d", &self.address(), "-c", &wait]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Another host that has the same messages, and shares the database only.
    pub(crate) fn beside(&self) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let copied =
            Command::new("cp").arg("-r").arg(self.path("data")).arg(folder.path()).status();
        assert!(copied.unwrap().success());
        Shop { folder, database: self.database.clone(), made: false }
    }

    fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{PORT}/{}", self.database)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .args(arguments)
            .env("ASSAY_DATA_DIR", self.path("data"))
            .env("ASSAY_POSTGRES", self.address())
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// A process that is signalled and waited for; what it says is in a file.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Worker {
        let place = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let (file, said) = place.keep().unwrap();
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Worker { child, said }
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "{arguments:?} should have failed");
        // A sentence may be broken over lines.
        String::from_utf8(output.stderr).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.done(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn generates(&self, arguments: &[&str]) {
        self.done(&[&["generate", "ecommerce"], arguments].concat());
    }

    /// What `assay verify` says, which finds no mistake.
    pub(crate) fn verified(&self) -> Value {
        let outcome = self.json(&["verify", "ecommerce"]);
        assert_eq!(outcome["mistakes"], serde_json::json!([]));
        outcome
    }
}

pub(crate) struct Worker {
    child: Child,
    said: PathBuf,
}

impl Worker {
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Its code, None when it was killed.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            let said = std::fs::read_to_string(&self.said).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "it does not end: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process said that ended well.
pub(crate) fn ended(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}
