use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What receivers are told: a webhook that keeps it.
pub(crate) struct Hook {
    pub(crate) port: u16,
    told: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Hook {
    pub(crate) fn open() -> Hook {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(vec![]));
        let keep = Arc::clone(&told);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let keep = Arc::clone(&keep);
                // A client may open a connection and say nothing on it.
                std::thread::spawn(move || {
                    if let Some(request) = answer(&mut stream) {
                        keep.lock().unwrap().push(request);
                    }
                });
            }
        });
        Hook { port, told }
    }

    /// Whether a receiver was told of an alert, with this state.
    pub(crate) fn heard(&self, receiver: &str, alert: &str, state: &str) -> Option<Value> {
        self.heard_of(receiver, alert, state, ("alertname", alert))
    }

    /// The same of one with this label.
    pub(crate) fn heard_of(
        &self,
        receiver: &str,
        alert: &str,
        state: &str,
        (label, value): (&str, &str),
    ) -> Option<Value> {
        let told = self.told.lock().unwrap();
        let of = told.iter().filter(|(name, _)| name == receiver);
        let mut alerts = of.flat_map(|(_, body)| body["alerts"].as_array().cloned()).flatten();
        alerts.find(|of| {
            let labels = &of["labels"];
            labels["alertname"] == alert && labels[label] == value && of["status"] == state
        })
    }
}

/// Takes one request, and says that it was taken.
fn answer(stream: &mut TcpStream) -> Option<(String, Value)> {
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    let request = loop {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => text.extend(&piece[..read]),
            _ => return None,
        }
        if let Some(request) = whole(&String::from_utf8_lossy(&text)) {
            break request;
        }
    };
    let taken = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(taken).ok()?;
    Some(request)
}

/// The receiver in the path and the body, when all of it is there.
fn whole(text: &str) -> Option<(String, Value)> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let path = head.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    Some((path, serde_json::from_str(body).ok()?))
}
