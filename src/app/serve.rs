//! `muster serve`: the one server of a data directory, in the foreground or detached.
//!
//! The order matters. The lock decides who serves. The socket is bound before the store is opened, so that a client which
//! only probes (several MCP clients start a sibling process for discovery) is answered within milliseconds, and one that
//! waits learns why the store does not open. A detached server has no terminal to say that on: it goes on answering with
//! the reason until its clients have left. So does every server under which the store is lost, or whose
//! credentials turn out to be another account's. Stopping goes the other way round: calls that change AWS get ten seconds to end, and
//! the rest takes less than two.
//!
//! A server that is to start again (`muster restart`, or a newer front end) becomes the new one in the same process, once everything
//! is closed: so it keeps its number, its environment and its terminal, and a unit of systemd sees one service. Front ends wait for it,
//! since its lock file says that it starts again.
//!
//! A server that dies leaves a record of its flags, with which a front end starts the next one: see [`serving_record`]. Where a service
//! manager starts the dead one again as well, that one asks the front end's to make room.
//!
//! [`serving_record`]: crate::connection::serving_record

pub(super) mod doors;
mod error;
mod lifetime;
mod listening;
mod listens;
mod ownership;
pub mod trial;
mod unusable;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::access::AccessDesk;
use super::engine::{self, Engine, StartError};
use super::keys;
use super::listener::ClientListener;
use super::open_files;
use super::reload::{FileSource, ReloadRequests, WatchSources};
use super::server_process::ServerProcess;
use super::service_manager;
use super::stop_order::StopOrders;
use super::tls_files::TlsFiles;
use crate::aws::AccountSources;
use crate::config::{Config, ServerOptions};
use crate::connection::data_dir::{self};
use crate::connection::lock::Lock;
use crate::connection::newest_program::NewestProgram;
use crate::connection::server_facts::{ServerLaunch, StartedBy};
use crate::connection::serving_record::ServingRecord;
use crate::connection::socket::ServerSocket;
use crate::connection::version::current;
use crate::mcp::transport::HttpDoor;
use crate::model::text::chain;
use crate::notify::ChangeHub;
use crate::store::OpenError;
use doors::url;
use lifetime::{Lifetime, announce_successor, forget, keep_rules, note_flags, put_back};
use listening::{Listening, open_ec2_keys, open_tls, renew};
use ownership::{Owned, own};
use unusable::{deserted, failure, foreign_failure, mended, regained};

pub use error::ServerError;
pub use lifetime::ServerEnd;
pub use listens::Listens;

/// How long connections may take to end.
const CLOSING: Duration = Duration::from_secs(1);

/// How long the process before may take to let go of the store.
const RELEASED: Duration = Duration::from_secs(5);

/// How often it is tried meanwhile.
const RELEASES: Duration = Duration::from_millis(50);

/// How long a detached server that could not open its store waits for somebody to tell.
const FAILED_LINGER: Duration = Duration::from_secs(10);

