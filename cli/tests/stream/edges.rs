//! Messages at the edges of what is late, paid and known, each with what must become of it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use assay_core::{Clock, SystemClock};
use assay_log::NewRecord;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::broker::Broker;
use super::shop::{RUN, Shop, shop_on};
use super::topic::Topic;

const MICROSECOND: i64 = 1;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// What must become of a message.
#[derive(Clone, Copy)]
enum Fate {
    /// A row, of so many cents.
    Counts(u64),
    Late,
    Bad,
}

/// Sends messages one by one and writes down what must become of each.
struct Sender<'a> {
    shop: &'a Shop,
    topic: Topic,
    begun_at: DateTime<Utc>,
    sent: u32,
}

impl Sender<'_> {
    /// An event so many microseconds after the test began.
    fn at(&mut self, partition: u32, after: i64, fate: Fate) {
        self.event(partition, after, ("10", r#""USD""#), fate);
    }

    /// `amount` and `currency` are JSON.
    fn event(&mut self, partition: u32, after: i64, (amount, currency): (&str, &str), fate: Fate) {
        self.sent += 1;
        let at = self.begun_at + TimeDelta::microseconds(after);
        let id = format!("edge-{}", self.sent);
        let time = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let text = format!(
            r#"{{"id":"{id}","eventTime":"{time}","eventType":"payment_success","orderId":"ORD1","userId":"USR1","amount":{amount},"currency":{currency},"status":"success"}}"#
        );
        let record = NewRecord {
            partition: Some(partition),
            value: Some(text.into()),
            headers: vec![("t_generated".to_owned(), time.into())],
            ..NewRecord::default()
        };
        let sale = |cents: u64| json!({"id": id, "at": at.timestamp_micros(), "kind": "payment_success", "cents": cents});
        let told = match fate {
            Fate::Counts(cents) => json!({"counts": sale(cents)}),
            Fate::Late => json!({"late": sale(1000)}),
            Fate::Bad => json!({"bad": amount}),
        };
        let path = self.shop.path("data/ecommerce.truth");
        let mut truth = fs::File::options().create(true).append(true).open(path).unwrap();
        writeln!(truth, "{told}\n{}", json!({"sent": 1})).unwrap();
        self.topic.append(vec![record]);
    }
}

fn sender<'a>(broker: &Broker, shop: &'a Shop) -> Sender<'a> {
    let micros = SystemClock.now().timestamp_micros();
    fs::create_dir_all(shop.path("data")).unwrap();
    let begun_at = DateTime::from_timestamp_micros(micros).unwrap();
    Sender { shop, topic: Topic::open(broker, "events_raw", 3), begun_at, sent: 0 }
}

