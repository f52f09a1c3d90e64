//! A store in PostgreSQL: that all is as in a file, and what only many hosts can do.

use std::process::Command;

use assay_core::{Fault, RunStatus};
use assay_store::{EventKind, RunFilter, Store};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use crate::home::DATABASE;
use crate::sample::{at, dataset, end, event, processed, run, telling};

const SERVER: &str = "postgres://postgres@127.0.0.1:19150";

/// A database of its own, which goes when it is dropped.
struct Database(String);

impl Database {
    /// None, and a word of why, where there is no server.
    async fn new(name: &str) -> Option<Database> {
        let Ok(mut connection) = PgConnection::connect(&format!("{SERVER}/postgres")).await else {
            let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
            assert!(!required.to_string_lossy().contains("postgres"), "postgres is required");
            println!("skipped: no Postgres; ./dev services start postgres");
            return None;
        };
        let name = format!("store_{name}_{}", std::process::id());
        // Of another language than SQLite's, which has the order of bytes.
        let make = format!(
            "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu \
                            ICU_LOCALE 'en-US' LOCALE 'C.UTF-8' ENCODING 'UTF8'"
        );
        connection.execute(sqlx::raw_sql(&make)).await.unwrap();
        Some(Database(name))
    }

    fn address(&self) -> String {
        format!("{SERVER}/{}", self.0)
    }

