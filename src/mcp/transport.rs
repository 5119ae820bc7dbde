//! How clients reach the server: byte streams (the Unix socket behind `muster mcp`) and Streamable HTTP.

mod accept;
mod http;
mod line_transport;
mod numbered;
mod sessions;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use parking_lot::Mutex;
use rmcp::service::{ServerInitializeError, serve_server_with_ct};
use rmcp::transport::TransportAdapterIdentity;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Layer;
use tower::limit::GlobalConcurrencyLimitLayer;
use tracing::debug;

use self::line_transport::LineTransport;
use self::numbered::Numbered;
use self::sessions::HttpSessions;
use super::normalise::Conversation;
use super::server::{Link, McpServer};
use super::stall::BoundedListener;

/// Where MCP is served.
pub const PATH: &str = "/mcp";
/// Requests served at once. Streams count only until they have begun.
const CONCURRENT: usize = 256;
/// Sessions of the older era at once; each costs about 20 KiB until it ends.
const SESSIONS: usize = 1000;
/// A session ends after this long without a request. rmcp does not count an open stream as activity, so this has to be long.
const KEEP: Duration = Duration::from_hours(12);
/// How long subscribers have to read that the server stops.
const FAREWELL: Duration = Duration::from_millis(300);
/// How long requests have to finish after that.
const DRAIN: Duration = Duration::from_millis(1200);

/// The hosts and origins that HTTP accepts besides loopback.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Host names in the `Host` header, such as `muster.example.com`.
    pub hosts: Vec<String>,
    /// Origins of web pages, such as `https://app.example.com:443`.
    pub origins: Vec<String>,
}

/// Why a stream could not be served.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The client did not open the protocol.
    #[error("the client did not open MCP on the connection: {0}")]
    Open(#[source] Box<ServerInitializeError>),
    /// The serving task died: a fault of Muster.
    #[error("serving the connection failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Serves one client over a stream until it leaves or the server stops. `writes` says whether the connection requested writes.
///
/// # Errors
/// When the client does not open the protocol. A client that leaves at once is not an error.
pub async fn serve_stream<R, W>(server: &McpServer, writes: bool, read: R, write: W) -> Result<(), StreamError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Box::pin(serve(server, writes, read, write, None)).await
}

/// Serves a front end over the socket. When the server stops, it says [`GOODBYE`](super::relay::state::GOODBYE) and no more, so that the front end goes on with
/// another server and its client notices nothing.
///
/// # Errors
/// As [`serve_stream`].
pub async fn serve_front_end<R, W>(server: &McpServer, writes: bool, read: R, write: W) -> Result<(), StreamError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Box::pin(serve(server, writes, read, write, Some(server.stop().clone()))).await
}

async fn serve<R, W>(
    server: &McpServer,
    writes: bool,
    read: R,
    write: W,
    silence: Option<CancellationToken>,
) -> Result<(), StreamError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let handler = server.handler(Link { writes, http: false });
    let end = CancellationToken::new();
    let _end_with_this = end.clone().drop_guard();
    let conversation = Arc::new(Mutex::new(Conversation::default()));
    let lines = LineTransport::new(read, write, Arc::clone(&conversation), silence.clone());
    let farewell = silence.map(|_| lines.farewell());
    let wire = Numbered::new(lines, conversation);
    let serving = async {
        let opening = serve_server_with_ct::<_, _, _, TransportAdapterIdentity>(handler, wire, end.clone());
        let running = match opening.await {
            Ok(running) => running,
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return Ok(()),
            Err(error) => return Err(StreamError::Open(Box::new(error))),
        };
        running.waiting().await?;
        Ok(())
    };
    let stopping = async {
        server.stop().cancelled().await;
        if let Some(farewell) = farewell {
            // A front end that reads nothing does not hear it.
            drop(tokio::time::timeout(FAREWELL, farewell.say()).await);
        }
        tokio::time::sleep(FAREWELL).await;
        end.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = serving => outcome,
        () = stopping => Ok(()),
    }
}

/// Serves MCP over HTTP at [`PATH`] until the server stops. Then subscribers are notified, streams end, and connections close.
///
/// # Errors
/// When the listener fails.
pub async fn serve_http(server: &McpServer, listener: TcpListener, options: &HttpOptions) -> io::Result<()> {
    let streams = CancellationToken::new();
    let _end_with_this = streams.clone().drop_guard();
    let router = router(server, options, &streams);
    let listener = listener.tap_io(|stream| {
        // Without TCP_NODELAY the older era's answers wait 40 ms for an acknowledgment.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY was refused");
        }
    });
    let listener = BoundedListener(listener);
    let stop = server.stop().clone();
    let told = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
            streams.cancel();
        }
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(told);
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL + DRAIN).await;
    };
    tokio::select! {
        outcome = async { serving.await } => outcome,
        () = overdue => Ok(()),
    }
}

/// The router that [`serve_http`] serves. `streams` ends the streams that rmcp keeps open.
pub fn router(server: &McpServer, options: &HttpOptions, streams: &CancellationToken) -> Router {
    routed(server, options, streams, SESSIONS)
}

fn routed(server: &McpServer, options: &HttpOptions, streams: &CancellationToken, most: usize) -> Router {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let local = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(str::to_owned);
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_max_request_body_bytes(http::BODY)
        .with_cancellation_token(streams.clone())
        .with_allowed_hosts(loopback.into_iter().chain(options.hosts.iter().cloned()))
        .with_allowed_origins(local.into_iter().chain(options.origins.iter().cloned()))
        .enforce_origin_validation();
    let mut local = LocalSessionManager::default();
    local.session_config.keep_alive = Some(KEEP);
    let sessions = Arc::new(HttpSessions::new(local));
    let server = server.clone();
    let service = StreamableHttpService::new(
        // Over HTTP the server's policy applies alone, because a connection cannot request less.
        move || Ok(server.handler(Link { writes: true, http: true })),
        Arc::clone(&sessions),
        config,
    );
    let cap = Cap { sessions: Arc::clone(&sessions), most };
    let service = middleware::from_fn_with_state(cap, capped).layer(service);
    let service = middleware::from_fn_with_state(sessions, http::normalised).layer(service);
    Router::new().nest_service(PATH, service).layer(GlobalConcurrencyLimitLayer::new(CONCURRENT))
}

/// The open sessions, and the most that may be open.
#[derive(Clone)]
struct Cap {
    sessions: Arc<HttpSessions>,
    most: usize,
}

/// Refuses to open more sessions than the cap allows. Requests of the modern era name their method in a header and have no
/// session.
async fn capped(State(cap): State<Cap>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let opens = request.method() == Method::POST
        && !headers.contains_key("mcp-session-id")
        && !headers.contains_key("mcp-method");
    if opens && cap.sessions.count() >= cap.most {
        let text = "too many sessions: end one with DELETE, or use protocol 2026-07-28, which has none";
        let mut response = (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        return response;
    }
    next.run(request).await
}

#[cfg(test)]
mod tests;
