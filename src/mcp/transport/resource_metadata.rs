//! Leads clients to the issuers whose access tokens are accepted (RFC 9728). It says nothing that is secret, to whoever asks.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::accept::JSON;
use crate::mcp::auth::public_url::{PATH, WELL_KNOWN};
use crate::mcp::auth::{AccessGate, PublicUrl};

/// The metadata, at the path of the server and at the root.
pub(super) fn routes(gate: &AccessGate, scheme: &'static str) -> Router {
    Router::new()
        .route(WELL_KNOWN, get(metadata))
        .route(&format!("{WELL_KNOWN}{PATH}"), get(metadata))
        .with_state((gate.clone(), scheme))
}

/// The URL of the server for whoever sent these headers over a connection of this scheme.
pub(super) fn host_url(scheme: &str, headers: &HeaderMap) -> PublicUrl {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    PublicUrl::of_host(scheme, host)
}

async fn metadata(State((gate, scheme)): State<(AccessGate, &'static str)>, headers: HeaderMap) -> Response {
    let Some(metadata) = gate.metadata(&host_url(scheme, &headers)) else {
        let why =
            "there is no OAuth here: send the header Authorization: Bearer TOKEN with a token of `muster token add`\n";
        return (StatusCode::NOT_FOUND, why).into_response();
    };
    // Any page may read it, and no cache keeps it: it can change, and it may say the name by which it was asked.
    let headers =
        [(header::CONTENT_TYPE, JSON), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"), (header::CACHE_CONTROL, "no-store")];
    (headers, metadata.to_string()).into_response()
}
