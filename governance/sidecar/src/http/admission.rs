//! Who may come in, and do what is done at an address.

use std::net::IpAddr;
use std::sync::Arc;

use assay_door::{Peer, key};
use assay_store::{Deed, Role};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use super::Service;
use super::error::Problem;

/// Whom a request comes from: the name of a key, or an address where the door is open.
#[derive(Debug, Clone)]
pub(super) struct Client(pub(super) String);

/// What that one may do; anything, where the door is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct May(pub(super) Role);

/// Whether a client of an open door asked for an address of ours. A page in a browser reaches this
/// machine as well, by a name of its own that leads here.
fn ours(request: &Request) -> bool {
    let named = request.headers().get(header::HOST);
    // A name that is no text is not ours; browsers always send one.
    let named = named.map(|host| host.to_str().unwrap_or_default());
    let Some(host) = request.uri().authority().map(Authority::as_str).or(named) else {
        return true;
    };
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = without_port.trim_start_matches('[').trim_end_matches([']', '.']);
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

pub(super) async fn admit(
    State((service, deed)): State<(Arc<Service>, Deed)>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (client, role) = match service.credentials.open().await {
        true if !ours(&request) => return Err(Problem::Host),
        true => (peer.ip().to_string(), Role::Operator),
        false => {
            let shown = key(request.headers()).ok_or(Problem::NoKey)?;
            let known = service.credentials.whose(shown).await.ok_or(Problem::NoKey)?;
            if !known.role.may(deed) {
                return Err(Problem::Role { role: known.role, deed });
            }
            (known.name, known.role)
        }
    };
    request.extensions_mut().insert(Client(client));
    request.extensions_mut().insert(May(role));
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn an_open_door_has_addresses_and_no_names_of_others() {
        for (host, is) in [
            ("127.0.0.1:8484", true),
            ("localhost:8484", true),
            ("LOCALHOST", true),
            ("sidecar.localhost:80", true),
            ("[::1]:8484", true),
            ("[::1]", true),
            ("evil.example:8484", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            let request = Request::builder().header(header::HOST, host).body(Body::empty());
            assert_eq!(ours(&request.unwrap()), is, "{host}");
        }
        assert!(ours(&Request::new(Body::empty())));
        let odd = HeaderValue::from_bytes(b"\xe9vil").unwrap();
        let request = Request::builder().header(header::HOST, odd).body(Body::empty());
        assert!(!ours(&request.unwrap()), "no text");
    }
}
