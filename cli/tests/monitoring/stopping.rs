//! Prometheus asks while a process is told to stop.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::exposition::{Series, read};
use crate::office::Office;
use crate::servers::free_port;
use crate::web::{get, wait};

/// One answer of `/metrics`, when it is whole: what Prometheus would keep.
fn whole(port: u16) -> Option<BTreeMap<Series, f64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.to_lowercase();
    let length = length.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
    (body.len() == length).then(|| read(body))
}

/// Asks without a pause while `process` is told to stop, with a request beside that never ends.
fn stops(mut command: Command, port: u16) {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait("process that answers", 60, || get(port, "/metrics"));
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    half.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let asking = std::thread::spawn(move || {
        let mut answers = vec![];
        while !until.load(Ordering::Relaxed) {
            answers.extend(whole(port));
        }
        answers
    });
    let term = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
    assert!(term.success());
    let told = Instant::now();
    let ended = loop {
        if let Some(ended) = process.try_wait().unwrap() {
            break ended;
        }
        if told.elapsed() > Duration::from_secs(90) {
            let _ = process.kill();
            panic!("it does not end while somebody asks");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    over.store(true, Ordering::Relaxed);
    assert_eq!(ended.code(), Some(0));
    let answers = asking.join().unwrap();
    for pair in answers.windows(2) {
        for (series, before) in pair[0].iter().filter(|((name, _), _)| name.ends_with("_total")) {
            assert!(pair[1].get(series) >= Some(before), "{series:?} went back");
        }
    }
}

#[test]
fn a_process_that_is_asked_while_it_stops_ends_and_no_counter_goes_back() {
    let office = Office::open("");
    office.ingest(100, 1, "0%");
    let port = free_port().to_string();
    let run = ["run", "kafka-to-bronze", "--pipeline", "github_events", "--governed"];
    let follow = [&run[..], &["--follow", "--listen", &port]].concat();
    stops(office.command(&follow), port.parse().unwrap());
    let collect = ["collect", "github_events", "--listen", &port];
    stops(office.command(&collect), port.parse().unwrap());
    stops(office.command(&["sidecar", "--listen", &port]), port.parse().unwrap());
}
