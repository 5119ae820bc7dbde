//! The flags that say by which names HTTP is reached.

use std::ffi::OsString;

use clap::Args;

/// By which names HTTP is reached, and from which pages.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct HostFlags {
    /// Also accept HTTP requests with this Host header, for a proxy in front (repeatable)
    ///
    /// It is a name such as muster.example.com. Hosts of loopback are always accepted.
    #[arg(long, env = "MUSTER_ALLOWED_HOST", value_name = "HOST", value_delimiter = ',', hide_env_values = true)]
    pub(super) allowed_host: Vec<String>,
    /// Also accept HTTP requests with this Origin header, such as `https://app.example.com:443` (repeatable)
    ///
    /// Browsers send this header. Origins of loopback are always accepted.
    #[arg(long, env = "MUSTER_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', hide_env_values = true)]
    pub(super) allowed_origin: Vec<String>,
}

impl HostFlags {
    /// The flags as arguments.
    pub(super) fn words(&self) -> Vec<OsString> {
        let hosts = self.allowed_host.iter().flat_map(|host| ["--allowed-host", host.as_str()]);
        let origins = self.allowed_origin.iter().flat_map(|origin| ["--allowed-origin", origin.as_str()]);
        hosts.chain(origins).map(Into::into).collect()
    }
}
