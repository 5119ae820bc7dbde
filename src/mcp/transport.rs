//! How clients reach the server: byte streams (the Unix socket behind `muster mcp`) and Streamable HTTP.

mod accept;
mod answered_body;
mod authenticated;
mod client_address;
mod client_guard;
mod cors;
mod frames;
mod http;
mod http_door;
mod http_listener;
mod leaving_answers;
mod line_transport;
mod measured_handler;
mod numbered;
mod open_connections;
mod plain_request;
mod precedents;
mod rate_limits;
mod resource_metadata;
mod sessions;
mod socket_service;
mod unread_body;

use std::convert::Infallible;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use parking_lot::Mutex;
use rmcp::ServerHandler;
use rmcp::service::{ServerInitializeError, serve_server_with_ct};
use rmcp::transport::TransportAdapterIdentity;
use rmcp::transport::streamable_http_server::session::SessionStore;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use self::authenticated::AuthFace;
use self::client_guard::ClientGuard;
use self::http::HttpFace;
use self::http_listener::ConnectionService;
use self::leaving_answers::LeavingAnswers;
use self::line_transport::LineTransport;
use self::measured_handler::MeasuredHandler;
use self::numbered::Numbered;
use self::precedents::Precedents;
use self::sessions::HttpSessions;
use self::socket_service::SocketService;
use super::auth::{AccessGate, KnownCaller};
use super::normalise::Conversation;
use super::operations::NetworkTransport;
use super::remembered_sessions::RememberedSessions;
use super::server::{Handler, Link, McpServer};
use crate::aws::AwsClock;
use crate::model::AddressRange;
use crate::policy::WritePolicy;

pub use super::auth::public_url::PATH;
pub use http_door::{HttpDoor, TlsConfig};

/// Requests served at once, from when they have arrived. Streams count only until they have begun.
const CONCURRENT: usize = 1024;
/// Calls that wait at once for something to happen.
const WAITING: usize = 1024;
/// Sessions of the older era that are served while they have no open stream; each costs about 90 KiB.
const IDLE_SESSIONS: usize = 256;
/// How long subscribers have to read that the server stops.
const FAREWELL: Duration = Duration::from_millis(300);
/// How long requests have to finish after that.
const DRAIN: Duration = Duration::from_millis(1200);

/// The hosts and origins that HTTP accepts besides loopback, and where it keeps its sessions.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Host names in the `Host` header, such as `muster.example.com`.
    pub hosts: Vec<String>,
    /// Origins of web pages, such as `https://app.example.com:443`.
    pub origins: Vec<String>,
    /// The file of sessions that outlive the server. `None`: none does.
    pub sessions: Option<PathBuf>,
    /// Whether clients may change nothing, whatever the server permits.
    pub is_read_only: bool,
    /// Who is let in. `None`: whoever can connect.
    pub gate: Option<AccessGate>,
    /// What connections are accepted with by TLS; `None`: they are plain.
    pub tls: Option<TlsConfig>,
    /// The proxies in front of the server, whose word about the addresses of clients is believed.
    pub proxies: Vec<AddressRange>,
    /// How many requests each client may send a second; `None`: as many as it likes.
    pub per_second: Option<NonZeroU32>,
    /// What is served beside MCP to everybody, whatever its host and origin: answers to probes.
    pub probes: Router,
    /// What is served beside MCP, and checks by itself who asks.
    pub beside: Router,
}

impl HttpOptions {
    /// How the URL of the server begins for those who connect to it.
    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
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

/// Serves one client over a stream until it leaves or the server stops. `link` says what the connection requested.
///
/// # Errors
/// When the client does not open the protocol. A client that leaves at once is not an error.
pub async fn serve_stream<R, W>(server: &McpServer, link: Link, read: R, write: W) -> Result<(), StreamError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Box::pin(serve(server, link, read, write, None)).await
}

/// Serves a front end over the socket. When the server stops, it says [`GOODBYE`](super::relay::state::GOODBYE) and no more, so that the front end goes on with
/// another server and its client notices nothing.
///
/// # Errors
/// As [`serve_stream`].
pub async fn serve_front_end<R, W>(server: &McpServer, link: Link, read: R, write: W) -> Result<(), StreamError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Box::pin(serve(server, link, read, write, Some(server.stop().clone()))).await
}

async fn serve<R, W>(
    server: &McpServer,
    link: Link,
    read: R,
    write: W,
    silence: Option<CancellationToken>,
) -> Result<(), StreamError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let handler = server.handler(link);
    let begun = Instant::now();
    let end = CancellationToken::new();
    let _end_with_this = end.clone().drop_guard();
    let conversation = Arc::new(Mutex::new(Conversation::default()));
    let lines = LineTransport::new(read, write, Arc::clone(&conversation), handler.stop().clone(), silence.clone());
    let farewell = silence.map(|_| lines.farewell());
    let wire = Numbered::new(lines, conversation, LeavingAnswers::default());
    let serving = async {
        let opening =
            serve_server_with_ct::<_, _, _, TransportAdapterIdentity>(SocketService(handler), wire, end.clone());
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
    let outcome = tokio::select! {
        outcome = serving => outcome,
        () = stopping => Ok(()),
    };
    server.operations().note_session(NetworkTransport::Unix, begun.elapsed());
    outcome
}

/// Serves MCP over HTTP at [`PATH`] until the server stops. Then subscribers are notified, streams end, and connections close.
///
/// # Errors
/// When the address of the listener is not known.
pub async fn serve_http(server: &McpServer, door: impl Into<HttpDoor>, options: &HttpOptions) -> io::Result<()> {
    let precedents = Some(Precedents::new(server.clone()));
    serve_http_with(server, MeasuredHandler, precedents, door.into(), options).await
}

