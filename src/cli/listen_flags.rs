//! The flags that say where a server listens beside its socket, and whom it serves there.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::ec2_api_flags::Ec2ApiFlags;
use crate::config::{self, Environment, HttpPlace, ListenSettings};
use crate::model::AddressRange;

/// Where a server listens beside its socket, and whom it serves there.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ListenFlags {
    /// Also serve MCP over Streamable HTTP at /mcp of this address, such as 127.0.0.1:8377, or on a socket, such as `unix:/run/muster/http.sock`
    ///
    /// Port 0 takes a free port. An address that other machines reach is refused unless clients have to say who they are and
    /// --tls-cert is given, or --behind-proxy is: see `muster help http`. Without those, every local user can connect to it.
    #[arg(long, env = "MUSTER_HTTP", value_name = "ADDRESS", hide_env_values = true)]
    http: Option<HttpPlace>,
    /// Also serve metrics for Prometheus at /metrics of this loopback address, such as 127.0.0.1:9377
    ///
    /// Without it they are at /metrics of --http. `muster metrics` lists them, and `muster help http` says who may read them.
    #[arg(long, env = "MUSTER_METRICS", value_name = "ADDRESS", value_parser = |text: &str| config::listening_address(text, 9377), hide_env_values = true)]
    metrics: Option<SocketAddr>,
    /// Serve HTTP by TLS with the certificate of this file, in PEM, with those of its issuers behind it
    ///
    /// It is read again when it changes, and by `muster reload`. EC2's read API (--ec2-api) is served with it where other machines
    /// reach its address; on loopback that API is plain HTTP all the same.
    #[arg(long, env = "MUSTER_TLS_CERT", value_name = "FILE", hide_env_values = true)]
    tls_cert: Option<PathBuf>,
    /// The key of --tls-cert, in PEM
    #[arg(long, env = "MUSTER_TLS_KEY", value_name = "FILE", hide_env_values = true)]
    tls_key: Option<PathBuf>,
    /// Serve HTTP only to this proxy and this machine; an address or a range, such as 10.0.0.0/8 (repeatable)
    ///
    /// What the proxy says in X-Forwarded-For about the address of a client is believed, and of nobody else. It has to keep strangers
    /// out.
    #[arg(long, env = "MUSTER_BEHIND_PROXY", value_name = "ADDRESSES", value_delimiter = ',', hide_env_values = true)]
    behind_proxy: Vec<AddressRange>,
    /// How many requests a second each client of HTTP may send, and as many at once [default: 100 where other machines reach it]
    ///
    /// More are answered with 429 and Retry-After. 0 turns this off.
    #[arg(long, env = "MUSTER_RATE_LIMIT", value_name = "NUMBER", hide_env_values = true)]
    rate_limit: Option<u32>,
    #[command(flatten)]
    ec2_api: Ec2ApiFlags,
}

impl ListenFlags {
    /// The flags that give these settings.
    pub(super) fn of(settings: &ListenSettings) -> Self {
        let ListenSettings { http, metrics, tls_cert, tls_key, behind_proxy, rate_limit, ec2_api } = settings.clone();
        let ec2_api = Ec2ApiFlags::of(ec2_api);
        ListenFlags { http, metrics, tls_cert, tls_key, behind_proxy, rate_limit, ec2_api }
    }

    /// What they say.
    pub(super) fn settings(self, environment: &Environment) -> ListenSettings {
        let absolute = |path: PathBuf| environment.absolute(&path);
        ListenSettings {
            http: self.http,
            metrics: self.metrics,
            tls_cert: self.tls_cert.map(absolute),
            tls_key: self.tls_key.map(absolute),
            behind_proxy: self.behind_proxy,
            rate_limit: self.rate_limit,
            ec2_api: self.ec2_api.settings(environment),
        }
    }

    /// The flags as arguments.
    pub(super) fn words(&self) -> Vec<OsString> {
        let address = match &self.http {
            Some(HttpPlace::Address(address)) => vec!["--http".into(), address.to_string().into()],
            Some(HttpPlace::Socket(_)) | None => Vec::new(),
        };
        address.into_iter().chain(self.words_but_address()).collect()
    }

    /// The same without the address of HTTP, which a server that takes over is told as it is bound.
    pub(super) fn words_but_address(&self) -> Vec<OsString> {
        let ListenFlags { http, metrics, tls_cert, tls_key, behind_proxy, rate_limit, ec2_api } = self;
        let mut words: Vec<OsString> = Vec::new();
        let mut flag =
            |name: &str, value: Option<OsString>| words.extend(value.into_iter().flat_map(|it| [name.into(), it]));
        flag("--http", http.as_ref().filter(|it| matches!(it, HttpPlace::Socket(_))).map(|it| it.to_string().into()));
        flag("--metrics", metrics.map(|address| address.to_string().into()));
        flag("--tls-cert", tls_cert.clone().map(Into::into));
        flag("--tls-key", tls_key.clone().map(Into::into));
        for range in behind_proxy {
            flag("--behind-proxy", Some(range.to_string().into()));
        }
        flag("--rate-limit", rate_limit.map(|limit| limit.to_string().into()));
        words.extend(ec2_api.words());
        words
    }
}
