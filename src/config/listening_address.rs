//! Reads an address to listen at.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A text is no address to listen at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no IP address with a port: give one such as {instead}")]
pub struct ListeningAddressError {
    given: String,
    /// What was probably meant, or what could be given.
    instead: SocketAddr,
}

/// Reads an IP address with a port. An error names one with the port that was given, or else with `usual`.
///
/// # Errors
/// [`ListeningAddressError`]; a name such as `localhost` may lead to several addresses, so it is none.
pub fn listening_address(text: &str, usual: u16) -> Result<SocketAddr, ListeningAddressError> {
    text.parse()
        .map_err(|_| ListeningAddressError { given: text.chars().take(200).collect(), instead: instead(text, usual) })
}

/// The address that is most like a text which is none.
fn instead(text: &str, usual: u16) -> SocketAddr {
    let rest = text.trim().split_once("://").map_or(text.trim(), |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or_default();
    let ip = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    if let Some(ip) = ip(rest) {
        return SocketAddr::new(ip, usual);
    }
    let (host, port) = rest.rsplit_once(':').unwrap_or(("", rest));
    match port.parse() {
        Ok(port) => SocketAddr::new(ip(host).unwrap_or(local), port),
        Err(_) => SocketAddr::new(ip(host).unwrap_or(local), usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_answered_with_the_one_that_is_probably_meant() {
        assert_eq!(listening_address("[::1]:1", 8378), Ok("[::1]:1".parse().unwrap()));
        for (given, instead) in [
            ("localhost:8379", "127.0.0.1:8379"),
            ("http://127.0.0.1:8379", "127.0.0.1:8379"),
            ("http://localhost:8379/", "127.0.0.1:8379"),
            ("https://[::1]:8379/1", "[::1]:8379"),
            ("8379", "127.0.0.1:8379"),
            (":8379", "127.0.0.1:8379"),
            ("10.0.0.7", "10.0.0.7:8378"),
            ("::1", "[::1]:8378"),
            ("127.0.0.1:99999", "127.0.0.1:8378"),
            ("unix:/run/muster.sock", "127.0.0.1:8378"),
            ("", "127.0.0.1:8378"),
        ] {
            let error = listening_address(given, 8378).unwrap_err().to_string();
            assert_eq!(error, format!("`{given}` is no IP address with a port: give one such as {instead}"));
        }
    }
}
