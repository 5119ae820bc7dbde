//! Accepts connections of HTTP, and bounds how many there are and how long a request may take to arrive.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::http_door::{AcceptedStream, ByteStream, HttpDoor, PeerAddress, TlsConfig};
use super::open_connections::{OpenConnection, OpenConnections};
use crate::mcp::operations::{HttpRefusal, Operations};
use crate::mcp::stall::Bounded;

/// How many connections may be open, if the system's limit of open files allows twice as many.
const MOST: usize = 4096;
/// How many connections may be open whatever the limit is.
const LEAST: usize = 16;
/// How long a connection may take for the head of a request, the time before its first byte included.
const HEAD: Duration = Duration::from_secs(30);
/// How many bytes of a connection are read ahead, and so the largest head of a request.
const READ_AHEAD: usize = 64 * 1024;
/// The pause after the system refused a connection (too many open files), which another try at once would not mend.
const REFUSED: Duration = Duration::from_millis(100);
/// What a connection gets when there are too many, and all of them are in use.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\n\
    Content-Length: 51\r\n\r\nToo many connections are in use: try again later.\r\n";

/// How connections are served.
#[derive(Clone)]
pub(super) struct ConnectionService {
    /// What answers requests.
    pub(super) router: Router,
    /// What connections are accepted with by TLS, as it is at the moment; `None`: they are plain.
    pub(super) tls: Option<TlsConfig>,
    /// Where connections are counted.
    pub(super) operations: Arc<Operations>,
}

/// Serves HTTP until `leave` is cancelled and the requests that had arrived are answered.
pub(super) async fn serve(door: HttpDoor, service: ConnectionService, leave: CancellationToken) {
    let connections = OpenConnections::new(most()).measured(Arc::clone(&service.operations));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = door.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = leave.cancelled() => break,
        };
        match accepted {
            Ok(stream) => {
                if let Some(connection) = connections.add() {
                    drop(tasks.spawn(receive(stream, service.clone(), connection, leave.clone())));
                } else {
                    service.operations.note_refusal(HttpRefusal::Connections);
                    // Best effort: nothing is waited for. A client of TLS sees the connection end.
                    drop(stream.try_write(if service.tls.is_some() { b"" } else { BUSY }));
                }
            }
            Err(error) if is_of_one_connection(&error) => debug!(%error, "a connection ended before it was accepted"),
            Err(error) => {
                warn!(%error, "an HTTP connection was refused");
                sleep(REFUSED).await;
            }
        }
    }
    drop(door);
    while tasks.join_next().await.is_some() {}
}

/// Serves a connection, by TLS where there is a certificate.
async fn receive(
    stream: AcceptedStream,
    service: ConnectionService,
    connection: Arc<OpenConnection>,
    leave: CancellationToken,
) {
    let ConnectionService { router, tls, .. } = service;
    let peer = stream.peer();
    match stream {
        AcceptedStream::Tcp(stream, _) => {
            // Without TCP_NODELAY the older era's answers wait 40 ms for an acknowledgment.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "TCP_NODELAY was refused");
            }
            let Some(tls) = tls else { return converse(stream, peer, router, connection, leave).await };
            let accepting = timeout(HEAD, TlsAcceptor::from(tls.load_full()).accept(stream));
            let accepted = tokio::select! {
                accepted = accepting => accepted,
                () = connection.closed() => return,
                () = leave.cancelled() => return,
            };
            match accepted {
                Ok(Ok(stream)) => {
                    let stream: Box<dyn ByteStream> = Box::new(stream);
                    converse(stream, peer, router, connection, leave).await;
                }
                Ok(Err(error)) => debug!(%error, "a TLS connection did not begin"),
                Err(_) => debug!("a TLS connection did not begin in time"),
            }
        }
        AcceptedStream::Unix(stream) => {
            let stream: Box<dyn ByteStream> = Box::new(stream);
            converse(stream, peer, router, connection, leave).await;
        }
    }
}

async fn converse<S: ByteStream + 'static>(
    stream: S,
    peer: PeerAddress,
    router: Router,
    connection: Arc<OpenConnection>,
    leave: CancellationToken,
) {
    let service = service_fn(|request| answer(request, router.clone(), peer, Arc::clone(&connection)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::default()).header_read_timeout(HEAD).max_buf_size(READ_AHEAD);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(Bounded::new(stream)), service));
    let closed = connection.closed();
    tokio::pin!(closed);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = &mut closed => return,
        () = leave.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = closed => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    router: Router,
    peer: PeerAddress,
    connection: Arc<OpenConnection>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(connection);
    router.oneshot(request).await
}

/// How many connections may be open: the store, the socket and AWS need files too.
fn most() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files / 2).unwrap_or(MOST).clamp(LEAST, MOST)
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
