//! Which clients may send requests over HTTP, and how many.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::accept::JSON;
use super::client_address::client_address;
use super::http_door::PeerAddress;
use super::rate_limits::{RateLimits, RatedClient};
use crate::mcp::auth::KnownCaller;
use crate::mcp::normalise::ErrorResponse;
use crate::mcp::operations::{HttpRefusal, Operations};
use crate::model::AddressRange;

/// Serves only whoever may see everything: what is beside MCP shows all accounts.
pub(super) async fn unlimited(request: Request, next: Next) -> Response {
    if KnownCaller::is_limited_now() {
        let why = "this shows all accounts, so it is for those who may see everything: `muster help http-auth`\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

/// Decides about a request before its body is read.
pub(super) struct ClientGuard {
    /// The proxies in front of the server. With any, nobody else is served but this machine.
    proxies: Vec<AddressRange>,
    rates: Option<RateLimits>,
    operations: Arc<Operations>,
}

impl ClientGuard {
    /// A guard behind these proxies, which lets each client send so many requests a second.
    pub(super) fn new(proxies: Vec<AddressRange>, per_second: Option<NonZeroU32>, operations: Arc<Operations>) -> Self {
        ClientGuard { proxies, rates: per_second.map(RateLimits::new), operations }
    }

    /// Why a request is not served, if it is not. What says from where it comes is taken out of it.
    pub(super) fn refusal(&self, parts: &mut Parts) -> Option<Response> {
        // The question whether a page may ask comes from no connection.
        let PeerAddress(peer) = parts.extensions.remove::<PeerAddress>()?;
        if peer.is_some_and(|peer| !self.admits(peer)) {
            let why = "this server is reached through its proxy, which its operator names with --behind-proxy";
            return Some(self.refused(HttpRefusal::Forbidden, StatusCode::FORBIDDEN, why.to_owned(), None));
        }
        let rates = self.rates.as_ref()?;
        let client = match KnownCaller::current() {
            Some(caller) => RatedClient::Known(Arc::clone(caller.user())),
            None => RatedClient::at(client_address(peer, &parts.headers, &self.proxies)),
        };
        let wait = rates.check(&client).err()?;
        let why = "this client sends more requests than it may: wait as long as Retry-After says".to_owned();
        Some(self.refused(HttpRefusal::Rate, StatusCode::TOO_MANY_REQUESTS, why, Some(wait)))
    }

    /// The answer to a request that is not served for this reason, with after how long another try may be.
    pub(super) fn refused(
        &self,
        refusal: HttpRefusal,
        status: StatusCode,
        why: String,
        wait: Option<Duration>,
    ) -> Response {
        self.operations.note_refusal(refusal);
        let body = ErrorResponse::failed(None, why).line();
        let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        if let Some(wait) = wait {
            // Whole seconds, and at least one.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Counts a request that is refused elsewhere.
    pub(super) fn note(&self, refusal: HttpRefusal) {
        self.operations.note_refusal(refusal);
    }

    fn admits(&self, peer: IpAddr) -> bool {
        self.proxies.is_empty() || peer.is_loopback() || self.proxies.iter().any(|range| range.holds(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: Option<&str>, forwarded: &str) -> Parts {
        let request = axum::http::Request::builder().header("x-forwarded-for", forwarded).body(()).unwrap();
        let mut parts = request.into_parts().0;
        parts.extensions.insert(PeerAddress(peer.map(|peer| peer.parse().unwrap())));
        parts
    }

    #[test]
    fn behind_a_proxy_nobody_else_is_served_but_this_machine() {
        let operations = Arc::new(Operations::default());
        let guard = ClientGuard::new(vec!["10.0.0.0/8".parse().unwrap()], None, Arc::clone(&operations));
        for (peer, status) in [
            (Some("10.0.0.1"), None),
            (Some("127.0.0.1"), None),
            (None, None),
            (Some("192.0.2.1"), Some(StatusCode::FORBIDDEN)),
        ] {
            let refusal = guard.refusal(&mut asked(peer, "10.0.0.1"));
            assert_eq!(refusal.map(|response| response.status()), status, "{peer:?}");
        }
        assert!(operations.refused().contains(&("forbidden", 1)));
        let open = ClientGuard::new(Vec::new(), None, operations);
        assert!(open.refusal(&mut asked(Some("192.0.2.1"), "")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_too_many_requests_is_told_when_to_send_the_next() {
        let operations = Arc::new(Operations::default());
        let proxies = vec!["10.0.0.1".parse().unwrap()];
        let guard = ClientGuard::new(proxies, NonZeroU32::new(3), Arc::clone(&operations));
        let mut refused = 0;
        for _ in 0..10 {
            if let Some(response) = guard.refusal(&mut asked(Some("10.0.0.1"), "203.0.113.9")) {
                assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
                assert_eq!(response.headers()[header::RETRY_AFTER], "1");
                refused += 1;
            }
        }
        assert_eq!(refused, 7);
        assert!(guard.refusal(&mut asked(Some("10.0.0.1"), "203.0.113.10")).is_none(), "another client of the proxy");
        assert_eq!(operations.refused().iter().find(|(name, _)| *name == "rate"), Some(&("rate", refused)));
    }
}
