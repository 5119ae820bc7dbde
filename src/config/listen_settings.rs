//! Where a server listens beside its socket, and whom it serves there.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::ec2_api_settings::Ec2ApiSettings;
use super::error::ConfigError;
use super::http_place::HttpPlace;
use crate::model::AddressRange;

/// How many requests a second each client may send where other machines reach the server, unless it is said.
const PER_SECOND: NonZeroU32 = match NonZeroU32::new(100) {
    Some(limit) => limit,
    None => NonZeroU32::MIN,
};

/// Where a server listens beside its socket, and whom it serves there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenSettings {
    /// Where Streamable HTTP is served. `None`: nowhere.
    pub http: Option<HttpPlace>,
    /// The address to serve metrics at, beside that of HTTP.
    pub metrics: Option<SocketAddr>,
    /// The file of the certificate of HTTP.
    pub tls_cert: Option<PathBuf>,
    /// The file of its key.
    pub tls_key: Option<PathBuf>,
    /// The proxies in front of HTTP.
    pub behind_proxy: Vec<AddressRange>,
    /// How many requests a second each client of HTTP may send; 0: as many as it likes.
    pub rate_limit: Option<u32>,
    /// Whether and how EC2's own read API is answered.
    pub ec2_api: Ec2ApiSettings,
}

impl ListenSettings {
    /// These settings, and those of `file` where they say nothing.
    #[must_use]
    pub fn over(self, file: &ListenSettings) -> Self {
        let file = file.clone();
        ListenSettings {
            http: self.http.or(file.http),
            metrics: self.metrics.or(file.metrics),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            behind_proxy: if self.behind_proxy.is_empty() { file.behind_proxy } else { self.behind_proxy },
            rate_limit: self.rate_limit.or(file.rate_limit),
            ec2_api: self.ec2_api.over(file.ec2_api),
        }
    }

