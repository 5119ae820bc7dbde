//! Fetches small public documents of others than AWS, such as the keys of an issuer of tokens, over the connections that AWS is called
//! over: with the same authorities (`AWS_CA_BUNDLE`) and the same proxy, and with no credentials.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use axum::body::{Body, to_bytes};
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
        let bundle = Bundle::find(&files).and_then(Result::ok);
        let connector = Connector::builder()
            .enable_tcp_nodelay(true)
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .tls_context(Bundle::context(bundle.as_ref()))
            .build();
        WebDocuments(connector)
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
