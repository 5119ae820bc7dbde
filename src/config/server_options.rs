//! What only a server is told: where to listen, and when to end.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::ConfigError;

/// Settings that only a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// The loopback address to serve Streamable HTTP at. `None`: the Unix socket only.
    pub http: Option<SocketAddr>,
    /// `Host` names to accept besides loopback's, for a proxy in front.
    pub allowed_hosts: Vec<String>,
    /// `Origin`s to accept besides loopback's.
    pub allowed_origins: Vec<String>,
    /// `Some`: started by `muster mcp` without a terminal, to exit this long after its last client left.
    pub linger: Option<Duration>,
}

impl ServerOptions {
    /// Checks the settings. A detached server has no HTTP listener, whatever `MUSTER_HTTP` says.
    ///
    /// # Errors
    /// [`ConfigError::NotLoopback`] when others could reach the address.
    pub fn check(self) -> Result<Self, ConfigError> {
        match self.http {
            _ if self.linger.is_some() => Ok(ServerOptions { http: None, ..self }),
            Some(address) if !address.ip().is_loopback() => Err(ConfigError::NotLoopback { address }),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_listens_on_loopback_only() {
        let listening = |http: &str, linger| {
            let http = Some(http.parse().unwrap());
            ServerOptions { http, allowed_hosts: vec![], allowed_origins: vec![], linger }.check()
        };
        assert!(listening("127.0.0.1:0", None).is_ok());
        assert!(listening("[::1]:8080", None).is_ok());
        assert!(matches!(listening("0.0.0.0:8080", None), Err(ConfigError::NotLoopback { .. })));
        assert_eq!(listening("127.0.0.1:1", Some(Duration::ZERO)).unwrap().http, None);
    }
}
