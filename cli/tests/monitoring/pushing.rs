//! What arrives at a real Pushgateway, whatever happens to it and to us.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use assay_metrics::{Gateway, Lag, Observed, push};
use assay_store::Total;

use crate::exposition::{Series, read};
use crate::office::{Office, RUN};
use crate::servers::{Server, check, programs};
use crate::web::get;

fn settings(port: u16, env: &str) -> String {
    format!("pushgateway:\n  url: http://127.0.0.1:{port}\n  env: {env}\n  timeout_seconds: 1\n")
}

/// What a gateway has of us.
fn pushed(gateway: &Server) -> BTreeMap<Series, f64> {
    read(&get(gateway.port, "/metrics").unwrap())
}

/// Without what grows with the time.
fn lasting(series: &BTreeMap<Series, f64>) -> BTreeMap<Series, f64> {
    let ages = |((name, _), _): &(&Series, &f64)| !name.ends_with("age_seconds");
    series.iter().filter(ages).map(|(series, value)| (series.clone(), *value)).collect()
}

#[test]
fn the_gateway_has_what_the_command_shows_and_one_group_for_each_pipeline() {
    let Some(programs) = programs() else { return };
    let gateway = Server::pushgateway(programs);
    let office = Office::open(&settings(gateway.port, "one"));
    office.ingest(300, 1, "5%");
    office.fine(&RUN);
    let shown = lasting(&read(&office.fine(&["metrics"])));
    assert!(shown.len() > 100, "{shown:?}");
    assert_eq!(lasting(&pushed(&gateway)), shown);

    // Several processes at once: each waits for its turn.
    let all: Vec<_> =
        (0..4).map(|_| office.command(&["metrics", "--push"]).spawn().unwrap()).collect();
    for mut child in all {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(lasting(&pushed(&gateway)), shown);

    // Another name of the installation: what stood under the old one is gone.
    office.settle(&settings(gateway.port, "two"));
    office.fine(&["metrics", "--push"]);
    let text = get(gateway.port, "/metrics").unwrap();
    assert!(text.contains("env=\"two\"") && !text.contains("env=\"one\""), "{text}");

    // Metrics that are not asked for are not pushed.
    office.settle(&settings(gateway.port, "three"));
    office.fine(&["run", "all", "--pipeline", "github_events", "--enable-dlq"]);
    assert!(!get(gateway.port, "/metrics").unwrap().contains("env=\"three\""));
}

#[test]
fn a_gateway_that_is_away_or_slow_fails_nothing_and_costs_at_most_its_limit() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let office = Office::open("");
    office.ingest(200, 2, "0%");
    let timed = |arguments: &[&str]| {
        let start = Instant::now();
        let done = office.assay(arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), said, start.elapsed())
    };
    office.settle(&settings(silent.local_addr().unwrap().port(), "x"));
    let (code, said, took) = timed(&RUN);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("did not answer within 1 s") || said.contains("too slow"), "{said}");
    // The same again, with nothing new and nobody to tell.
    office.settle("");
    let (_, _, alone) = timed(&RUN);
    assert!(took < alone + Duration::from_secs(30), "{took:?}, and alone {alone:?}");

    office.settle(&settings(crate::servers::free_port(), "x"));
    let (code, said, _) = timed(&RUN);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("can't be reached"), "{said}");
    let (code, said, _) = timed(&["metrics", "--push"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the metrics were not pushed"), "{said}");
}

/// Kills a run at ten moments drawn by chance, or as many as `ASSAY_KILLS` says: a number at the
/// gateway never goes back, and at the end all of them are those of the tables.
#[test]
fn runs_that_are_killed_lose_and_double_no_metric() {
    let Some(programs) = programs() else { return };
    let gateway = Server::pushgateway(programs);
    let office = Office::open(&settings(gateway.port, "killed"));
    let mut counters: BTreeMap<Series, f64> = BTreeMap::new();
    let mut chance = 7_u64;
    let times = std::env::var_os("ASSAY_KILLS");
    let times = times.and_then(|times| times.to_str()?.parse().ok()).unwrap_or(10);
    let mut killed = 0;
    for round in 0..times {
        if round % 3 == 0 {
            office.ingest(150, round + 1, "5%");
        }
        let mut run =
            office.command(&RUN).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(150 + (chance >> 33) % 900));
        let _ = run.kill();
        killed += u32::from(run.wait().unwrap().code().is_none());
        let now = pushed(&gateway);
        for (series, before) in &counters {
            assert!(now.get(series) >= Some(before), "round {round}: {series:?} went back");
        }
        counters = now;
        counters.retain(|(name, _), _| name.ends_with("_total") || name.ends_with("_count"));
    }
    println!("of {times} runs {killed} were killed before their end");
    office.fine(&RUN);
    let now = pushed(&gateway);
    assert_eq!(lasting(&now), lasting(&read(&office.fine(&["metrics"]))));
    for (stage, table) in
        [("land", "bronze.github_events"), ("parse", "silver.github_events_parsed")]
    {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        let rows = office.fine(&["query", &sql, "-o", "json"]);
        let rows: Vec<BTreeMap<String, f64>> = serde_json::from_str(&rows).unwrap();
        let labels = [("pipeline", "github_events"), ("stage", stage)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let series = ("records_processed_total".to_owned(), BTreeMap::from(labels));
        assert_eq!(now[&series], rows[0]["n"], "{table}");
    }
}

#[test]
fn a_gateway_that_lost_everything_has_it_again_after_the_next_push() {
    let Some(programs) = programs() else { return };
    let gateway = Server::pushgateway(programs);
    let office = Office::open(&settings(gateway.port, "one"));
    office.ingest(100, 3, "0%");
    office.fine(&RUN);
    let before = lasting(&pushed(&gateway));
    let port = gateway.port;
    drop(gateway);
    let gateway = Server::pushgateway_at(port, programs);
    assert_eq!(pushed(&gateway), BTreeMap::new());
    office.fine(&["metrics", "--push"]);
    assert_eq!(lasting(&pushed(&gateway)), before);
}

#[test]
fn strange_names_arrive_as_they_are() {
    let Some(programs) = programs() else { return };
    let gateway = Server::pushgateway(programs);
    let to = Gateway::new(&format!("http://127.0.0.1:{}", gateway.port), Duration::from_secs(5));
    let names = ["a/b", "", "..", "say \"no\"", "two\nlines", "back\\slash", "📈 ü"];
    let total = |name: &&str| Total {
        name: "records_processed_total".to_owned(),
        labels: [("pipeline", *name), ("stage", *name)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        value: 1.0,
    };
    let lag = |name: &&str| Lag {
        group: (*name).to_owned(),
        topic: "t".repeat(10_000),
        partition: 0,
        messages: 3,
        seconds: None,
    };
    let observed = Observed {
        totals: names.iter().map(total).collect(),
        lags: names.iter().map(lag).collect(),
        ..Observed::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(push(&to.unwrap(), "ü/x", &observed, &BTreeSet::new())).unwrap();
    assert_eq!(done.outcome, Ok(()));
    let pushed = pushed(&gateway);
    for name in names {
        let with = |label: &str| {
            pushed.keys().any(|(_, labels)| labels.get(label).is_some_and(|value| value == name))
        };
        // An empty label is none.
        assert!(name.is_empty() || (with("pipeline") && with("stage") && with("group")), "{name}");
    }
    let now = runtime.block_on(push(
        &Gateway::new(&format!("http://127.0.0.1:{}", gateway.port), Duration::from_secs(5))
            .unwrap(),
        "x",
        &Observed::default(),
        &done.groups,
    ));
    assert_eq!(now.unwrap().outcome, Ok(()));
    let left = get(gateway.port, "/metrics").unwrap();
    assert!(!left.contains("records_processed_total{"), "groups of strange names can be deleted");
}

/// Names and types as Prometheus' own tool wants them.
#[test]
fn promtool_finds_nothing_in_the_text() {
    let Some(programs) = programs() else { return };
    let office = Office::open("");
    office.ingest(50, 4, "10%");
    office.fine(&RUN);
    let text = office.folder.path().join("metrics.txt");
    std::fs::write(&text, office.fine(&["metrics"])).unwrap();
    let order = "\"$0\" check metrics < \"$1\"";
    let promtool = programs.join("promtool").display().to_string();
    let said = check("sh".as_ref(), &["-c", order, &promtool, &text.display().to_string()]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}
