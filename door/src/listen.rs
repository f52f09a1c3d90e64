//! The door: a port of this machine, with TLS when the settings say so.

use std::fs::File;
use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::settings::{Listen, Tls};

/// A client that does not finish its greeting is let go.
const GREETING: Duration = Duration::from_secs(10);
/// Greetings that may be under way at once.
const GREETINGS: usize = 256;

/// A door that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("cannot use the TLS files: {0}")]
    Tls(String),
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen { address: SocketAddr, source: io::Error },
}

/// A port that is taken, on which nobody is answered yet.
pub enum Door {
    Plain(Plain),
    Secure(Secure),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Connections as they come.
pub struct Plain(TcpListener, SocketAddr);

/// Connections come out when they have been greeted, so that a slow one keeps nobody waiting.
pub struct Secure {
    greeted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

/// Takes the port; with TLS where there are a certificate and a key.
pub async fn open(listen: Listen, tls: Option<&Tls>) -> Result<Door, DoorError> {
    let address = listen.0;
    let failed = |source| DoorError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let plain = Plain(listener, address);
    match tls {
        None => Ok(Door::Plain(plain)),
        Some(tls) => Ok(Door::Secure(Secure::new(plain, acceptor(tls)?))),
    }
}

impl Door {
    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        match self {
            Door::Plain(plain) => plain.1,
            Door::Secure(secure) => secure.address,
        }
    }
}

impl Listener for Plain {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        (stream, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.1)
    }
}

impl Secure {
    fn new(mut plain: Plain, acceptor: TlsAcceptor) -> Secure {
        let address = plain.1;
        let (ready, greeted) = mpsc::channel(GREETINGS);
        tokio::spawn(async move {
            while let Ok(place) = ready.clone().reserve_owned().await {
                let (stream, peer) = tokio::select! {
                    accepted = plain.accept() => accepted,
                    () = ready.closed() => break,
                };
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match tokio::time::timeout(GREETING, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => drop(place.send((stream, peer))),
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS greeting"),
                        Err(_) => tracing::debug!(%peer, "no TLS greeting in time"),
                    }
                });
            }
        });
        Secure { greeted, address }
    }
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.greeted.recv().await {
            Some(greeted) => greeted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, DoorError> {
    let wrong = |path: &Path, why: &dyn std::fmt::Display| {
        DoorError::Tls(format!("{}: {why}", path.display()))
    };
    let read =
        |path: &Path| File::open(path).map(BufReader::new).map_err(|error| wrong(path, &error));
    let certificates = CertificateDer::pem_reader_iter(read(&tls.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&tls.certificate, &error))?;
    let key =
        PrivateKeyDer::from_pem_reader(read(&tls.key)?).map_err(|error| wrong(&tls.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| wrong(&tls.certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
