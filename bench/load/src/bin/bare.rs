//! What a handler costs that does nothing: it parses JSON and drops it.
//!
//!     bare ADDRESS:PORT

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free");
    let router = Router::new().route("/collect", post(drop_it));
    axum::serve(listener, router).await.expect("the server runs");
}

/// One JSON text, or one on each line.
async fn drop_it(body: Bytes) -> StatusCode {
    let values = serde_json::Deserializer::from_slice(&body).into_iter::<Value>();
    match values.into_iter().all(|value| value.is_ok()) {
        true => StatusCode::ACCEPTED,
        false => StatusCode::BAD_REQUEST,
    }
}
