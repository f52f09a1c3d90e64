//! How far a group is behind: what we say, and what Kafka's own tool says of the same group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::clicks::{CLICKS, Clicks, TOPIC, follow, rows, wait_for_rows};
use crate::office::Office;

const GROUP: &str = "clicks/land";

/// Offsets that are not read, by partition.
type Lag = BTreeMap<u32, u64>;

fn ours(office: &Office) -> Lag {
    let metrics = office.fine(&["metrics"]);
    let of = format!("kafka_consumer_lag_messages{{group=\"{GROUP}\",topic=\"{TOPIC}\"");
    let lines = metrics.lines().filter(|line| line.starts_with(&of));
    let read = |line: &str| {
        let partition = line.split("partition=\"").nth(1)?.split('"').next()?;
        Some((partition.parse().ok()?, line.rsplit_once(' ')?.1.parse().ok()?))
    };
    lines.map(|line| read(line).unwrap()).collect()
}

fn kafkas(broker: &Broker) -> Lag {
    let described = broker.tool(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        &["--describe", "--group", GROUP],
    );
    let rows = described.lines().filter(|line| line.starts_with(GROUP));
    let read = |row: &str| {
        let column = |at| row.split_whitespace().nth(at)?.parse::<u64>().ok();
        Some((u32::try_from(column(2)?).ok()?, column(5)?))
    };
    rows.filter_map(read).collect()
}

/// Waits until both say the same, and that it is so much.
fn both_say(office: &Office, broker: &Broker, wanted: u64) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let (ours, kafkas) = (ours(office), kafkas(broker));
        if ours == kafkas && ours.values().sum::<u64>() == wanted && ours.len() == 3 {
            return;
        }
        assert!(Instant::now() < until, "{ours:?} and {kafkas:?}, not {wanted}");
    }
}

#[test]
fn the_lag_is_what_kafkas_own_tool_says_of_the_same_group() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let mut clicks = Clicks::open(&broker);
    clicks.write(120);
    // Read by one who is no member of the group: the first who is tells of it.
    office.fine(&["run", "kafka-to-bronze", "--pipeline", CLICKS, "--governed"]);
    let mut worker = follow(&office);
    both_say(&office, &broker, 0);
    clicks.write(300);
    wait_for_rows(&office, 420);
    both_say(&office, &broker, 0);
    office.fine(&["pause", "land", "--pipeline", CLICKS]);
    std::thread::sleep(Duration::from_secs(1));
    clicks.write(77);
    both_say(&office, &broker, 77);
    let metrics = office.fine(&["metrics"]);
    assert!(
        metrics.contains(&format!("kafka_consumer_lag_seconds{{group=\"{GROUP}\"")),
        "{metrics}"
    );
    office.fine(&["resume", "land", "--pipeline", CLICKS]);
    wait_for_rows(&office, 497);
    both_say(&office, &broker, 0);

    // Somebody writes in transactions: the marker behind the last record takes an offset, and there
    // is no record to be read.
    let file = office.folder.path().join("click");
    std::fs::write(&file, "{\"anonymous_id\":\"anon\",\"event\":\"click\",\"user_id\":1}\n")
        .unwrap();
    broker.tool(
        "org.apache.kafka.tools.ProducerPerformance",
        &[
            &["--topic", TOPIC, "--num-records", "50", "--throughput", "-1"][..],
            &["--payload-file", file.to_str().unwrap()],
            &["--transactional-id", "somebody", "--transaction-duration-ms", "60000"],
        ]
        .concat(),
    );
    let until = Instant::now() + Duration::from_secs(30);
    while rows(&office).0 != 547 {
        assert!(Instant::now() < until, "{:?}", rows(&office));
    }
    let marked = ours(&office).values().sum();
    assert!(
        (1..=3).contains(&marked),
        "one marker in each partition that was written to: {marked}"
    );
    both_say(&office, &broker, marked);
    // It waits at the marker, and is not at work.
    let before = worker.busy();
    std::thread::sleep(Duration::from_secs(3));
    let busy = worker.busy() - before;
    println!("processor time of three seconds at a marker: {busy:?}");
    assert!(busy < Duration::from_millis(600), "{busy:?}");
    assert_eq!(worker.end(), Some(0));
}