/// Serves until it is told to end or nobody has needed it for a while. `announce` is told where it listens.
///
/// # Errors
/// [`ServerError`]. A detached server that finds another one at work leaves without an error.
pub async fn run(
    config: &Config,
    mut options: ServerOptions,
    launch: ServerLaunch,
    source: Option<FileSource>,
    announce: impl FnOnce(&Listens),
) -> Result<ServerEnd, ServerError> {
    open_files::raise();
    let begun = Instant::now();
    let (orders, sender) = StopOrders::take().map_err(ServerError::Signals)?;
    let access = match AccessDesk::open(&options.access, config.selection.profile.as_deref()) {
        // Clients of the socket need no HTTP, and nobody would be told on a terminal.
        Err(error) if options.detached => {
            tracing::error!(error = chain(&error), "HTTP is not served");
            options.listen.http = None;
            None
        }
        opened => opened?,
    };
    let (requests, reloads) =
        ReloadRequests::take(source, access.clone(), sender.clone()).map_err(ServerError::Signals)?;
    let tls = open_tls(&mut options)?;
    let ec2_keys = open_ec2_keys(&mut options)?;
    let requests = requests.with_tls(tls.clone()).map_err(ServerError::Signals)?;
    let requests = requests.with_ec2_keys(ec2_keys.clone()).map_err(ServerError::Signals)?;
    // On the heap: loading the SDK is a large future.
    let config = &Box::pin(keys::placed(config)).await;
    data_dir::prepare(&config.data_dir)?;
    if let Some(caution) = data_dir::caution(&config.data_dir) {
        tracing::warn!("{caution}");
    }
    if let Some((unlisted, _)) = config.unlisted_writes() {
        tracing::warn!(
            accounts = unlisted.join(", "),
            "writes are limited to accounts that are not watched: they permit nothing there"
        );
    }
    let lock = match own(&config.data_dir, launch.started_by).await? {
        Owned::Lock(lock) => lock,
        Owned::Elsewhere => return Ok(ServerEnd::Stopped),
        Owned::Taken(taken) => return Err(ServerError::Taken(taken)),
    };
    let known = ServingRecord::read(&config.data_dir);
    let (has_former, kept_because) = (launch.has_former, launch.kept_because.clone());
    let before = known.as_ref().and_then(|known| known.http);
    let was_chosen = launch.is_chosen || known.as_ref().is_some_and(|known| known.is_chosen);
    let is_chosen = launch.started_by == StartedBy::FrontEnd && was_chosen;
    let expected = options.listen.http_address().map(|address| doors::kept_address(address, before).unwrap_or(address));
    let record = ServingRecord { arguments: options.successor.clone(), http: expected, is_chosen };
    // At once: should this server die before it serves, the flags of the one before do not count any more.
    note_flags(&record, &config.data_dir);
    let binding = async {
        let bound = bind(config, &options, &lock, before, has_former).await?;
        let beside = (doors::open_metrics(&options).await?, doors::open_ec2_api(&options).await?);
        Ok::<_, ServerError>((bound, doors::open_socket(&options).await?, beside))
    };
    let bound = binding.await.inspect_err(|_| {
        put_back(known.as_ref(), &config.data_dir);
        // The server before is started again next, in this process.
        if has_former {
            announce_successor(&lock);
        }
    });
    let ((socket, http), http_socket, (metrics, ec2_api)) = bound?;
    note_program(config, &launch);
    if launch.started_by != StartedBy::FrontEnd || launch.is_chosen {
        keep_rules(config.writes.allow, &options.rules, &config.data_dir);
    }
    let process = ServerProcess::new(launch, &config.data_dir, config.writes.clone(), options.idle_exit, sender)
        .reloading(reloads);
    let listener = ClientListener::new(config, process);
    let (http, address) = http.unzip();
    let record = ServingRecord { http: address.or(options.listen.http_address()), ..record };
    note_flags(&record, &config.data_dir);
    let is_read_only = options.is_http_read_only();
    let (metrics, metrics_address) = metrics.unzip();
    let (ec2_api, ec2_api_address) = ec2_api.unzip();
    let (http_socket, _socket_file) = http_socket.unzip();
    let http_url = match address {
        Some(address) => Some(url(address, tls.is_some())),
        None => http_socket.as_ref().and(options.listen.http.as_ref()).map(ToString::to_string),
    };
    let listens = Listens::new(&config.data_dir, socket.path(), http_url.as_deref()).and_metrics(metrics_address);
    announce(&listens.and_ec2_api(ec2_api_address, options.listen.ec2_api.is_open()));
    if let Some(url) = http_url {
        listener.process().serves_http(address, url);
    }
    if let Some(why) = kept_because {
        tracing::error!(why, "this server was to start again in another way, which failed; it runs as it did before");
    }
    tracing::info!(version = current(), data_dir = %config.data_dir.display(), "serving");
    listener.listen(socket);
    let door = http.map(HttpDoor::from).or(http_socket.map(HttpDoor::from));
    let gate = access.as_ref().map(|access| access.gate().clone());
    let tls_config = tls.as_ref().map(TlsFiles::config);
    let listen = Listening { door, metrics, ec2_api, ec2_keys, gate, tls: tls_config, is_read_only, begun };
    listen.begin(&listener, &options, &config.data_dir);
    let data_dir = config.data_dir.clone();
    let lifetime = Lifetime { detached: options.detached, idle_exit: options.idle_exit, orders, lock, data_dir };
    let sources = WatchSources { accounts: config.account_sources(), kinds: config.kinds.clone() };
    let sources = watch::Sender::new(sources);
    tokio::select! {
        outcome = serve(config, &sources, lifetime, &listener) => outcome.inspect_err(|_| forget(&config.data_dir)),
        never = Box::pin(keys::prove_in_time(config)) => match never {},
        never = service_manager::reassure() => match never {},
        never = requests.answer(&sources) => match never {},
        never = renew(tls) => match never {},
    }
}

/// Binds the socket, and the HTTP address if there is one. `before` is that of the server before; `has_former` says that this process
/// was that server, and is so again where the address cannot be bound.
async fn bind(
    config: &Config,
    options: &ServerOptions,
    lock: &Lock,
    before: Option<SocketAddr>,
    has_former: bool,
) -> Result<(ServerSocket, Option<(TcpListener, SocketAddr)>), ServerError> {
    let socket = ServerSocket::bind(lock, &config.data_dir, config.runtime_dir.as_deref())?;
    let http = doors::open_address(options, before, has_former).await?;
    Ok((socket, http))
}

/// Notes which program serves the data directory. Front ends of other versions go by it.
fn note_program(config: &Config, launch: &ServerLaunch) {
    let program = NewestProgram { version: current().to_owned(), path: launch.program.clone() };
    if let Err(error) = program.note(&config.data_dir, launch.started_by != StartedBy::FrontEnd) {
        tracing::warn!(%error, "it cannot be noted which program serves this directory");
    }
}