    async fn ask(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.address()).await.unwrap();
        connection.execute(sqlx::raw_sql(sql)).await.unwrap();
    }

    async fn store(&self) -> Store {
        Store::connect(&self.address(), None).await.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.0);
        let gone = async move {
            let mut connection = PgConnection::connect(&format!("{SERVER}/postgres")).await?;
            connection.execute(sqlx::raw_sql(&drop)).await.map(|_| ())
        };
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(gone).unwrap();
        });
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn all_that_holds_of_a_file_holds_of_a_server() {
    if std::env::var_os(DATABASE).is_some() {
        return;
    }
    let Some(database) = Database::new("as_files").await else { return };
    // What is about files, and these.
    let others = ["migrating::", "opening::", "processes::", "version_1::", "in_postgres::"];
    let output = Command::new(std::env::current_exe().unwrap())
        .args(others.iter().flat_map(|other| ["--skip", other]))
        // A server takes a hundred connections, and each store has some.
        .args(["--test-threads", "4"])
        .env(DATABASE, database.address())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("0 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_make_it_and_tell_the_same_commits_at_once_count_each_once() {
    let Some(database) = Database::new("at_once").await else { return };
    let host = |number: u64| {
        let address = database.address();
        tokio::spawn(async move {
            let store = Store::connect(&address, None).await.unwrap();
            let own = run(number, "parse");
            store.start_run(&own, at(0), &[], &[]).await.unwrap();
            for sequence in 1..=25 {
                store.tell(&telling(&run(1, "parse"), sequence)).await.unwrap();
            }
            store.end_run(&end(&own, RunStatus::Complete), &[], &[]).await.unwrap();
            store.close().await;
        })
    };
    for host in (1..=6).map(host).collect::<Vec<_>>() {
        host.await.unwrap();
    }
    let store = database.store().await;
    let told = store.told(&dataset("silver.github_events")).await.unwrap().unwrap();
    assert_eq!(told.sequence, 25);
    assert_eq!(processed(&store).await, 9.0 * 25.0);
    assert_eq!(store.event_counts().await.unwrap().values().sum::<u64>(), 25);
    assert_eq!(store.latest_runs().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_many_hosts_have_numbers_without_gaps_or_doubles() {
    let Some(database) = Database::new("numbers").await else { return };
    let host = |number: u64| {
        let address = database.address();
        tokio::spawn(async move {
            let store = Store::connect(&address, None).await.unwrap();
            let store = store.sending_to(&["marquez".to_owned()], at(-1)).await.unwrap();
            for each in 0..20 {
                let run = run(number * 100 + each, "parse");
                let event = event(number * 100 + each, &run, EventKind::JobStart, 1);
                store.start_run(&run, at(0), &[event], &[]).await.unwrap();
            }
        })
    };
    for host in (1..=4).map(host).collect::<Vec<_>>() {
        host.await.unwrap();
    }
    let store = database.store().await;
    let waiting = store.outbox(&assay_store::Chosen::default(), 1000).await.unwrap();
    let numbers: Vec<u64> = waiting.iter().map(|delivery| delivery.sequence).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_text_that_the_server_can_not_keep_stops_nothing() {
    let Some(database) = Database::new("zero").await else { return };
    let store = database.store().await;
    let run = run(1, "parse");
    let mut event = event(1, &run, EventKind::Transformation, 1);
    event.inputs = vec!["bronze.a\0b".into()];
    store.start_run(&run, at(0), &[event], &[]).await.unwrap();
    assert_eq!(store.edges().await.unwrap()[0].input, "bronze.a\u{2400}b");
}

#[tokio::test]
async fn texts_are_in_the_order_of_their_bytes_whatever_the_language() {
    let Some(database) = Database::new("order").await else { return };
    let store = database.store().await;
    let run = run(1, "parse");
    let named = |(number, name): (u64, &str)| {
        let mut event = event(number, &run, EventKind::Transformation, 1);
        event.inputs = vec![name.to_owned()];
        event
    };
    let events: Vec<_> = [(1, "b"), (2, "a"), (3, "B"), (4, "_c"), (5, "ä")].map(named).into();
    store.start_run(&run, at(0), &events, &[]).await.unwrap();
    let edges = store.edges().await.unwrap();
    let inputs: Vec<&str> = edges.iter().map(|edge| edge.input.as_str()).collect();
    assert_eq!(inputs, ["B", "_c", "a", "b", "ä"]);
}

#[tokio::test]
async fn what_can_not_be_used_is_refused_with_what_to_do() {
    let Some(database) = Database::new("refused").await else { return };
    database.store().await.close().await;
    database.ask("UPDATE assay_store.store_version SET version = version + 1").await;
    let refused = async |settings: &str| {
        let address = format!("{}{settings}", database.address());
        let error = Store::connect(&address, None).await.unwrap_err();
        (error.fault(), error.to_string())
    };
    let (fault, said) = refused("").await;
    assert_eq!(fault, Fault::Permanent);
    assert!(said.contains("newer Assay") && said.contains("?schema=assay_store"), "{said}");

    database.ask("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)").await;
    let (fault, said) = refused("?schema=shop").await;
    assert_eq!(fault, Fault::Permanent);
    assert!(said.contains("something else"), "{said}");
    // Nothing was made there.
    let mut connection = PgConnection::connect(&database.address()).await.unwrap();
    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'shop'";
    assert_eq!(connection.fetch_one(tables).await.unwrap().get::<i64, _>(0), 1);

    let (_, said) = refused("_not_there").await;
    assert!(said.contains("CREATE DATABASE"), "{said}");
    let error = Store::connect("postgres://postgres@127.0.0.1:1/x", None).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    assert!(error.to_string().contains("host and port"), "{error}");
    // Who may not see the schema is not told that it is no store.
    let role = format!("nobody_{}", std::process::id());
    database.ask(&format!("CREATE ROLE {role} LOGIN")).await;
    let address = database.address().replace("postgres@", &format!("{role}@"));
    let said = Store::connect(&address, None).await.unwrap_err().to_string();
    database.ask(&format!("DROP ROLE {role}")).await;
    assert!(said.contains("permission denied") && said.contains("own the schema"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_in_vain_for_the_write_lock_goes_on_afterwards() {
    let Some(database) = Database::new("lock").await else { return };
    let store = database.store().await;
    // As another host has it, and does not let go of it.
    let mut other = PgConnection::connect(&database.address()).await.unwrap();
    let lock = "SELECT pg_advisory_lock(hashtextextended('assay store assay_store', 0))";
    other.execute(sqlx::raw_sql(lock)).await.unwrap();
    let impatient = format!("{}?options=-c%20lock_timeout%3D100ms", database.address());
    let waiting = Store::connect(&impatient, None).await.unwrap();
    for _ in 0..20 {
        let error = waiting.tell(&telling(&run(1, "parse"), 1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        // Who looks waits for nobody.
        assert_eq!(waiting.runs(&RunFilter::default()).await.unwrap(), []);
    }
    other.close().await.unwrap();
    assert!(waiting.tell(&telling(&run(1, "parse"), 1)).await.unwrap());
    assert_eq!(processed(&store).await, 9.0);
}
