//! The flags that say where a server listens beside its socket.

use std::ffi::OsString;
use std::net::SocketAddr;

use clap::Args;

use crate::config::ListenSettings;

/// Where a server listens beside its socket.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ListenFlags {
    /// Also serve MCP over Streamable HTTP at /mcp of this loopback address, such as 127.0.0.1:8377
    ///
    /// Port 0 takes a free port. HTTP has no authentication, and every local user can connect to it.
    #[arg(long, env = "MUSTER_HTTP", value_name = "ADDRESS", hide_env_values = true)]
    http: Option<SocketAddr>,
    /// Also serve metrics for Prometheus at /metrics of this loopback address, such as 127.0.0.1:9377
    ///
    /// Without it they are at /metrics of --http. `muster metrics` lists them, and `muster help http` says who may read them.
    #[arg(long, env = "MUSTER_METRICS", value_name = "ADDRESS", hide_env_values = true)]
    metrics: Option<SocketAddr>,
}

impl ListenFlags {
    /// The flags that give these settings.
    pub(super) fn of(settings: &ListenSettings) -> Self {
        let ListenSettings { http, metrics } = settings;
        ListenFlags { http: *http, metrics: *metrics }
    }

    /// What they say.
    pub(super) fn settings(self) -> ListenSettings {
        ListenSettings { http: self.http, metrics: self.metrics }
    }

    /// The flags as arguments.
    pub(super) fn words(&self) -> Vec<OsString> {
        let http = self.http.map(|address| ["--http".into(), address.to_string().into()]);
        http.into_iter().flatten().chain(self.other_words()).collect()
    }

    /// The same without `--http`.
    pub(super) fn other_words(&self) -> Vec<OsString> {
        let metrics = self.metrics.map(|address| ["--metrics".into(), address.to_string().into()]);
        metrics.into_iter().flatten().collect()
    }
}
