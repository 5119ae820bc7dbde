//! Lets web pages of accepted origins call the server (CORS).
//!
//! Which origins are accepted is decided in one place, by rmcp. A preflight goes there too: it is refused as forbidden, or as a
//! method that is not served, and then the answer is what the browser asks for. A preflight has no credentials, so whatever checks
//! them lets OPTIONS pass. Before every other request of a page the same is asked, since some are refused before they reach rmcp.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

/// The methods that a page may use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// The headers of an answer that a page may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("mcp-session-id, mcp-protocol-version, retry-after, www-authenticate");
/// For how many seconds a browser may remember the answer to a preflight.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// Adds what a browser needs to hand the answer to the page.
pub(super) async fn cors(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).cloned();
    let is_preflight =
        request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let may_send = is_preflight.then(|| sendable(headers));
    let (mut response, is_forbidden) = if origin.is_some() && !is_preflight {
        // What is cloned waits for its own place among the requests at work: the question has left its place by then.
        let served = next.clone();
        let is_forbidden = next.run(question(&request)).await.status() == StatusCode::FORBIDDEN;
        let Ok(response) = served.oneshot(request).await;
        (response, is_forbidden)
    } else {
        (next.run(request).await, false)
    };
    // Of another request the status says nothing about the origin: it may be that of a token that lacks a scope.
    let is_forbidden = is_forbidden || (is_preflight && response.status() == StatusCode::FORBIDDEN);
    let Some(origin) = origin.filter(|_| !is_forbidden) else { return response };
    if let Some(may_send) = may_send {
        let granted = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, may_send),
            (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
        ];
        response = (StatusCode::NO_CONTENT, granted).into_response();
    }
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}

/// A request that rmcp refuses as forbidden exactly where it does not accept the origin or the host of `request`.
pub(super) fn question(request: &Request) -> Request {
    let mut question = Request::new(Body::empty());
    *question.method_mut() = Method::OPTIONS;
    *question.uri_mut() = request.uri().clone();
    for name in [header::HOST, header::ORIGIN] {
        for value in request.headers().get_all(&name) {
            question.headers_mut().append(&name, value.clone());
        }
    }
    question
}

/// Those of the requested headers that a page may send. A wildcard would not do: it covers no `Authorization`.
fn sendable(headers: &HeaderMap) -> HeaderValue {
    let requested = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = requested.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    let is_sendable = |name: &str| {
        matches!(name, "accept" | "authorization" | "content-type" | "last-event-id") || name.starts_with("mcp-")
    };
    let names: Vec<String> = names.map(str::to_ascii_lowercase).filter(|name| is_sendable(name)).collect();
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}
