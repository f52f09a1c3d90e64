//! A data directory and a database of their own, and the command that works on them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::Broker;

const PORT: u16 = 19150;

/// A state that does not come by then never comes.
const PATIENCE: Duration = Duration::from_secs(180);

/// Reads what is there.
pub(crate) const RUN: [&str; 5] = ["run", "stream", "--pipeline", "ecommerce", "--governed"];

/// Goes on until it is told to stop.
pub(crate) const FOLLOW: [&str; 6] =
    ["run", "stream", "--pipeline", "ecommerce", "--governed", "--follow"];

pub(crate) struct Shop {
    folder: tempfile::TempDir,
    /// The server, with a slash behind it.
    server: String,
    database: String,
    /// Who works there, who may be less than the one that made the database.
    pub(crate) user: String,
    /// Whoever made the database drops it.
    made: bool,
}

/// On the server of all tests, and the embedded log; None, and a word of why, where there is none.
pub(crate) fn shop(name: &str) -> Option<Shop> {
    shop_at(name, None, &shared_server()?)
}

/// On a broker, and the server of all tests.
pub(crate) fn shop_on(name: &str, broker: &Broker) -> Option<Shop> {
    shop_at(name, Some(broker), &shared_server()?)
}

pub(crate) fn shop_at(name: &str, broker: Option<&Broker>, server: &str) -> Option<Shop> {
    let shop = Shop {
        folder: tempfile::tempdir().unwrap(),
        server: server.to_owned(),
        database: format!("stream_{name}_{}", std::process::id()),
        user: "postgres".to_owned(),
        made: true,
    };
    if let Some(broker) = broker {
        let settings = format!("log: {}\n", broker.log());
        std::fs::write(shop.path("assay.yaml"), settings).unwrap();
    }
    asked(server, "postgres", &format!("CREATE DATABASE {}", shop.database)).unwrap();
    shop.done(&["db", "migrate", "--pipeline", "ecommerce"]);
    Some(shop)
}

fn shared_server() -> Option<String> {
    let there = std::net::TcpStream::connect(("127.0.0.1", PORT)).is_ok();
    let client = Command::new("psql").arg("--version").output().is_ok();
    if there && client {
        return Some(format!("127.0.0.1:{PORT}/"));
    }
    may_be_skipped("no Postgres; ./dev services start postgres");
    None
}

/// Says why a test is skipped, unless it must not be.
pub(crate) fn may_be_skipped(why: &str) {
    let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
    let named = required.to_string_lossy().split(',').any(|name| name == "postgres");
    assert!(!named, "postgres is required: {why}");
    println!("skipped: {why}");
}

/// What psql answers, or says.
fn asked(server: &str, database: &str, sql: &str) -> Result<String, String> {
    let address = format!("postgres://postgres@{server}{database}");
    let output = Command::new("psql")
        .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", &address, "-c", sql])
        .output()
        .unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(told(&output.stdout)),
        false => Err(format!("{sql}: {}", told(&output.stderr))),
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if self.made {
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
            // A server that is gone has taken it along.
            let _ = asked(&self.server, "postgres", &drop);
        }
    }
}

impl Shop {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        asked(&self.server, &self.database, sql).unwrap()
    }

    /// The number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> u64 {
        self.sql(sql).parse().unwrap()
    }

    /// Waits until a query says `t`.
    pub(crate) fn until(&self, sql: &str) {
        assert!(self.comes_to(sql, PATIENCE), "it did not come to: {sql}");
    }

    /// Whether it says so within this time.
    pub(crate) fn comes_to(&self, sql: &str, patience: Duration) -> bool {
        let start = Instant::now();
        // A server may be away meanwhile.
        while asked(&self.server, &self.database, sql).as_deref() != Ok("t") {
            if start.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// A session that does this and then does not end.
    pub(crate) fn holds(&self, sql: &str) -> Child {
        let wait = format!("{sql}; SELECT pg_sleep(600)");
        let mut command = Command::new("psql");
        let address = format!("postgres://postgres@{}{}", self.server, self.database);
        command.args(["-qAtX", "-1", "-d", &address, "-c", &wait]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Another host that has the same messages, and shares the database only.
    pub(crate) fn beside(&self) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let copied =
            Command::new("cp").arg("-r").arg(self.path("data")).arg(folder.path()).status();
        assert!(copied.unwrap().success());
        let (server, database) = (self.server.clone(), self.database.clone());
        Shop { folder, server, database, user: self.user.clone(), made: false }
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn address(&self) -> String {
        format!("postgres://{}@{}{}", self.user, self.server, self.database)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .args(arguments)
            .env("ASSAY_DATA_DIR", self.path("data"))
            .env("ASSAY_POSTGRES", self.address())
            .env_remove("ASSAY_CONFIG")
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// A generator that goes on while something is done to others.
    pub(crate) fn sends(&self, rate: &str, count: &str, seed: &str) -> Worker {
        let what = ["generate", "ecommerce", "--follow", "--rate", rate, "--count", count];
        let shares = ["--defects", "3%", "--late", "2%", "--duplicates", "3%", "--seed", seed];
        self.worker(&[&what[..], &shares].concat())
    }

    /// Reads what is left, and holds all against the truth.
    pub(crate) fn exact(&self) {
        self.done(&RUN);
        let outcome = self.verified();
        assert_ne!(outcome["events"], 0);
        assert_eq!(self.sql("SELECT count(*) FROM event_traces"), outcome["events"].to_string());
    }

    /// From now on somebody works there who may do no more than a stream needs.
    pub(crate) fn has_clerk(&mut self, name: &str) {
        self.sql(&format!(
            "CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA assay TO {name}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA assay, public TO {name}"
        ));
        self.user = name.to_owned();
    }

    /// A process that is signalled and waited for; what it says is in a file.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Worker {
        let place = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let (file, said) = place.keep().unwrap();
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Worker { child, said }
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
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

    /// Waits until a generator has sent all.
    pub(crate) fn ended(mut self) {
        assert_eq!(self.end(), Some(0));
    }

    /// Tells a generator to stop.
    pub(crate) fn stops(mut self) {
        self.signal("-TERM");
        assert_eq!(self.end(), Some(0));
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
