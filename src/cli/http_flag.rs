//! The flag that says where a server listens for HTTP.

use std::ffi::OsString;
use std::net::SocketAddr;

use clap::Args;

/// Where a server listens for HTTP.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct HttpFlag {
    /// Also serve MCP over Streamable HTTP at /mcp of this loopback address, such as 127.0.0.1:8377
    ///
    /// Port 0 takes a free port. Every local user can connect to it, and is let in unless --token-file or issuers are given.
    #[arg(long, env = "MUSTER_HTTP", value_name = "ADDRESS", hide_env_values = true)]
    pub(super) http: Option<SocketAddr>,
}

impl HttpFlag {
    /// The flag as arguments, if it is given.
    pub(super) fn words(&self) -> Vec<OsString> {
        self.http.into_iter().flat_map(|address| ["--http".into(), address.to_string().into()]).collect()
    }
}
