//! Whether a server would read EC2 from its own read API in place of AWS, because a variable for clients is set for itself as well.

use std::net::{IpAddr, SocketAddr};

use axum::http::Uri;

use super::environment::Environment;
use super::error::ConfigError;

/// The variables that say where EC2 is, the first of which counts.
const VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL"];

/// A variable that has a server read EC2 from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnEndpoint {
    /// The variable.
    pub variable: &'static str,
    /// Its value.
    pub url: String,
}

impl OwnEndpoint {
    /// The variable that names `address`, at which the server itself answers EC2's read API.
    #[must_use]
    pub fn of(address: SocketAddr, environment: &Environment) -> Option<Self> {
        if environment.ignores_endpoints() {
            return None;
        }
        Self::among(address, |name| environment.variable(name))
    }

    /// The same of a process with these variables, which leaves none of them aside.
    #[must_use]
    pub fn among<'a>(address: SocketAddr, value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let mut set = VARIABLES.into_iter().filter_map(|name| Some((name, value(name)?)));
        let (variable, url) = set.next()?;
        names(url, address).then(|| OwnEndpoint { variable, url: url.to_owned() })
    }

    /// Why a server that answers at `address` does not start with it.
    #[must_use]
    pub fn refusal(self, address: SocketAddr) -> ConfigError {
        let OwnEndpoint { variable, url } = self;
        ConfigError::OwnEndpoint { variable, url, address }
    }
}

/// Whether a URL leads to an address of this machine.
fn names(url: &str, address: SocketAddr) -> bool {
    let Ok(uri) = url.trim().parse::<Uri>() else { return false };
    let by_scheme = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    if uri.port_u16().unwrap_or(by_scheme) != address.port() || address.port() == 0 {
        return false;
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let ip = address.ip();
    let is_on_loopback = ip.is_loopback() || ip.is_unspecified();
    match host.parse::<IpAddr>() {
        Ok(named) if named == ip => true,
        Ok(named) if named.is_unspecified() => is_on_loopback,
        Ok(named) => named.is_loopback() && ip.is_unspecified(),
        Err(_) => is_on_loopback && (host == "localhost" || host.ends_with(".localhost")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_oneself_by_every_name_of_this_machine() {
        let own = |url: &str, address: &str| names(url, address.parse().unwrap());
        for url in [
            "http://127.0.0.1:8378",
            "http://127.0.0.1:8378/123456789012/",
            "http://localhost:8378",
            "http://ec2.localhost:8378/",
            "http://0.0.0.0:8378",
            "https://LOCALHOST:8378",
        ] {
            assert!(own(url, "127.0.0.1:8378"), "{url}");
        }
        assert!(own("http://127.0.0.1:8378", "0.0.0.0:8378") && own("http://[::1]:8378", "[::1]:8378"));
        assert!(own("http://10.0.0.7:8378", "10.0.0.7:8378") && own("http://localhost", "127.0.0.1:80"));
        for url in [
            "http://127.0.0.1:8379",
            "http://127.0.0.1",
            "http://10.0.0.7:8378",
            "http://other.test:8378",
            "nonsense",
            "",
        ] {
            assert!(!own(url, "127.0.0.1:8378"), "{url}");
        }
        assert!(!own("http://127.0.0.1:0", "127.0.0.1:0"), "a free port is not known before");
        assert!(!own("http://localhost:8378", "10.0.0.7:8378"));
    }

    #[test]
    fn the_variable_of_ec2_goes_before_that_of_all_services_and_both_may_be_ignored() {
        let (own, other) = ("http://127.0.0.1:8378", "http://127.0.0.1:5000");
        let found = |variables: &[(&'static str, &str)]| {
            let environment = Environment::of(variables, Some("/s"));
            OwnEndpoint::of("127.0.0.1:8378".parse().unwrap(), &environment).map(|own| own.variable)
        };
        assert_eq!(found(&[("AWS_ENDPOINT_URL_EC2", own)]), Some("AWS_ENDPOINT_URL_EC2"));
        assert_eq!(found(&[("AWS_ENDPOINT_URL", own)]), Some("AWS_ENDPOINT_URL"));
        assert_eq!(found(&[("AWS_ENDPOINT_URL", own), ("AWS_ENDPOINT_URL_EC2", other)]), None);
        let ignored = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True");
        assert_eq!(found(&[("AWS_ENDPOINT_URL_EC2", own), ignored]), None);
    }
}
