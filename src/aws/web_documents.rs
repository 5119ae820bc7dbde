//! Fetches small public documents of others than AWS, such as the keys of an issuer of tokens, over the connections that AWS is called
//! over: with the same authorities (`AWS_CA_BUNDLE`) and the same proxy, and with no credentials.

use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response};
use tokio::time::timeout;

use super::profiles::Profiles;
use super::trust::Bundle;
use crate::model::text::{chain, shown};

/// The largest document.
const LARGEST: usize = 512 * 1024;
/// How long a document may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of an error is told.
const TOLD: usize = 300;

/// Fetches documents.
#[derive(Debug)]
pub struct WebDocuments(Connector);

impl WebDocuments {
    /// With the authorities and the proxy of AWS's own chain, as `profile` has them.
    #[must_use]
    pub fn of_profile(profile: Option<&str>) -> Self {
        let variable = std::env::var("AWS_PROFILE").ok();
        let files = Profiles::read(profile.or(variable.as_deref()).unwrap_or("default"));
        WebDocuments(connector(&files, ProxyConfig::from_env()))
    }

    /// For documents and requests to one host, which is asked without a proxy where it is this machine. A port may follow its name.
    #[must_use]
    pub fn of_host(host: &str) -> Self {
        let profile = std::env::var("AWS_PROFILE").ok();
        let files = Profiles::read(profile.as_deref().unwrap_or("default"));
        let proxy = if is_this_machine(host) { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
        WebDocuments(connector(&files, proxy))
    }

    /// Sends a request, and returns the whole answer, whatever its status.
    ///
    /// # Errors
    /// Why there is none, without the URL.
    pub async fn exchange(&self, request: Request<Bytes>, patience: Duration) -> Result<Response<Bytes>, String> {
        let exchanging = async {
            let request = HttpRequest::try_from(request.map(SdkBody::from)).map_err(|error| chain(&error))?;
            let answer = self.0.call(request).await.map_err(|error| chain(&error))?;
            let answer = answer.try_into_http1x().map_err(|error| chain(&error))?;
            let (parts, body) = answer.into_parts();
            let body = to_bytes(Body::new(body), LARGEST).await;
            let body = body.map_err(|_| format!("the answer is longer than {} KiB, or broke off", LARGEST >> 10))?;
            Ok(Response::from_parts(parts, body))
        };
        timeout(patience, exchanging).await.unwrap_or_else(|_| Err(format!("no answer within {patience:?}")))
    }

    /// The body of the answer to a GET of `url`. No redirection is followed.
    ///
    /// # Errors
    /// Why there is none, with the URL.
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let failed = |why: String| format!("{} {}", shown(url, TOLD), shown(&why, TOLD));
        let fetching = async {
            let mut request = HttpRequest::get(url).map_err(|error| chain(&error))?;
            request.headers_mut().insert("accept", "application/json");
            let answer = self.0.call(request).await.map_err(|error| chain(&error))?;
            let status = answer.status().as_u16();
            if status != 200 {
                return Err(format!("answered {status}"));
            }
            let bytes = to_bytes(Body::new(answer.into_body()), LARGEST).await;
            bytes.map(|bytes| bytes.to_vec()).map_err(|_| format!("is longer than {} KiB, or broke off", LARGEST >> 10))
        };
        match timeout(PATIENCE, fetching).await {
            Ok(fetched) => fetched.map_err(failed),
            Err(_) => Err(failed(format!("did not answer within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// Connections with the authorities that these files name.
fn connector(files: &Profiles, proxy: ProxyConfig) -> Connector {
    let bundle = Bundle::find(files).and_then(Result::ok);
    Connector::builder()
        .enable_tcp_nodelay(true)
        .proxy_config(proxy)
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(Bundle::context(bundle.as_ref()))
        .build()
}

/// Whether a host, to which a port may belong, is this machine.
fn is_this_machine(host: &str) -> bool {
    let end = if host.ends_with(']') { None } else { host.rfind(':') };
    let name = end.and_then(|end| host.get(..end)).unwrap_or(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in ["localhost", "LocalHost:4318", "127.0.0.1", "127.3.2.1:80", "[::1]", "[::1]:4318"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["localhost.example.com", "collector:4318", "10.0.0.1:80", "[2001:db8::1]:80", ""] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
