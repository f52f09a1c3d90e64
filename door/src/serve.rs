//! Answers whoever comes through the door, and lets nobody stand in it.

use std::fs;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::listen::{Door, Peer};

/// How long it is waited for somebody.
#[derive(Clone, Copy)]
struct Patience {
    /// For the head of the first request.
    first: Duration,
    /// For that of a later one, the silence before it included.
    later: Duration,
}

const PATIENCE: Patience =
    Patience { first: Duration::from_secs(10), later: Duration::from_secs(60) };

/// Answers until `stopped`, and then only what was begun.
pub async fn serve(door: Door, router: Router, stopped: impl Future<Output = ()> + Send + 'static) {
    match door {
        Door::Plain(plain) => answer(plain, router, stopped, PATIENCE).await,
        Door::Secure(secure) => answer(secure, router, stopped, PATIENCE).await,
    }
}

async fn answer(
    mut listener: impl Listener<Addr = SocketAddr>,
    router: Router,
    stopped: impl Future<Output = ()>,
    patience: Patience,
) {
    let most = most_connections();
    let places = Arc::new(Semaphore::new(most));
    let (ending, _) = watch::channel(false);
    let mut stopped = pin!(stopped);
    let mut full = false;
    loop {
        if places.available_permits() == 0 && !full {
            tracing::warn!(most, "as many connections as this process may have: others wait");
        }
        full = places.available_permits() == 0;
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = &mut stopped => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let (router, ending) = (router.clone(), ending.subscribe());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, (peer, patience), router, ending).await {
                tracing::debug!(%peer, %error, "a connection ended");
            }
            drop(place);
        });
    }
    // Nobody gets in any more.
    drop(listener);
    ending.send_replace(true);
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

/// Answers what comes on a connection, until it is over or the door closes.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    (peer, patience): (SocketAddr, Patience),
    router: Router,
    mut ending: watch::Receiver<bool>,
) -> Result<(), hyper::Error> {
    let router = TowerToHyperService::new(router);
    let asked = AtomicBool::new(false);
    let service = service_fn(|mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(Peer(peer)));
        hyper::service::Service::call(&router, request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.later)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut silent = pin!(sleep(patience.first));
    loop {
        tokio::select! {
            done = connection.as_mut() => return done,
            () = silent.as_mut(), if !silent.is_elapsed() => {
                if !asked.load(Ordering::Relaxed) {
                    tracing::debug!(%peer, "no request in time");
                    return Ok(());
                }
            }
            () = async { drop(ending.wait_for(|ending| *ending).await) } => {
                if !asked.load(Ordering::Relaxed) {
                    return Ok(());
                }
                connection.as_mut().graceful_shutdown();
                return connection.await;
            }
        }
    }
}

/// Three quarters of the files that this process may have open; the rest is for stores.
fn most_connections() -> usize {
    let limit = |limits: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse::<usize>().ok()
    };
    let limits = fs::read_to_string("/proc/self/limits").ok();
    let files = limits.and_then(|limits| limit(&limits)).unwrap_or(1_024);
    (files / 4 * 3).clamp(16, 65_536)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;
    use crate::listen::open;
    use crate::settings::Listen;

    const HURRIED: Patience =
        Patience { first: Duration::from_millis(300), later: Duration::from_millis(1_500) };

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1_000];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test]
    async fn who_does_not_finish_a_request_is_let_go_and_who_asked_may_come_again() {
        let door = open(Listen(([127, 0, 0, 1], 0).into()), None).await.unwrap();
        let (address, (stop, stopped)) = (door.address(), oneshot::channel::<()>());
        let Door::Plain(plain) = door else { panic!("it has no TLS") };
        let peer = async |ConnectInfo(Peer(peer)): ConnectInfo<Peer>| peer.ip().to_string();
        let router = Router::new().route("/", get(peer));
        let served = tokio::spawn(answer(plain, router, async { drop(stopped.await) }, HURRIED));

        let mut polite = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut polite).await.ends_with("127.0.0.1"));
        for head in [&b""[..], b"GET / HTTP/1.1\r\nHost: local"] {
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(head).await.unwrap();
            assert_eq!(slow.read(&mut [0; 10]).await.unwrap_or(0), 0);
        }
        assert!(ask(&mut polite).await.ends_with("127.0.0.1"));
        assert_eq!(polite.read(&mut [0; 10]).await.unwrap_or(0), 0);
        // The end waits for nobody who asked for nothing.
        let _silent = TcpStream::connect(address).await.unwrap();
        stop.send(()).unwrap();
        served.await.unwrap();
    }
}
