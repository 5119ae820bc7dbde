//! Lets in who has a token, before anything else of a request is looked at.
//!
//! Only `Host` and `Origin` come first, since a page that was led here by another name must not learn whether its user is known. The
//! token leaves the request here. Whoever asks is bound into the handler that answers, and a session belongs to whoever opened it: to
//! everybody else it is as unknown as one that never was.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;
use parking_lot::Mutex;
use tower::ServiceExt;

use super::accept::STREAM;
use super::cors;
use super::http::refuse;
use super::resource_metadata::host_url;
use super::sessions::HttpSessions;
use super::unread_body::unread;
use crate::mcp::auth::refusal::AuthRefusal;
use crate::mcp::auth::{AccessGate, KnownCaller};
use crate::mcp::normalise::ErrorResponse;
use crate::mcp::protocol::SESSION;

/// How many pairs of host and origin are remembered as accepted. When there are more, all are asked about again.
const MOST_PLACES: usize = 256;
/// The id of no session.
const NO_SESSION: HeaderValue = HeaderValue::from_static("not-yours");
/// When to try again what could not be judged.
const LATER: HeaderValue = HeaderValue::from_static("10");

/// What the middleware needs.
pub(super) struct AuthFace {
    gate: AccessGate,
    sessions: Arc<HttpSessions>,
    /// The hosts and origins that rmcp accepts, as far as they were seen.
    places: Mutex<HashSet<Vec<u8>>>,
    /// How the URL of the server begins.
    scheme: &'static str,
}

impl AuthFace {
    /// For these sessions, of a server whose URL begins with this scheme.
    pub(super) fn new(gate: AccessGate, sessions: Arc<HttpSessions>, scheme: &'static str) -> Self {
        AuthFace { gate, sessions, places: Mutex::default(), scheme }
    }

    /// Whether requests from a place are known to be accepted.
    fn knows(&self, place: &[u8]) -> bool {
        self.places.lock().contains(place)
    }

    /// Remembers that requests from a place are accepted.
    fn accept(&self, place: Vec<u8>) {
        let mut places = self.places.lock();
        if places.len() >= MOST_PLACES {
            places.clear();
        }
        places.insert(place);
    }

    fn refused(&self, refusal: &AuthRefusal, headers: &HeaderMap) -> Response {
        let ways = self.gate.ways(&host_url(self.scheme, headers));
        let status = refusal.status();
        if *refusal != AuthRefusal::Missing {
            tracing::info!(status = status.as_u16(), ?refusal, "a request over HTTP was not let in");
        }
        let mut response = refuse(status, &ErrorResponse::invalid(None, refusal.message(&ways)));
        let headers = response.headers_mut();
        if let Some(challenge) = refusal.challenge(&ways).and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, LATER);
        }
        response
    }
}

/// Serves one HTTP request of somebody who is let in.
pub(super) async fn authenticated(State(face): State<Arc<AuthFace>>, mut request: Request, mut next: Next) -> Response {
    let headers = request.headers();
    // It never has a token, and is answered without being served.
    if request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return next.run(request).await;
    }
    let place = place(&request);
    if !face.knows(&place) {
        // The question leaves its place among the requests at work before what is cloned takes one.
        let later = next.clone();
        let asking = std::mem::replace(&mut next, later);
        let answer = asking.run(cors::question(&request)).await;
        if answer.status() == StatusCode::FORBIDDEN {
            return unread(answer, request.into_body());
        }
        face.accept(place);
    }
    let caller = match face.gate.admit(request.headers()).await {
        Ok(caller) => caller,
        Err(refusal) => return unread(face.refused(&refusal, request.headers()), request.into_body()),
    };
    let asked_by = request.headers().get(header::HOST).cloned();
    request.headers_mut().remove(header::AUTHORIZATION);
    let serving = caller.during(async {
        if let Some(session) = request.headers_mut().get_mut(SESSION) {
            let is_theirs = session.to_str().is_ok_and(|session| face.sessions.admits(session, &caller));
            if !is_theirs {
                *session = NO_SESSION;
            }
        }
        let Ok(response) = next.oneshot(request).await;
        response
    });
    let response = tokio::select! {
        response = serving => Some(response),
        () = caller.revoked() => None,
    };
    match response {
        // A session that ended by a revocation may have answered first, and would hide why it ended.
        Some(response) if !caller.is_revoked() => bounded(response, caller, &face.gate),
        Some(_) | None => {
            let headers = asked_by.into_iter().map(|host| (header::HOST, host)).collect();
            face.refused(&AuthRefusal::Invalid("it was revoked".to_owned()), &headers)
        }
    }
}

/// Ends a stream when whoever reads it is not let in any more.
fn bounded(response: Response, caller: Arc<KnownCaller>, gate: &AccessGate) -> Response {
    let form = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if form.is_none_or(|form| !form.starts_with(STREAM.as_bytes())) {
        return response;
    }
    let clock = Arc::clone(gate.clock());
    let over = Box::pin(async move { caller.over(&*clock).await });
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(over)))
}

/// What rmcp decides about a host and an origin by, unambiguously.
fn place(request: &Request) -> Vec<u8> {
    let mut place = Vec::new();
    let mut put = |part: &[u8]| {
        place.extend_from_slice(&part.len().to_le_bytes());
        place.extend_from_slice(part);
    };
    put(request.uri().authority().map_or("", |authority| authority.as_str()).as_bytes());
    for name in [header::HOST, header::ORIGIN] {
        put(name.as_str().as_bytes());
        request.headers().get_all(&name).iter().for_each(|value| put(value.as_bytes()));
    }
    place
}

#[cfg(test)]
mod tests;
