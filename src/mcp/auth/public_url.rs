//! The URL at which clients reach the server, by which OAuth names it.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;

/// Where MCP is served.
pub const PATH: &str = "/mcp";

/// Where the metadata of a protected resource is, before its own path (RFC 9728).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The URL at which clients reach the server, such as `https://muster.example.com/mcp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// The scheme and the authority.
    origin: String,
    /// The path; empty or with a slash at its beginning, and none at its end.
    path: String,
}

/// A text that is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give the URL at which clients reach the server, with https and without ? and #, such as https://muster.example.com/mcp"
)]
pub struct PublicUrlError;

impl PublicUrl {
    /// The URL of a server that is reached by what the `Host` header of its requests says.
    #[must_use]
    pub fn of_host(scheme: &str, host: &str) -> Self {
        PublicUrl { origin: format!("{scheme}://{host}"), path: PATH.to_owned() }
    }

    /// Where its metadata is.
    #[must_use]
    pub fn metadata(&self) -> String {
        format!("{}{WELL_KNOWN}{}", self.origin, self.path)
    }
}

/// Whether a URL leads to somebody who proves who they are: by TLS, or by being this machine.
#[must_use]
pub fn is_proved(url: &str) -> bool {
    let Ok(parsed) = url.parse::<Uri>() else { return false };
    match parsed.scheme_str() {
        Some("https") => !parsed.host().unwrap_or_default().is_empty(),
        Some("http") => is_local(url),
        _ => false,
    }
}

/// Whether a URL leads to this machine.
#[must_use]
pub fn is_local(url: &str) -> bool {
    let url = url.parse::<Uri>();
    url.is_ok_and(|url| url.host().is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host)))
}

/// Whether `from` may send whoever believes it on to `to`: somebody elsewhere may not lead to what listens on this machine.
#[must_use]
pub fn may_lead(from: &str, to: &str) -> bool {
    is_proved(to) && (is_local(from) || !is_local(to))
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url: Uri = text.parse().map_err(|_| PublicUrlError)?;
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else { return Err(PublicUrlError) };
        let is_plain = url.query().is_none() && !text.contains(['#', '@']);
        if !is_plain || !is_proved(text) {
            return Err(PublicUrlError);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(PublicUrl { origin: format!("{scheme}://{authority}"), path })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_is_between_host_and_path() {
        for (url, shown, metadata) in [
            (
                "https://m.example.com/mcp",
                "https://m.example.com/mcp",
                "https://m.example.com/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://m.example.com",
                "https://m.example.com",
                "https://m.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://x.test:8443/a/mcp/",
                "https://x.test:8443/a/mcp",
                "https://x.test:8443/.well-known/oauth-protected-resource/a/mcp",
            ),
            (
                "http://127.0.0.1:8377/mcp",
                "http://127.0.0.1:8377/mcp",
                "http://127.0.0.1:8377/.well-known/oauth-protected-resource/mcp",
            ),
        ] {
            let read: PublicUrl = url.parse().unwrap();
            assert_eq!((read.to_string().as_str(), read.metadata().as_str()), (shown, metadata));
        }
        for wrong in [
            "",
            "muster.example.com",
            "http://m.example.com/mcp",
            "https://m.example.com/mcp?x=1",
            "https://u@m.test/",
            "ftp://a/b",
            "/mcp",
        ] {
            assert_eq!(wrong.parse::<PublicUrl>(), Err(PublicUrlError), "{wrong}");
        }
    }

    #[test]
    fn somebody_elsewhere_does_not_lead_to_this_machine() {
        let (remote, local) = ("https://id.example.com", "http://127.0.0.1:8080/realms/a");
        for (from, to, may) in [
            (remote, "https://keys.example.com/jwks", true),
            (remote, "http://keys.example.com/jwks", false),
            (remote, "http://127.0.0.1:9000/jwks", false),
            (remote, "http://localhost/jwks", false),
            (remote, "https://[::1]/jwks", false),
            (local, "http://127.0.0.1:8080/keys", true),
            (local, "https://keys.example.com/jwks", true),
            (local, "http://keys.example.com/jwks", false),
        ] {
            assert_eq!(may_lead(from, to), may, "{from} {to}");
        }
    }
}