/// Like [`serve_http`], with what `wrap` makes of each handler.
///
/// # Errors
/// As for [`serve_http`].
pub async fn serve_http_around<H: ServerHandler>(
    server: &McpServer,
    wrap: impl Fn(Handler) -> H + Send + Sync + 'static,
    listener: TcpListener,
    options: &HttpOptions,
) -> io::Result<()> {
    // What answers beside the handlers would leave out what is around them.
    serve_http_with(server, wrap, None, listener.into(), options).await
}

async fn serve_http_with<H: ServerHandler>(
    server: &McpServer,
    wrap: impl Fn(Handler) -> H + Send + Sync + 'static,
    precedents: Option<Precedents>,
    door: HttpDoor,
    options: &HttpOptions,
) -> io::Result<()> {
    let streams = CancellationToken::new();
    let _end_with_this = streams.clone().drop_guard();
    // Another loopback address than the usual one is named by its own URL.
    let mut options = options.clone();
    if let Some(address) = door.address()? {
        options.hosts.push(address.to_string());
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        options.origins.push(format!("http://{host}:*"));
    }
    let remembered = RememberedSessions::open(options.sessions.take(), Arc::new(AwsClock::default())).await;
    let remembered = Arc::new(remembered);
    let sessions =
        Arc::new(HttpSessions::new(Arc::clone(&remembered), IDLE_SESSIONS).measured(Arc::clone(server.operations())));
    let router = router(server, wrap, precedents, &options, &streams, &sessions);
    let attending = async {
        if let Some(gate) = &options.gate {
            tokio::join!(gate.attend(), sessions.keep_to_owners(gate));
        }
        std::future::pending::<()>().await;
    };
    let operations = Arc::clone(server.operations());
    let connections = ConnectionService { router, tls: options.tls.clone(), operations };
    let stop = server.stop();
    let told = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
        remembered.close().await;
        streams.cancel();
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = http_listener::serve(door, connections, streams.clone()) => {}
        () = told => {}
        () = attending => {}
    }
    Ok(())
}

/// The router that [`serve_http`] serves. `streams` ends the streams that rmcp keeps open.
fn router<H: ServerHandler>(
    server: &McpServer,
    wrap: impl Fn(Handler) -> H + Send + Sync + 'static,
    precedents: Option<Precedents>,
    options: &HttpOptions,
    streams: &CancellationToken,
    sessions: &Arc<HttpSessions>,
) -> Router {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let local = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(str::to_owned);
    let mut config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        // The first event of a stream would have the id of another. Sessions send their own.
        .with_sse_retry(None)
        .with_max_request_body_bytes(http::BODY)
        .with_cancellation_token(streams.clone())
        .with_allowed_hosts(loopback.into_iter().chain(options.hosts.iter().cloned()))
        .with_allowed_origins(local.into_iter().chain(options.origins.iter().cloned()))
        .enforce_origin_validation();
    let remembered = Arc::clone(sessions.remembered());
    config.session_store = Some(Arc::clone(&remembered) as Arc<dyn SessionStore>);
    let guard = ClientGuard::new(options.proxies.clone(), options.per_second, Arc::clone(server.operations()));
    let server = server.clone();
    let link = Link { writes: WritePolicy::of(!options.is_read_only), ..Link::http() };
    let service = StreamableHttpService::new(
        move || {
            let link = match KnownCaller::current() {
                Some(caller) => link.clone().known_as(caller.grantee(), caller.user()),
                None => link.clone(),
            };
            Ok(wrap(server.handler(link).remembering(Arc::clone(&remembered))))
        },
        Arc::clone(sessions),
        config,
    );
    let (work, waiting) = (Semaphore::new(CONCURRENT), Arc::new(Semaphore::new(WAITING)));
    let face = Arc::new(HttpFace { sessions: Arc::clone(sessions), precedents, guard, work, waiting });
    let service = middleware::from_fn_with_state(face, http::normalised).layer(service);
    let elsewhere = || async {
        let said = format!(
            "MCP is served at {PATH}. EC2's read API is not here: it has an address of its own, that of --ec2-api\n"
        );
        (StatusCode::NOT_FOUND, said)
    };
    let probes = options.probes.clone();
    let Some(gate) = &options.gate else {
        let routes = routes(middleware::from_fn(cors::cors).layer(service));
        return routes.merge(options.beside.clone()).merge(probes).fallback(elsewhere);
    };
    let face = Arc::new(AuthFace::new(gate.clone(), Arc::clone(sessions), options.scheme()));
    let let_in = middleware::from_fn_with_state(face, authenticated::authenticated);
    // What is known of places that MCP accepts says nothing of these.
    let face = Arc::new(AuthFace::new(gate.clone(), Arc::clone(sessions), options.scheme()));
    let known = middleware::from_fn_with_state(face, authenticated::authenticated);
    let beside = options.beside.clone().layer(middleware::from_fn(client_guard::unlimited)).layer(known);
    let routes = routes(middleware::from_fn(cors::cors).layer(let_in.layer(service)));
    routes.merge(resource_metadata::routes(gate, options.scheme())).merge(beside).merge(probes).fallback(elsewhere)
}

/// Serves routes that have nothing to do with MCP, by TLS where there is a certificate, until `stop` is cancelled.
pub async fn serve_routes(listener: TcpListener, routes: Router, tls: Option<TlsConfig>, stop: CancellationToken) {
    let service = ConnectionService { router: routes, tls, operations: Arc::default() };
    http_listener::serve(listener.into(), service, stop).await;
}

/// The paths of MCP.
fn routes<S>(service: S) -> Router
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    Router::new().route_service(PATH, service.clone()).route_service(&format!("{PATH}/"), service)
}

#[cfg(test)]
mod tests;
