//! The settings that only a server has: where to listen, and when to end.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::ConfigError;

/// Settings that only a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// The loopback address to serve Streamable HTTP at. `None`: the Unix socket only.
    pub http: Option<SocketAddr>,
    /// Further `Host` names to accept, for a proxy in front. Those of loopback are always accepted.
    pub allowed_hosts: Vec<String>,
    /// Further `Origin`s to accept. Those of loopback are always accepted.
    pub allowed_origins: Vec<String>,
    /// Whether it has left the terminal, as a front end starts it.
    pub detached: bool,
    /// How long after its last client the server ends. `None`: it does not.
    pub idle_exit: Option<Duration>,
}

impl ServerOptions {
    /// Checks the settings. A detached server has no HTTP listener, whatever `MUSTER_HTTP` says.
    ///
    /// # Errors
    /// [`ConfigError::NotLoopback`] when other machines could reach the address.
    pub fn check(self) -> Result<Self, ConfigError> {
        match self.http {
            _ if self.detached => Ok(ServerOptions { http: None, ..self }),
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
        let listening = |http: &str, detached| {
            let http = Some(http.parse().unwrap());
            ServerOptions { http, allowed_hosts: vec![], allowed_origins: vec![], detached, idle_exit: None }.check()
        };
        assert!(listening("127.0.0.1:0", false).is_ok());
        assert!(listening("[::1]:8080", false).is_ok());
        assert!(matches!(listening("0.0.0.0:8080", false), Err(ConfigError::NotLoopback { .. })));
        assert_eq!(listening("127.0.0.1:1", true).unwrap().http, None);
    }
}