#[test]
fn what_is_at_the_edge_is_on_its_right_side() {
    let Some(broker) = Broker::start() else { return };
    let Some(shop) = shop_on("edges", &broker) else { return };
    let mut sender = sender(&broker, &shop);
    // Against the latest in its own partition.
    sender.at(0, 0, Fate::Counts(1000));
    sender.at(0, -4 * MINUTE - 59 * SECOND, Fate::Counts(1000));
    sender.at(0, -5 * MINUTE, Fate::Counts(1000));
    sender.at(0, -5 * MINUTE - MICROSECOND, Fate::Late);
    sender.at(0, -5 * MINUTE - SECOND, Fate::Late);
    // A clock that is ahead moves nothing, and a little ahead is allowed.
    sender.at(0, DAY, Fate::Bad);
    sender.at(0, 10 * MINUTE, Fate::Bad);
    sender.at(0, -4 * MINUTE, Fate::Counts(1000));
    sender.at(0, 2 * MINUTE, Fate::Counts(1000));
    sender.at(0, -3 * MINUTE, Fate::Counts(1000));
    sender.at(0, -3 * MINUTE - SECOND, Fate::Late);
    // Another partition has its own time.
    sender.at(1, -60 * MINUTE, Fate::Counts(1000));
    sender.at(1, -65 * MINUTE, Fate::Counts(1000));
    sender.at(1, -65 * MINUTE - SECOND, Fate::Late);
    for (amount, fate) in [
        ("0", Fate::Counts(0)),
        ("0.1", Fate::Counts(10)),
        ("0.2", Fate::Counts(20)),
        ("1e2", Fate::Counts(10_000)),
        ("19.99", Fate::Counts(1_999)),
        ("12.345678901234567890", Fate::Counts(1_235)),
        ("0.004", Fate::Counts(0)),
        ("9999999999.99", Fate::Counts(999_999_999_999)),
        ("10000000000", Fate::Bad),
        ("9999999999999.99", Fate::Bad),
        ("10000000000000", Fate::Bad),
        ("1e400", Fate::Bad),
        ("-0.01", Fate::Bad),
        ("-0.001", Fate::Bad),
        ("-9999999999999.99", Fate::Bad),
        ("NaN", Fate::Bad),
        ("\"NaN\"", Fate::Bad),
        ("\"12.50\"", Fate::Bad),
        ("Infinity", Fate::Bad),
        ("null", Fate::Bad),
        ("true", Fate::Bad),
        ("[1]", Fate::Bad),
    ] {
        sender.event(0, MINUTE, (amount, r#""VND""#), fate);
    }
    for (currency, fate) in [
        (r#""USD""#, Fate::Counts(300)),
        ("null", Fate::Counts(300)),
        (r#""EUR""#, Fate::Bad),
        (r#""usd""#, Fate::Bad),
        (r#""""#, Fate::Bad),
        ("840", Fate::Bad),
    ] {
        sender.event(0, MINUTE, ("3", currency), fate);
    }
    shop.exact();
    let late = shop.json(&["dlq", "list", "--reason", "late", "--limit", "0"]);
    assert_eq!(late.as_array().map(Vec::len), Some(4));
    shop.done(&["dlq", "replay", "--reason", "late", "--yes"]);
    let outcome = shop.json(&["verify", "ecommerce", "--replayed"]);
    assert_eq!((&outcome["mistakes"], &outcome["corrected"]), (&json!([]), &json!(4)));
}

#[test]
fn a_partition_that_fell_silent_holds_no_minute_back_for_long() {
    let Some(broker) = Broker::start() else { return };
    let Some(shop) = shop_on("silent", &broker) else { return };
    let mut sender = sender(&broker, &shop);
    sender.at(2, -60 * MINUTE, Fate::Counts(1000));
    for partition in [0, 1] {
        sender.at(partition, -20 * MINUTE, Fate::Counts(1000));
    }
    shop.done(&RUN);
    // A minute is not over yet: the silent one is waited for.
    let begun = sender.begun_at.format("%Y-%m-%d %H:%M:%S%.6f");
    let is = |function: &str, minutes: i64| {
        format!(
            "SELECT assay.{function}('ecommerce/stream') = timestamp '{begun}' - interval '{minutes} min'"
        )
    };
    shop.until(&is("watermark", 60));
    shop.until(&is("final_until", 65));
    let impatient = shop.path("ecommerce");
    copied(&impatient);
    let path = impatient.display().to_string();
    let mut worker = shop.worker(&["run", "stream", "--pipeline", &path, "--governed", "--follow"]);
    let past = is("final_until", 25).replace(" = ", " >= ");
    // The others go on, and their minutes become final without it.
    let mut minute = 19;
    while shop.sql(&past) != "t" {
        for partition in [0, 1] {
            sender.at(partition, -minute * MINUTE, Fate::Counts(1000));
        }
        minute = (minute - 1).max(0);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_ne!(shop.sql("SELECT count(*) FROM v_kpi_1m_final"), "0");
    // What it has to say in the end is on time all the same.
    sender.at(2, -60 * MINUTE, Fate::Counts(1000));
    shop.until("SELECT orders = 2 FROM (SELECT payment_success AS orders FROM kpi_1m ORDER BY window_start LIMIT 1) AS k");
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
    shop.exact();
}

/// The same pipeline, which waits for a silent partition for two seconds.
fn copied(folder: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/ecommerce");
    let done = std::process::Command::new("cp").arg("-r").args([&shipped, folder]).status();
    assert!(done.unwrap().success());
    let path = folder.join("pipeline.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("idle_after_seconds: 60"));
    let text = text.replace("idle_after_seconds: 60", "idle_after_seconds: 2");
    fs::write(path, text).unwrap();
}
