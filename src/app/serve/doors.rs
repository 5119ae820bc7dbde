//! Where a server listens beside its own socket: HTTP at an address or on a Unix socket, and metrics.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::{TcpListener, UnixListener};

use crate::app::http_socket::HttpSocket;
use crate::config::ServerOptions;
use crate::mcp::transport::PATH;
use crate::model::text::chain;

/// Why a server cannot listen where it should.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The HTTP address cannot be used.
    #[error("cannot listen on {address}: free the port, or give another with --http (port 0 takes a free one)")]
    Http {
        /// The address.
        address: SocketAddr,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The socket of HTTP cannot be used.
    #[error("cannot listen on the socket {} for HTTP: make its directory, or give another path with --http unix:PATH", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The address of EC2's read API cannot be used.
    #[error(
        "cannot listen on {address} for EC2's read API: free the port, or give another with --ec2-api (port 0 takes a free one)"
    )]
    Ec2Api {
        /// The address.
        address: SocketAddr,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The address of the metrics cannot be used.
    #[error("cannot listen on {address} for metrics: free the port, or give another with --metrics")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
}

/// Binds the address of HTTP, if there is one. `before` is that of the server before; `has_former` says that this process was that
/// server. Another detached server goes without: clients of the socket need no HTTP, and nobody would be told on a terminal.
pub(super) async fn open_address(
    options: &ServerOptions,
    before: Option<SocketAddr>,
    has_former: bool,
) -> Result<Option<(TcpListener, SocketAddr)>, DoorError> {
    let Some(address) = options.listen.http_address() else { return Ok(None) };
    match bind_again(address, before).await {
        Err(error) if options.detached && !has_former => {
            tracing::error!(error = chain(&error), "HTTP is not served");
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

/// Binds the socket of HTTP, if it is served on one. A detached server goes without where that fails.
pub(super) async fn open_socket(options: &ServerOptions) -> Result<Option<(UnixListener, HttpSocket)>, DoorError> {
    let Some(path) = options.listen.http_socket() else { return Ok(None) };
    match HttpSocket::bind(path).await {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if options.detached => {
            tracing::error!(path = %path.display(), %error, "HTTP is not served");
            Ok(None)
        }
        Err(source) => Err(DoorError::Socket { path: path.to_owned(), source }),
    }
}

/// Binds the address of the metrics, if they have one of their own. A detached server goes without where that fails.
pub(super) async fn open_metrics(options: &ServerOptions) -> Result<Option<(TcpListener, SocketAddr)>, DoorError> {
    let Some(address) = options.listen.metrics else { return Ok(None) };
    let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match bound {
        Ok((bound, listener)) => Ok(Some((listener, bound))),
        Err(error) if options.detached => {
            tracing::error!(%address, %error, "metrics are not served");
            Ok(None)
        }
        Err(source) => Err(DoorError::Metrics { address, source }),
    }
}

/// Binds the address of EC2's read API, if it is answered. A detached server goes without where that fails.
pub(super) async fn open_ec2_api(options: &ServerOptions) -> Result<Option<(TcpListener, SocketAddr)>, DoorError> {
    let Some(address) = options.listen.ec2_api.address else { return Ok(None) };
    let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match bound {
        Ok((bound, listener)) => Ok(Some((listener, bound))),
        Err(error) if options.detached => {
            tracing::error!(%address, %error, "EC2's read API is not answered");
            Ok(None)
        }
        Err(source) => Err(DoorError::Ec2Api { address, source }),
    }
}

/// The address of the server before this one, where any port of `address` will do.
pub(super) fn kept_address(address: SocketAddr, before: Option<SocketAddr>) -> Option<SocketAddr> {
    before.filter(|before| address.port() == 0 && before.ip() == address.ip())
}

/// Binds a port. Where any will do, it is the one that the server before this one had, if that is free.
async fn bind_again(address: SocketAddr, before: Option<SocketAddr>) -> Result<(TcpListener, SocketAddr), DoorError> {
    if let Some(before) = kept_address(address, before)
        && let Ok(bound) = bind_http(before).await
    {
        return Ok(bound);
    }
    bind_http(address).await
}

/// Binds a port, and says which one it became.
pub(crate) async fn bind_http(address: SocketAddr) -> Result<(TcpListener, SocketAddr), DoorError> {
    let failed = |source| DoorError::Http { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// The URL of MCP at `address`.
pub(crate) fn url(address: SocketAddr, by_tls: bool) -> String {
    let scheme = if by_tls { "https" } else { "http" };
    format!("{scheme}://{address}{PATH}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_any_port_will_do_it_is_the_one_of_before_unless_that_is_taken() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (listener, before) = bind_again(any, None).await.unwrap();
        assert_ne!(bind_again(any, Some(before)).await.unwrap().1, before, "it is taken");
        drop(listener);
        assert_eq!(bind_again(any, Some(before)).await.unwrap().1, before);
    }
}
