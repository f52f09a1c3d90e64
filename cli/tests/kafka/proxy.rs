//! A way to the broker on which connections are slow, silent, torn and cut, as chance has it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::broker::Broker;

/// How often a connection looks whether something befalls it.
const LOOK: Duration = Duration::from_millis(20);

/// Goes with the test, and its connections with it.
pub(crate) struct Proxy {
    line: Arc<Line>,
}

/// What all connections have in common.
struct Line {
    rough: AtomicBool,
    over: AtomicBool,
    /// Connections that did not end by themselves.
    broken: AtomicU64,
}

/// What befalls a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    None,
    /// Each piece comes so much later.
    Slow(Duration),
    /// Requests arrive, answers do not.
    Deaf,
    /// Nothing arrives, and nobody says so.
    Silent,
    /// Of the next piece half arrives.
    Torn,
    Over,
}

/// A connection of a client, and the one to the broker that belongs to it.
struct Link {
    fate: Mutex<Fate>,
    client: TcpStream,
    broker: TcpStream,
}

impl Proxy {
    /// Lets clients through to the broker, at first without harm. The same seed gives each
    /// connection the same fate, at the same times of its life.
    pub(crate) fn before(broker: &Broker, seed: u64) -> Proxy {
        let (rough, over, broken) = Default::default();
        let line = Arc::new(Line { rough, over, broken });
        let listener = TcpListener::bind(("127.0.0.1", broker.proxy())).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (to, all) = (broker.behind_proxy(), Arc::clone(&line));
        spawn(move || {
            let mut number = 0;
            while !all.over.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((client, _)) => {
                        number += 1;
                        connect(&all, client, to, seed + number);
                    }
                    Err(_) => sleep(LOOK),
                }
            }
        });
        Proxy { line }
    }

    /// From now on anything may befall any connection; or nothing any more.
    pub(crate) fn rough(&self, rough: bool) {
        self.line.rough.store(rough, Ordering::SeqCst);
    }

    pub(crate) fn broken(&self) -> u64 {
        self.line.broken.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.over.store(true, Ordering::SeqCst);
    }
}

fn connect(line: &Arc<Line>, client: TcpStream, to: u16, seed: u64) {
    // The broker may be away: then the client is, too.
    let Ok(broker) = TcpStream::connect(("127.0.0.1", to)) else { return };
    for stream in [&client, &broker] {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LOOK)).unwrap();
    }
    let link = Arc::new(Link { fate: Mutex::new(Fate::None), client, broker });
    let [requests, answers] = [Arc::clone(&link), Arc::clone(&link)];
    spawn(move || requests.carry(&requests.client, &requests.broker, false));
    spawn(move || answers.carry(&answers.broker, &answers.client, true));
    let line = Arc::clone(line);
    spawn(move || link.live(&line, &mut Chance(seed)));
}

impl Link {
    fn fate(&self) -> Fate {
        *self.fate.lock().unwrap()
    }

    fn end(&self) {
        *self.fate.lock().unwrap() = Fate::Over;
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.broker.shutdown(Shutdown::Both);
    }

    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream, answers: bool) {
        let mut buffer = vec![0; 64 << 10];
        while self.fate() != Fate::Over {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    continue;
                }
                Err(_) => break,
            };
            let mut piece = &buffer[..count];
            loop {
                match self.fate() {
                    Fate::Over => return,
                    Fate::Silent => sleep(LOOK),
                    Fate::Deaf if answers => sleep(LOOK),
                    Fate::Torn => {
                        piece = &piece[..count / 2];
                        let _ = to.write_all(piece);
                        return self.end();
                    }
                    Fate::Slow(time) => break sleep(time),
                    Fate::Deaf | Fate::None => break,
                }
            }
            if to.write_all(piece).is_err() {
                break;
            }
        }
        self.end();
    }

    /// Lets things befall it until it is over.
    fn live(&self, line: &Line, chance: &mut Chance) {
        while !self.wait(line, Duration::from_millis(chance.between(100, 3_000))) {
            if !line.rough.load(Ordering::SeqCst) {
                continue;
            }
            let fate = match chance.between(0, 10) {
                0..4 => Fate::Slow(Duration::from_millis(chance.between(10, 200))),
                4..6 => Fate::Deaf,
                6 => Fate::Silent,
                7..9 => Fate::Torn,
                _ => Fate::Over,
            };
            let until = Instant::now() + Duration::from_millis(chance.between(300, 4_000));
            *self.fate.lock().unwrap() = fate;
            while Instant::now() < until && line.rough.load(Ordering::SeqCst) {
                if self.wait(line, LOOK) {
                    break;
                }
            }
            if matches!(fate, Fate::Slow(_)) && self.fate() != Fate::Over {
                *self.fate.lock().unwrap() = Fate::None;
                continue;
            }
            line.broken.fetch_add(1, Ordering::SeqCst);
            // A dead line stays one, also when the others are good again: nobody is ever told. Of
            // those that only answers do not pass some are.
            let dead = fate == Fate::Silent || fate == Fate::Deaf && chance.between(0, 2) == 0;
            while dead && !self.wait(line, LOOK) {}
            break;
        }
        self.end();
    }

    /// Whether it was over before so much time was.
    fn wait(&self, line: &Line, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.fate() == Fate::Over || line.over.load(Ordering::SeqCst) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK);
        }
    }
}

/// Numbers that are as good as random, and the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from)
    }
}
