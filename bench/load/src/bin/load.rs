//! Sends events over connections that stay, as fast as they are answered, and says how fast.
//!
//!     load ADDRESS:PORT EVENTS.jsonl CONNECTIONS EVENTS_PER_REQUEST SECONDS
//!
//! Prints one line of JSON: requests and events answered with 2xx, other answers by status, and
//! latencies in milliseconds.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one connection saw.
#[derive(Default)]
struct Seen {
    /// Microseconds of each answer with 2xx.
    latencies: Vec<u32>,
    others: BTreeMap<String, u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, file, connections, lines, seconds] = &arguments[..] else {
        eprintln!("usage: load ADDRESS:PORT EVENTS.jsonl CONNECTIONS EVENTS_PER_REQUEST SECONDS");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<usize>().expect("a number");
    let (connections, lines) = (number(connections), number(lines));
    let requests = Arc::new(requests(file, lines));
    let seconds = Duration::from_secs(number(seconds) as u64);
    let begun = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|first| {
            let (requests, address) = (Arc::clone(&requests), address.clone());
            tokio::spawn(connection(address, requests, first * 31, begun + seconds))
        })
        .collect();
    let (mut latencies, mut others) = (vec![], BTreeMap::new());
    for task in tasks {
        let seen = task.await.expect("a connection does not panic");
        latencies.extend(seen.latencies);
        for (what, count) in seen.others {
            *others.entry(what).or_insert(0) += count;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().max(1) - 1);
        latencies.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    };
    let answered = serde_json::json!({
        "requests": latencies.len(), "events": latencies.len() * lines, "seconds": took,
        "p50": at(0.5), "p99": at(0.99), "max": at(1.0), "others": others,
    });
    println!("{answered}");
}

/// Whole requests, with so many events each.
fn requests(file: &str, lines: usize) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(file).expect("the file can be read");
    let events: Vec<&str> = text.lines().collect();
    let kind = if lines == 1 { "application/json" } else { "application/x-ndjson" };
    let request = |events: &[&str]| {
        let body = events.join("\n");
        let length = body.len();
        format!(
            "POST /collect HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    events.chunks_exact(lines).map(request).collect()
}

async fn connection(
    address: String,
    requests: Arc<Vec<Vec<u8>>>,
    first: usize,
    until: Instant,
) -> Seen {
    let mut seen = Seen::default();
    let mut buffer = Vec::with_capacity(64 << 10);
    let mut stream = None;
    for place in first.. {
        if Instant::now() >= until {
            break;
        }
        let begun = Instant::now();
        match exchange(&address, &mut stream, &requests[place % requests.len()], &mut buffer).await
        {
            Ok(status) if status.starts_with('2') => {
                seen.latencies.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok(status) => {
                *seen.others.entry(status).or_default() += 1;
                // As a client does that is told to come back, only sooner.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => {
                *seen.others.entry(error.kind().to_string()).or_default() += 1;
                stream = None;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    seen
}

async fn exchange(
    address: &str,
    stream: &mut Option<TcpStream>,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> io::Result<String> {
    let stream = match stream {
        Some(stream) => stream,
        none => {
            let new = TcpStream::connect(address).await?;
            new.set_nodelay(true)?;
            none.insert(new)
        }
    };
    stream.write_all(request).await?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]);
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if buffer.len() >= head + 4 + length.unwrap_or(0usize) {
            return Ok(text.get(9..12).unwrap_or_default().to_owned());
        }
    }
}
