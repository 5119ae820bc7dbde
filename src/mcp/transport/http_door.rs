//! Where HTTP is accepted: at an address, or on a Unix socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where HTTP is accepted.
#[derive(Debug)]
pub enum HttpDoor {
    /// At an address.
    Address(TcpListener),
    /// On a Unix socket, which only its owner can connect to.
    Socket(UnixListener),
}

/// What connections are accepted with by TLS. It can be replaced while connections are open.
pub type TlsConfig = Arc<ArcSwap<ServerConfig>>;

/// A connection that was accepted.
pub(super) enum AcceptedStream {
    /// From an address.
    Tcp(TcpStream, SocketAddr),
    /// Of a Unix socket.
    Unix(UnixStream),
}

/// The address at the other end of a connection; `None` for one of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerAddress(pub(super) Option<IpAddr>);

/// A stream of bytes in both directions.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

impl HttpDoor {
    /// The address that is listened at, if there is one.
    pub(super) fn address(&self) -> io::Result<Option<IpAddr>> {
        match self {
            HttpDoor::Address(listener) => listener.local_addr().map(|address| Some(address.ip())),
            HttpDoor::Socket(_) => Ok(None),
        }
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<AcceptedStream> {
        match self {
            HttpDoor::Address(listener) => {
                listener.accept().await.map(|(stream, peer)| AcceptedStream::Tcp(stream, peer))
            }
            HttpDoor::Socket(listener) => listener.accept().await.map(|(stream, _)| AcceptedStream::Unix(stream)),
        }
    }
}

impl From<TcpListener> for HttpDoor {
    fn from(listener: TcpListener) -> Self {
        HttpDoor::Address(listener)
    }
}

impl From<UnixListener> for HttpDoor {
    fn from(listener: UnixListener) -> Self {
        HttpDoor::Socket(listener)
    }
}

impl AcceptedStream {
    /// The address at the other end.
    pub(super) fn peer(&self) -> PeerAddress {
        match self {
            AcceptedStream::Tcp(_, peer) => PeerAddress(Some(peer.ip().to_canonical())),
            AcceptedStream::Unix(_) => PeerAddress(None),
        }
    }

    /// Writes a few bytes without waiting.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            AcceptedStream::Tcp(stream, _) => stream.try_write(bytes),
            AcceptedStream::Unix(stream) => stream.try_write(bytes),
        }
    }
}
