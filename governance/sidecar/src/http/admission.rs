//! Who may come in, and do what is done at an address.

use std::sync::Arc;

use assay_door::{Peer, key};
use assay_store::{Deed, Role};
use axum::extract::{ConnectInfo, Request, State};
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

pub(super) async fn admit(
    State((service, deed)): State<(Arc<Service>, Deed)>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (client, role) = match service.credentials.open().await {
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
