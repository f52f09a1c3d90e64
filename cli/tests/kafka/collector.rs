//! The collector in front of a broker that dies, and the other way round: everything that it
//! answered for is in bronze, once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::counter::Office;
use crate::long;

/// A folder with that log, and more settings.
pub(crate) fn open(log: &str, more: &str) -> Office {
    let office = Office::new();
    std::fs::write(office.folder().join("assay.yaml"), format!("log: {log}\n{more}")).unwrap();
    office
}

#[test]
fn a_broker_that_is_dead_for_a_while_costs_no_event_that_was_answered_for() {
    let Some(broker) = Broker::start() else { return };
    let office = open(&broker.log(), "");
    let collector = office.collect(&[]);
    // A thousand requests a second.
    let (begun, load) = (Instant::now(), collector.paced(8, "dead", Duration::from_millis(8)));
    std::thread::sleep(Duration::from_secs(3));
    broker.is_dead_for(Duration::from_secs(if long() { 50 } else { 20 }));
    std::thread::sleep(Duration::from_secs(2));
    let took = begun.elapsed().as_secs_f64();
    let accepted = load.stop();
    println!("{} events answered for in {took:.0} s", accepted.len());
    // One request in seven has ten events; a machine that is busy sends less.
    assert!(accepted.len() as f64 > 500.0 * took, "{} in {took} s", accepted.len());
    let told = collector.stop();
    assert!(told.contains("events are kept here until it does"), "it saw no outage: {told}");
    assert!(told.contains("events sent") && !told.contains("the next start"), "{told}");
    office.run_bronze();
    office.must_have_landed(&accepted);
}

#[test]
fn a_collector_that_is_killed_under_load_loses_and_doubles_nothing_on_kafka() {
    let Some(broker) = Broker::start() else { return };
    let office = open(&broker.log(), "");
    let mut accepted = BTreeSet::new();
    // At first nobody is there who would take anything.
    broker.command("kill");
    // So spread that kills come early, in the middle of sending, and late.
    for (round, pause) in [900, 30, 2600, 200, 1500].into_iter().enumerate() {
        if round == 1 {
            assert!(!accepted.is_empty());
            assert!(broker.command("start").status.success());
        }
        let mut collector = office.collect(&[]);
        let load = collector.load(8, &format!("killed-{round}"));
        std::thread::sleep(Duration::from_millis(pause));
        collector.kill();
        accepted.extend(load.stop());
        if round == 2 {
            office.run_bronze();
        }
    }
    let told = office.collect(&[]).stop();
    assert!(told.contains("events sent") && !told.contains("the next start"), "{told}");
    office.run_bronze();
    assert!(accepted.len() > 1_000, "only {} were answered for", accepted.len());
    office.must_have_landed(&accepted);
}
