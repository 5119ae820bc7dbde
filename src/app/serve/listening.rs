//! Serves HTTP, metrics and EC2's read API beside the socket of a server.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::app::ec2_keys::{Ec2KeyDesk, Ec2KeysError};
use crate::app::ec2_route;
use crate::app::listener::ClientListener;
use crate::app::metrics_route::{self, MetricsAccess, MetricsAddress};
use crate::app::probes;
use crate::app::tls_files::{TlsError, TlsFiles};
use crate::config::ServerOptions;
use crate::connection::data_dir;
use crate::mcp::auth::AccessGate;
use crate::mcp::transport::{HttpDoor, HttpOptions, TlsConfig};
use crate::model::text::chain;

/// Opens the certificate of HTTP, if there is one. A detached server, which has nobody to tell, goes without HTTP where that fails, and
/// without EC2's read API where other machines would read its answers on the way.
pub(super) fn open_tls(options: &mut ServerOptions) -> Result<Option<TlsFiles>, TlsError> {
    let opened = options.listen.tls().map(|(certificate, key)| TlsFiles::open(certificate, key)).transpose();
    match opened {
        Err(error) if options.detached => {
            tracing::error!(error = chain(&error), "HTTP is not served");
            options.listen.http = None;
            if options.listen.ec2_api.is_open() {
                tracing::error!(
                    "EC2's read API is not answered: without the certificate its answers could be read on the way"
                );
                options.listen.ec2_api.address = None;
            }
            Ok(None)
        }
        opened => opened,
    }
}

/// Opens the file of the keys of EC2's read API, if there is one. A detached server, which has nobody to tell, goes without that API where
/// that fails.
pub(super) fn open_ec2_keys(options: &mut ServerOptions) -> Result<Option<Ec2KeyDesk>, Ec2KeysError> {
    let Some(path) = options.listen.ec2_api.keys.as_deref().filter(|_| options.listen.ec2_api.address.is_some()) else {
        return Ok(None);
    };
    match Ec2KeyDesk::open(path, &options.access.grants) {
        Err(error) if options.detached => {
            tracing::error!(error = chain(&error), "EC2's read API is not answered");
            options.listen.ec2_api.address = None;
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

/// What is bound beside the socket, and how it is served.
pub(super) struct Listening {
    pub(super) door: Option<HttpDoor>,
    pub(super) metrics: Option<TcpListener>,
    pub(super) ec2_api: Option<TcpListener>,
    pub(super) ec2_keys: Option<Ec2KeyDesk>,
    pub(super) gate: Option<AccessGate>,
    pub(super) tls: Option<TlsConfig>,
    pub(super) is_read_only: bool,
    pub(super) begun: Instant,
}

impl Listening {
    /// Begins to serve them.
    pub(super) fn begin(self, listener: &ClientListener, options: &ServerOptions, data_dir: &Path) {
        let Listening { door, metrics, ec2_api, ec2_keys, gate, tls, is_read_only, begun } = self;
        let ec2_tls = tls.clone();
        if let Some(door) = door {
            let sessions = Some(data_dir::sessions(data_dir));
            let (hosts, origins) = (options.allowed_hosts.clone(), options.allowed_origins.clone());
            let (address, is_local) = (MetricsAddress::OfServer, options.listen.is_local());
            // Where there is a gate, only whom it lets in gets there.
            let access = MetricsAccess { address, is_local, has_tokens: gate.is_some(), is_known: gate.is_some() };
            let beside = metrics_route::route(listener, access, options.allowed_hosts.clone());
            let probes = probes::routes(&listener.readiness(), begun);
            let (proxies, per_second) = (options.listen.behind_proxy.clone(), options.listen.per_second());
            let served =
                HttpOptions { hosts, origins, sessions, is_read_only, gate, tls, proxies, per_second, probes, beside };
            listener.listen_http(door, served);
        }
        if let Some(metrics) = metrics {
            let access =
                MetricsAccess { address: MetricsAddress::Own, is_local: true, has_tokens: false, is_known: false };
            let routes = metrics_route::route(listener, access, options.allowed_hosts.clone());
            let routes = routes.merge(probes::routes(&listener.readiness(), begun)).fallback(metrics_route::elsewhere);
            listener.listen_beside("metrics", metrics, routes, None);
        }
        if let Some(ec2_api) = ec2_api {
            let settings = options.listen.ec2_api.clone();
            let tls = ec2_tls.filter(|_| settings.is_open());
            if settings.is_open() && (tls.is_none() || ec2_keys.is_none()) {
                tracing::error!(
                    "EC2's read API is not answered: other machines reach its address, and it has no certificate or no keys"
                );
                return;
            }
            let address = ec2_api.local_addr().ok();
            listener.process().serves_read_api(Arc::clone(listener.ec2_calls()), address, tls.is_some());
            let routes = ec2_route::routes(listener, settings, options.allowed_hosts.clone(), ec2_keys);
            listener.listen_beside("EC2's read API", ec2_api, routes, tls);
        }
    }
}

/// Has HTTP served with the certificate as its files have it, for ever.
pub(super) async fn renew(tls: Option<TlsFiles>) -> Infallible {
    match tls {
        Some(tls) => tls.follow().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AccessOptions, ListenSettings};

    fn options(ec2_api: &str, detached: bool) -> ServerOptions {
        let mut listen = ListenSettings {
            http: "127.0.0.1:0".parse().ok(),
            tls_cert: Some("/nowhere/cert.pem".into()),
            tls_key: Some("/nowhere/key.pem".into()),
            ..ListenSettings::default()
        };
        listen.ec2_api.address = ec2_api.parse().ok();
        listen.ec2_api.keys = Some("/nowhere/keys.toml".into());
        ServerOptions {
            listen,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            detached,
            http_writes: false,
            successor: Vec::new(),
            rules: Vec::new(),
            idle_exit: None,
            access: AccessOptions::default(),
        }
    }

    #[test]
    fn without_its_certificate_nothing_is_answered_that_other_machines_reach() {
        for (address, stays) in [("0.0.0.0:8378", false), ("[::]:8378", false), ("127.0.0.1:8378", true)] {
            let mut options = options(address, true);
            assert!(matches!(open_tls(&mut options), Ok(None)));
            assert!(options.listen.http.is_none());
            assert_eq!(options.listen.ec2_api.address.is_some(), stays, "{address}");
        }
        assert!(open_tls(&mut options("0.0.0.0:8378", false)).is_err(), "somebody is told on the terminal");
    }
}
