//! Where a server listens beside its socket.

use std::net::SocketAddr;

use super::error::ConfigError;

/// Where a server listens beside its socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenSettings {
    /// The address to serve Streamable HTTP at. `None`: the Unix socket only.
    pub http: Option<SocketAddr>,
    /// The address to serve metrics at, beside that of HTTP.
    pub metrics: Option<SocketAddr>,
}

impl ListenSettings {
    /// These settings, and those of `file` where they say nothing.
    #[must_use]
    pub fn over(self, file: &ListenSettings) -> Self {
        ListenSettings { http: self.http.or(file.http), metrics: self.metrics.or(file.metrics) }
    }

    /// Checks who can reach the addresses.
    ///
    /// # Errors
    /// [`ConfigError::NotLoopback`] when other machines could.
    pub fn check(&self) -> Result<(), ConfigError> {
        let outside = |address: &SocketAddr| !address.ip().is_loopback();
        if let Some(address) = self.http.filter(outside) {
            return Err(ConfigError::NotLoopback { address });
        }
        match self.metrics.filter(outside) {
            Some(address) => Err(ConfigError::MetricsNotLoopback { address }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_reaches_what_nobody_authenticates() {
        let check = |http: &str, metrics: &str| {
            let settings = ListenSettings { http: http.parse().ok(), metrics: metrics.parse().ok() };
            settings.check()
        };
        assert_eq!(check("127.0.0.1:0", "[::1]:8080"), Ok(()));
        assert_eq!(check("", ""), Ok(()));
        assert!(matches!(check("0.0.0.0:8080", ""), Err(ConfigError::NotLoopback { .. })));
        assert!(matches!(check("", "0.0.0.0:8080"), Err(ConfigError::MetricsNotLoopback { .. })));
    }

    #[test]
    fn what_is_given_goes_before_what_a_file_says() {
        let [one, other]: [Option<SocketAddr>; 2] = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().ok());
        let file = ListenSettings { http: other, metrics: other };
        let given = ListenSettings { http: one, metrics: None };
        assert_eq!(given.over(&file), ListenSettings { http: one, metrics: other });
    }
}
