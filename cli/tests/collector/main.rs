//! The collector as people run it: killed under load, on a full disk, asked to stop; everything
//! that it answered for is in bronze, once.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod office;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use office::{Client, Office, python_is_required, skip};

#[test]
fn a_collector_that_is_killed_under_load_loses_and_doubles_nothing() {
    for durability in ["power", "process"] {
        let office = Office::new();
        let mut accepted = BTreeSet::new();
        // Not random: so spread that kills come early, in the middle of sending, and late.
        for (round, pause) in [30, 900, 200, 1500, 90, 2600].into_iter().enumerate() {
            let mut collector = office.collect(&["--durability", durability]);
            let load = collector.load(8, &format!("{durability}-{round}"));
            std::thread::sleep(Duration::from_millis(pause));
            collector.kill();
            let answered = load.stop();
            assert!(!answered.is_empty() || pause < 100, "nothing was answered in {pause} ms");
            accepted.extend(answered);
            if round == 3 {
                office.run_bronze();
            }
        }
        let collector = office.collect(&["--durability", durability]);
        let told = collector.stop();
        assert!(told.contains("events sent") && !told.contains("kept"), "{told}");
        office.run_bronze();
        office.must_have_landed(&accepted);
    }
}

#[test]
fn a_collector_that_is_asked_to_stop_leaves_nothing_behind() {
    let office = Office::new();
    let collector = office.collect(&[]);
    let load = collector.load(8, "stop");
    std::thread::sleep(Duration::from_secs(2));
    let told = collector.stop();
    let accepted = load.stop();
    assert!(told.contains("events sent") && !told.contains("kept"), "{told}");
    let waiting = std::fs::read_dir(office.segments()).unwrap().flatten();
    let bytes: u64 = waiting.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(bytes > 0, "the folder is there");
    office.run_bronze();
    office.must_have_landed(&accepted);
}

#[test]
fn a_full_disk_refuses_events_and_loses_none_that_was_accepted() {
    let office = Office::new();
    let segments = office.segments();
    std::fs::create_dir_all(&segments).unwrap();
    let Some(_small) = SmallDisk::mount(&segments, 2) else { return };
    let collector = office.collect(&["--durability", "process"]);
    let mut client = Client::connect(collector.address);
    let padding = "x".repeat(50_000);
    let (mut accepted, mut refused) = (BTreeSet::new(), 0);
    let begun = Instant::now();
    for number in 0.. {
        let id = format!("full-{number:04}");
        let body = format!(r#"{{"id":"{id}","type":"PushEvent","payload":{{"x":"{padding}"}}}}"#);
        match client.post(&body).unwrap() {
            202 => drop(accepted.insert(id)),
            503 => {
                refused += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            other => panic!("answered with {other}"),
        }
        // Many times what the disk holds: room comes back when events are sent.
        if (refused > 0 && accepted.len() > 200) || begun.elapsed() > Duration::from_secs(120) {
            break;
        }
    }
    assert!(refused > 0, "the disk was never full");
    assert!(accepted.len() > 200, "only {} were accepted", accepted.len());
    collector.stop();
    office.run_bronze();
    office.must_have_landed(&accepted);
}

#[test]
fn a_python_program_reads_the_messages() {
    let office = Office::new();
    let collector = office.collect(&[]);
    let mut client = Client::connect(collector.address);
    let events = office.generated(300);
    for event in &events {
        assert_eq!(client.post(event).unwrap(), 202);
    }
    collector.stop();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let python = Command::new("python3").arg(tests.join("compare.py")).arg("--python").output();
    let Some(python) = python.ok().filter(|python| python.status.success()) else {
        assert!(!python_is_required(), "fastavro can't be had");
        return skip("messages read by fastavro, because it can't be had");
    };
    let read = Command::new(String::from_utf8(python.stdout).unwrap().trim())
        .arg(tests.join("compare/messages.py"))
        .args([office.data().join("log.db").to_str().unwrap(), "raw_metrics_avro"])
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let read: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    let id = |event: &String| {
        serde_json::from_str::<serde_json::Value>(event).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let mut wanted: Vec<String> = events.iter().map(id).collect();
    let mut found: Vec<String> = serde_json::from_value(read["ids"].clone()).unwrap();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
    assert_eq!(read["payloads"], events.len());
}

#[test]
fn a_key_that_was_made_opens_the_door() {
    let office = Office::new();
    let made = office.assay(&["keys", "create", "shop", "-o", "json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let lines = office.assay(&["keys", "create", "other"]);
    let (_, yaml) = lines.split_once("Add this to assay.yaml:\n").unwrap();
    let hash = made["sha256"].as_str().unwrap();
    let more = format!("{yaml}    - name: shop\n      sha256: {hash}\n");
    std::fs::write(office.folder().join("assay.yaml"), more).unwrap();
    let collector = office.collect(&[]);
    let mut client = Client::connect(collector.address);
    let event = r#"{"id":"1","type":"PushEvent"}"#;
    assert_eq!(client.post(event).unwrap(), 401);
    client.key = made["key"].as_str().map(str::to_owned);
    assert_eq!(client.post(event).unwrap(), 202);
    collector.stop();
}

/// A file system of its own, so many megabytes large.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(place: &Path, megabytes: u32) -> Option<SmallDisk> {
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place).output();
        if done.is_ok_and(|done| done.status.success()) {
            return Some(SmallDisk(place.to_owned()));
        }
        assert!(
            !std::env::var_os("ASSAY_REQUIRE")
                .is_some_and(|what| what.to_string_lossy().contains("mount"))
        );
        skip("a full disk, because no file system can be mounted here")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