    /// The address of HTTP, if it has one.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        match self.http {
            Some(HttpPlace::Address(address)) => Some(address),
            Some(HttpPlace::Socket(_)) | None => None,
        }
    }

    /// The Unix socket of HTTP, if it is served on one.
    #[must_use]
    pub fn http_socket(&self) -> Option<&Path> {
        match &self.http {
            Some(HttpPlace::Socket(path)) => Some(path),
            Some(HttpPlace::Address(_)) | None => None,
        }
    }

    /// The files of the certificate and of its key.
    #[must_use]
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }

    /// Whether only this machine reaches HTTP, and no proxy hands on what others ask.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.behind_proxy.is_empty() && self.http_address().is_none_or(|address| address.ip().is_loopback())
    }

    /// How many requests a second each client may send; `None`: as many as it likes.
    #[must_use]
    pub fn per_second(&self) -> Option<NonZeroU32> {
        match self.rate_limit {
            Some(limit) => NonZeroU32::new(limit),
            None => (!self.is_local()).then_some(PER_SECOND),
        }
    }

    /// Checks who can reach the addresses. `knows_clients` says whether clients have to say who they are.
    ///
    /// # Errors
    /// [`ConfigError::NotLoopback`] and [`ConfigError::MetricsNotLoopback`] when other machines could and nothing keeps strangers out,
    /// [`ConfigError::HalfOfTls`] when a certificate has no key; and what [`Ec2ApiSettings::check`] finds.
    pub fn check(&self, knows_clients: bool) -> Result<(), ConfigError> {
        self.ec2_api.check(self.tls().is_some())?;
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err(ConfigError::HalfOfTls { given: "--tls-cert", missing: "--tls-key" }),
            (None, Some(_)) => return Err(ConfigError::HalfOfTls { given: "--tls-key", missing: "--tls-cert" }),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let outside = |address: &SocketAddr| !address.ip().is_loopback();
        let is_guarded = !self.behind_proxy.is_empty() || (knows_clients && self.tls().is_some());
        if let Some(address) = self.http_address().filter(outside).filter(|_| !is_guarded) {
            return Err(ConfigError::NotLoopback { address });
        }
        match self.metrics.filter(outside) {
            Some(address) => Err(ConfigError::MetricsNotLoopback { address }),
            None => Ok(()),
        }
    }

    /// Checks that what they say can come true.
    ///
    /// # Errors
    /// [`ConfigError::SameAddress`] when two are to listen at one address; and what [`Ec2ApiSettings::check_effect`] finds.
    pub fn check_effect(&self) -> Result<(), ConfigError> {
        self.ec2_api.check_effect()?;
        let all = [("--http", self.http_address()), ("--metrics", self.metrics), ("--ec2-api", self.ec2_api.address)];
        let mut before: Vec<(&'static str, SocketAddr)> = Vec::new();
        for (flag, address) in all {
            let Some(address) = address.filter(|address| address.port() != 0) else { continue };
            if let Some((other, _)) = before.iter().find(|(_, known)| *known == address) {
                return Err(ConfigError::SameAddress { flag, other, address });
            }
            before.push((flag, address));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(http: &str) -> ListenSettings {
        ListenSettings { http: http.parse().ok(), ..ListenSettings::default() }
    }

    #[test]
    fn only_this_machine_reaches_what_nothing_guards() {
        for local in ["", "127.0.0.1:0", "[::1]:8080", "unix:/run/http.sock"] {
            assert_eq!(settings(local).check(false), Ok(()), "{local}");
            assert!(settings(local).is_local() && settings(local).per_second().is_none());
        }
        let open = settings("0.0.0.0:8080");
        assert!(matches!(open.check(true), Err(ConfigError::NotLoopback { .. })), "without TLS tokens would be read");
        let tls = ListenSettings { tls_cert: Some("c".into()), tls_key: Some("k".into()), ..open.clone() };
        assert!(matches!(tls.check(false), Err(ConfigError::NotLoopback { .. })), "nobody says who they are");
        assert_eq!(tls.check(true), Ok(()));
        let proxied = ListenSettings { behind_proxy: vec!["10.0.0.1".parse().unwrap()], ..open };
        assert_eq!(proxied.check(false), Ok(()));
        assert_eq!(proxied.per_second(), NonZeroU32::new(100));
        let unlimited = ListenSettings { rate_limit: Some(0), ..proxied };
        assert_eq!(unlimited.per_second(), None);
        let limited = ListenSettings { rate_limit: Some(7), ..settings("127.0.0.1:1") };
        assert_eq!(limited.per_second(), NonZeroU32::new(7));
        let behind = ListenSettings { behind_proxy: vec!["127.0.0.1".parse().unwrap()], ..settings("127.0.0.1:1") };
        assert!(!behind.is_local(), "the proxy hands on what others ask");
    }

    #[test]
    fn metrics_are_for_this_machine_and_a_certificate_has_a_key() {
        let metrics = |text: &str| ListenSettings { metrics: text.parse().ok(), ..ListenSettings::default() };
        assert_eq!(metrics("127.0.0.1:9377").check(false), Ok(()));
        assert!(matches!(metrics("0.0.0.0:9377").check(true), Err(ConfigError::MetricsNotLoopback { .. })));
        let half = ListenSettings { tls_key: Some("k".into()), ..ListenSettings::default() };
        let error = half.check(true).unwrap_err().to_string();
        assert!(error.contains("--tls-key") && error.contains("--tls-cert"), "{error}");
    }

    #[test]
    fn two_do_not_listen_at_one_address() {
        let settings = |http: &str, metrics: &str, ec2_api: &str| {
            let mut settings = ListenSettings { metrics: metrics.parse().ok(), ..settings(http) };
            settings.ec2_api.address = ec2_api.parse().ok();
            settings.check_effect()
        };
        for (given, flags) in [
            (["127.0.0.1:1", "", "127.0.0.1:1"], ["--ec2-api", "--http"]),
            (["127.0.0.1:2", "127.0.0.1:1", "127.0.0.1:1"], ["--ec2-api", "--metrics"]),
            (["127.0.0.1:1", "127.0.0.1:1", ""], ["--metrics", "--http"]),
        ] {
            let error = settings(given[0], given[1], given[2]).unwrap_err().to_string();
            assert!(flags.iter().all(|flag| error.contains(flag)) && error.contains("127.0.0.1:1"), "{error}");
        }
        for given in [
            ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"],
            ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"],
            ["127.0.0.1:1", "", "[::1]:1"],
            ["unix:/run/http.sock", "", "127.0.0.1:1"],
        ] {
            assert_eq!(settings(given[0], given[1], given[2]), Ok(()), "{given:?}");
        }
    }

    #[test]
    fn what_is_given_goes_before_what_a_file_says() {
        let [one, other]: [Option<SocketAddr>; 2] = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().ok());
        let file = ListenSettings { metrics: other, rate_limit: Some(5), ..settings("127.0.0.1:2") };
        let given = ListenSettings { rate_limit: Some(0), ..settings("127.0.0.1:1") };
        let both = given.over(&file);
        assert_eq!((both.http_address(), both.metrics, both.rate_limit), (one, other, Some(0)));
    }
}
