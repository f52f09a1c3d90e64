//! The figures of the shop: the real stream into a real Postgres, every panel shows something to a
//! user who may only read, and what is late or not read is told by the real Prometheus.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::alertmanager;
use crate::hook::Hook;
use crate::office::Office;
use crate::servers::{Server, programs, root};
use crate::web::{query, wait};
use crate::whole::{chosen, prometheus};

/// Where tests/services/postgres.sh has it.
const PORT: u16 = 19150;

const STREAM: [&str; 5] = ["run", "stream", "--pipeline", "ecommerce", "--governed"];

/// A database that goes with the test, and a user who may only read in it.
struct Database {
    name: String,
}

impl Database {
    /// None, and a word of why, where there is no Postgres.
    fn make() -> Option<Database> {
        let there = TcpStream::connect(("127.0.0.1", PORT)).is_ok();
        if !there || Command::new("psql").arg("--version").output().is_err() {
            let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
            assert!(!required.to_string_lossy().contains("postgres"), "there is no Postgres");
            println!("skipped: no Postgres; ./dev services start postgres");
            return None;
        }
        let database = Database { name: format!("business_{}", std::process::id()) };
        psql("postgres", &format!("CREATE DATABASE {}", database.name));
        psql("postgres", &format!("CREATE ROLE {}", database.reader()));
        Some(database)
    }

    fn reader(&self) -> String {
        format!("reader_of_{}", self.name)
    }

    fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{PORT}/{}", self.name)
    }

    /// What the provisioning file says that the user of Grafana needs.
    fn grant(&self) {
        let file = "dashboards/grafana/provisioning/datasources/postgres.yml";
        let text = fs::read_to_string(root().join(file)).unwrap();
        let said = text.lines().filter_map(|line| line.strip_prefix("#   "));
        let grants: String = said.filter(|line| line.starts_with("GRANT ")).collect();
        assert_eq!(grants.matches("grafana_reader").count(), 2, "{grants}");
        psql(&self.name, &grants.replace("grafana_reader", &self.reader()));
    }

    /// The rows of an answer, below the names of its columns.
    fn read(&self, sql: &str) -> Vec<Vec<String>> {
        let said = psql(&self.name, &format!("SET ROLE {}; {sql}", self.reader()));
        said.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        psql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        psql("postgres", &format!("DROP ROLE IF EXISTS {}", self.reader()));
    }
}

fn psql(database: &str, sql: &str) -> String {
    let address = format!("postgres://postgres@127.0.0.1:{PORT}/{database}");
    let mut psql = Command::new("psql");
    psql.args(["-qX", "--csv", "-v", "ON_ERROR_STOP=1", "-d", &address]);
    // Each in a transaction of its own.
    for sql in sql.split_inclusive(';') {
        psql.args(["-c", sql]);
    }
    let said = psql.output().unwrap();
    assert!(said.status.success(), "{sql}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn the_figures_of_the_shop_are_shown_and_what_is_late_or_unread_is_told() {
    let Some(programs) = programs() else { return };
    let Some(database) = Database::make() else { return };
    let (hook, folder) = (Hook::open(), TempDir::new().unwrap());
    let gateway = Server::pushgateway(programs);
    let alertmanager = alertmanager::start(programs, &hook, folder.path());
    let shop = Office::open(&format!(
        "pushgateway: {{url: \"http://127.0.0.1:{}\", env: test}}\npostgres: {{url: \"{}\"}}\n",
        gateway.port,
        database.address()
    ));
    shop.fine(&["db", "migrate", "--pipeline", "ecommerce"]);
    database.grant();
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    let jobs = [("pushgateway", gateway.port)];
    let prometheus = prometheus(programs, &rules, alertmanager.port, &jobs);
    let told = |alert: &str, state: &str, label: (&str, &str)| {
        wait(&format!("{alert} {state}"), 90, || {
            // Ages are as old as the last push.
            shop.fine(&["metrics", "--push"]);
            hook.heard_of("tickets", alert, state, label)
        })
    };

    // Ten minutes of the shop, in which something holds many events up.
    let generate = ["generate", "ecommerce", "--rate", "5"];
    shop.fine(&[&generate[..], &["--count", "3000", "--late", "8%"]].concat());
    shop.fine(&STREAM);
    told("AssayLateRows", "firing", ("severity", "warning"));

    // More comes, and nobody reads it.
    shop.fine(&[&generate[..], &["--count", "500", "--late", "0%", "--seed", "7"]].concat());
    let stream = ("group", "ecommerce/stream");
    let lag = told("AssayConsumerLagOld", "firing", stream);
    assert_eq!(lag["labels"]["topic"], "events_raw", "{lag}");
    every_panel_shows_something(&database, prometheus.port);

    shop.fine(&STREAM);
    told("AssayConsumerLagOld", "resolved", stream);
}

fn every_panel_shows_something(database: &Database, prometheus: u16) {
    let path = root().join("dashboards/grafana/assay-business.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().unwrap();
            asked += 1;
            if let Some(expression) = target["expr"].as_str() {
                assert!(
                    !query(prometheus, &chosen(expression)).is_empty(),
                    "{title}: {expression}"
                );
                continue;
            }
            let sql = of_a_day(target["rawSql"].as_str().unwrap());
            let table = database.read(&sql);
            let (names, rows) = table.split_first().unwrap();
            let full = |row: &&Vec<String>| row.iter().all(|value| !value.is_empty());
            let row = rows.iter().find(full).unwrap_or_else(|| panic!("{title}: {table:?}"));
            // Lines need a time to stand at, and numbers.
            if target["format"] == "time_series" {
                assert_eq!(names[0], "time", "{title}");
                assert!(row[1..].iter().all(|value| value.parse::<f64>().is_ok()), "{title}");
            }
        }
    }
    assert!(asked > 12, "only {asked} queries");
}

/// What Grafana makes of the chosen time, when it is the last day.
fn of_a_day(sql: &str) -> String {
    let mut parts = sql.split("$__timeFilter(");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (column, rest) = part.split_once(')').unwrap();
        text.push_str(&format!(
            "{column} BETWEEN timezone('UTC', now()) - interval '1 day' AND timezone('UTC', now()) + interval '1 hour'{rest}"
        ));
    }
    text
}
