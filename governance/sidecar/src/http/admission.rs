//! Who may come in, and do what is done at an address.

use std::sync::Arc;

use assay_door::{Peer, key};
use assay_store::Deed;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Service;
use super::error::Problem;

/// Whom a request comes from: the name of a key, or an address where the door is open.
#[derive(Debug, Clone)]
pub(super) struct Client(pub(super) String);

pub(super) async fn admit(
    State((service, deed)): State<(Arc<Service>, Deed)>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let client = match service.credentials.open().await {
        true => peer.ip().to_string(),
        false => {
            let shown = key(request.headers()).ok_or(Problem::NoKey)?;
            let known = service.credentials.whose(shown).await.ok_or(Problem::NoKey)?;
            if !known.role.may(deed) {
                return Err(Problem::Role { role: known.role, deed });
            }
            known.name
        }
    };
    request.extensions_mut().insert(Client(client));
    Ok(next.run(request).await)
}
