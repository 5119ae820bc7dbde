//! Where HTTP is served: at an address, or on a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// How the path of a socket begins where an address could stand.
const UNIX: &str = "unix:";

/// Where HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpPlace {
    /// At an address.
    Address(SocketAddr),
    /// On the Unix socket of this path.
    Socket(PathBuf),
}

/// A text is no place for HTTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is neither an address with a port, such as 127.0.0.1:8377, nor a socket, such as unix:/run/muster/http.sock"
)]
pub struct HttpPlaceError {
    given: String,
}

impl FromStr for HttpPlace {
    type Err = HttpPlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || HttpPlaceError { given: text.chars().take(200).collect() };
        match text.strip_prefix(UNIX) {
            Some(path) if path.starts_with('/') && path.len() > 1 => Ok(HttpPlace::Socket(path.into())),
            Some(_) => Err(wrong()),
            None => text.parse().map(HttpPlace::Address).map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for HttpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpPlace::Address(address) => address.fmt(f),
            HttpPlace::Socket(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_the_whole_path_of_a_socket() {
        for text in ["127.0.0.1:8377", "[::1]:0", "unix:/run/muster/http.sock"] {
            assert_eq!(text.parse::<HttpPlace>().unwrap().to_string(), text);
        }
        for wrong in ["", "8377", "localhost:8377", "unix:", "unix:/", "unix:http.sock", "/run/http.sock"] {
            assert!(wrong.parse::<HttpPlace>().is_err(), "{wrong}");
        }
    }
}