/// Opens the store. The server before lets go of the lock first, and of the store when its process ends, which is waited for.
async fn open(config: &Config, sources: WatchSources, hub: &ChangeHub) -> Result<Engine, StartError> {
    let deadline = Instant::now() + RELEASED;
    let WatchSources { accounts: AccountSources { listed, organization }, kinds } = sources;
    let config = &Config { accounts: listed, organization, kinds, ..config.clone() };
    loop {
        match Engine::open(config, hub.clone()).await {
            Err(StartError::Open(OpenError::Held { .. })) if Instant::now() < deadline => sleep(RELEASES).await,
            opened => return opened,
        }
    }
}

/// Serves from opening the store until stopping.
async fn serve(
    config: &Config,
    sources: &watch::Sender<WatchSources>,
    mut lifetime: Lifetime,
    listener: &ClientListener,
) -> Result<ServerEnd, ServerError> {
    let (mut has_served, hub) = (false, engine::hub());
    loop {
        let mut watched = sources.subscribe();
        let now = watched.borrow_and_update().clone();
        let opened = tokio::select! {
            opened = open(config, now, &hub) => opened,
            end = lifetime.ordered() => {
                stop(listener, None, &end).await;
                return Ok(end);
            }
        };
        let error = match opened {
            Ok(engine) => {
                listener.open(engine.core().clone());
                service_manager::ready();
                if has_served {
                    // What is read now may be another store's, or may have changed unheard.
                    hub.mark_all();
                }
                has_served = true;
                match attend(engine, watched, &mut lifetime, listener).await {
                    ControlFlow::Continue(error) => error,
                    ControlFlow::Break(outcome) => return outcome,
                }
            }
            Err(error) => error,
        };
        // One that never served says it on its terminal, and ends; where there is none, it ends once nobody is left to be told.
        let patience = lifetime.detached.then_some(FAILED_LINGER);
        let mended = async {
            match &error {
                StartError::Foreign(foreign) => regained(config, listener, foreign, patience).await,
                error => {
                    (has_served || patience.is_some()) && mended(&config.data_dir, listener, error, patience).await
                }
            }
        };
        let mended = tokio::select! {
            mended = mended => mended,
            // Whoever orders it to end gets what they ask for; a failure would have a service manager start it again.
            end = lifetime.ordered() => {
                stop(listener, None, &end).await;
                return Ok(end);
            }
        };
        if !mended {
            stop(listener, None, &ServerEnd::Stopped).await;
            return Err(error.into());
        }
    }
}

/// Has the engine watch what a configuration file says that was read again.
async fn follow(engine: &Engine, mut watched: watch::Receiver<WatchSources>) -> Infallible {
    while watched.changed().await.is_ok() {
        engine.watch(watched.borrow_and_update().clone());
    }
    std::future::pending().await
}

/// Serves until the server is to stop, which is how it ended; or until the store cannot be used any more, for the reason
/// returned.
async fn attend(
    engine: Engine,
    watched: watch::Receiver<WatchSources>,
    lifetime: &mut Lifetime,
    listener: &ClientListener,
) -> ControlFlow<Result<ServerEnd, ServerError>, StartError> {
    let idle_exit = lifetime.idle_exit;
    let outcome = tokio::select! {
        order = lifetime.orders.next() => Ok(Some(order)),
        () = deserted(listener, idle_exit) => {
            tracing::info!("stopping: no client for a while");
            Ok(None)
        }
        never = follow(&engine, watched) => match never {},
        lost = engine.ended() => match lost {
            Some(lost) => {
                listener.fail(failure(&*lost));
                engine.quiesce(CLOSING).await;
                engine.close().await;
                return ControlFlow::Continue(StartError::Lost(lost));
            }
            None => Err(ServerError::Writer),
        },
        foreign = engine.foreign() => {
            listener.fail(foreign_failure(&foreign));
            engine.quiesce(CLOSING).await;
            engine.close().await;
            return ControlFlow::Continue(StartError::Foreign(foreign));
        }
    };
    if outcome.is_ok() {
        // A call that waits for a person changes nothing, so that nobody need wait for it.
        listener.withdraw_questions();
        engine.finish_writes().await;
    }
    let outcome = outcome.map(|order| match order {
        Some(order) => lifetime.heed(order),
        None => lifetime.is_over(),
    });
    stop(listener, Some(engine), outcome.as_ref().unwrap_or(&ServerEnd::Stopped)).await;
    ControlFlow::Break(outcome)
}

/// Sends clients away while sweeps end, then closes the store.
async fn stop(listener: &ClientListener, engine: Option<Engine>, end: &ServerEnd) {
    match end {
        ServerEnd::Stopped => service_manager::stopping(),
        ServerEnd::Again(_) => service_manager::starting_again(),
    }
    let hung = match engine {
        None => listener.close(CLOSING).await,
        Some(engine) => {
            let (mut hung, ()) = tokio::join!(listener.close(CLOSING), engine.quiesce(CLOSING));
            hung.extend(engine.close().await);
            hung
        }
    };
    if hung.is_empty() {
        tracing::info!("stopped");
    } else {
        tracing::warn!(?hung, "stopped without waiting any longer");
    }
}
