//! `/metrics`: who may read it, and the page.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::listener::ClientListener;
use crate::telemetry::metrics::{self, PageFormat};

/// Where the metrics are.
pub(super) const PATH: &str = "/metrics";

/// Which address the metrics are asked for at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAddress {
    /// One that serves metrics and nothing else.
    Own,
    /// That of MCP.
    OfServer,
}

/// How the metrics are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsAccess {
    /// At which address.
    pub address: MetricsAddress,
    /// Whether only this machine reaches the address, and no proxy hands on what others ask.
    pub is_local: bool,
    /// Whether clients of the server have to name themselves.
    pub has_tokens: bool,
    /// Whether this one did.
    pub is_known: bool,
}

impl MetricsAccess {
    /// Whether they are shown: to whoever the server knows; and on this machine to everybody, on an address of their own or where the
    /// server asks nobody for a token.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        self.is_known || (self.is_local && (self.address == MetricsAddress::Own || !self.has_tokens))
    }
}

/// Whether a `Host` is an address or a name that no page of the web can have, or one of `names`. A page that another address was
/// given for its name, so that it reaches this machine, sends the name.
pub(super) fn is_own_host(headers: &HeaderMap, names: &[String]) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let is_named = |known: &String| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host);
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || names.iter().any(is_named)
}

/// The route of the metrics of `listener`. `access` is that of a client who does not name itself; `hosts` are names of the server.
pub(super) fn route(listener: &ClientListener, access: MetricsAccess, hosts: Vec<String>) -> Router {
    let listener = listener.clone();
    // One page at a time: each walks over all scopes.
    let turn = Arc::new(Semaphore::new(1));
    let answer = move |request: Request<Body>| {
        let (listener, turn, hosts) = (listener.clone(), Arc::clone(&turn), hosts.clone());
        async move {
            if !is_own_host(request.headers(), &hosts) {
                let why = "this Host is not one of the server: name it with --allowed-host\n";
                return (StatusCode::FORBIDDEN, why).into_response();
            }
            if !access.is_allowed() {
                let why = "metrics are read on this machine, or on an address of their own: see --metrics ADDRESS\n";
                return (StatusCode::FORBIDDEN, why).into_response();
            }
            let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            let format = PageFormat::accepted(accept);
            let Ok(_turn) = turn.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
            page(listener, format).await
        }
    };
    Router::new().route(PATH, get(answer))
}

/// Says at the address of the metrics where everything else is.
pub(super) async fn elsewhere() -> (StatusCode, &'static str) {
    let said = "Metrics are served at /metrics, and probes at /healthz and /readyz. MCP and EC2's read API are not here: they have \
                addresses of their own, those of --http and --ec2-api\n";
    (StatusCode::NOT_FOUND, said)
}

async fn page(listener: ClientListener, format: PageFormat) -> Response {
    let gathered = spawn_blocking(move || {
        let core = listener.core();
        let (operations, connected) = (listener.operations(), listener.conversations().now());
        metrics::gather(core.as_deref(), operations, listener.ec2_calls(), connected).text(format)
    });
    match gathered.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, format.media_type())], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn metrics_are_for_whom_the_server_knows_and_for_this_machine() {
        let access = |is_own, is_local, has_tokens, is_known| {
            let address = if is_own { MetricsAddress::Own } else { MetricsAddress::OfServer };
            MetricsAccess { address, is_local, has_tokens, is_known }.is_allowed()
        };
        assert!(access(false, true, false, false), "a server of one person");
        assert!(!access(false, true, true, false), "it asks for tokens");
        assert!(access(true, true, true, false), "an address of their own");
        assert!(!access(true, false, false, false) && !access(false, false, false, false));
        for [own, local, tokens] in [[false; 3], [false, true, true], [true, false, true]] {
            assert!(access(own, local, tokens, true));
        }
    }

    #[test]
    fn a_page_of_the_web_cannot_read_them() {
        let is_own = |host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(host).unwrap())]);
            is_own_host(&headers, &["muster.example.com".to_owned()])
        };
        for own in [
            "127.0.0.1:9377",
            "127.0.0.1",
            "[::1]:9377",
            "[::1]",
            "localhost:1",
            "10.0.0.7:80",
            "Muster.example.com:80",
        ] {
            assert!(is_own(own), "{own}");
        }
        for other in ["evil.example", "evil.example:9377", "127.0.0.1.evil.example", "localhost.evil.example:1", ""] {
            assert!(!is_own(other), "{other}");
        }
        assert!(!is_own_host(&HeaderMap::new(), &[]));
    }
}
