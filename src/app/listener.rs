//! Accepts clients on the Unix socket and over HTTP, and answers them even while the store is not open.
//!
//! A server accepts clients before it opens its store and until after it has closed it, so discovery and lists of tools are
//! answered at any moment, and every other request is answered with the reason why the store is not open.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::admin;
use super::offered_keys::KeyJudge;
use super::server_process::ServerProcess;
use crate::config::Config;
use crate::connection::admin::{AdminMessage, AdminRequest, AdminWriter, MAX_REQUESTS, ProcessRequest, WIDENED};
use crate::connection::client_count::ClientCount;
use crate::connection::handshake::{self, AdmittedClient, HandshakeError};
use crate::connection::key_offer::KeyOffer;
use crate::connection::socket::ServerSocket;
use crate::connection::unfinished_handshakes::UnfinishedHandshakes;
use crate::ec2_api::call_tally::Ec2CallTally;
use crate::mcp::core::View;
use crate::mcp::server::Link;
use crate::mcp::stall::{self, Bounded};
use crate::mcp::transport::{self, HttpDoor, HttpOptions, TlsConfig};
use crate::mcp::{self, Core, Failure, Operations, Readiness, ServerPolicy};
use crate::model::{FailureCode, Principal};
use crate::watch::tasks::Tasks;

/// The pause after the system refused a connection (too many open files), which another try at once would not mend.
const REFUSED: Duration = Duration::from_millis(100);

/// Accepts clients and serves them. Clones share everything.
#[derive(Clone)]
pub struct ClientListener {
    server: mcp::McpServer,
    readiness: watch::Sender<Readiness>,
    tasks: Tasks,
    /// Everybody who is connected.
    clients: ClientCount,
    /// Those of them that have not said yet what they want.
    unfinished: UnfinishedHandshakes,
    /// Those of them that speak MCP.
    conversations: ClientCount,
    admin_requests: Arc<Semaphore>,
    process: Arc<ServerProcess>,
    keys: Arc<KeyJudge>,
    ec2_calls: Arc<Ec2CallTally>,
}

impl ClientListener {
    /// Makes a listener, of this process, for a store that is about to be opened.
    #[must_use]
    pub fn new(config: &Config, process: ServerProcess) -> Self {
        let readiness = watch::Sender::new(Readiness::Opening);
        let tasks = Tasks::new();
        let policy = ServerPolicy { writes: config.writes.clone(), list: config.list };
        // Pushes to clients of the older era need no waiting for: they end with their connections.
        let server = mcp::McpServer::new(readiness.subscribe(), policy, TaskTracker::new(), tasks.stopping());
        let admin_requests = Arc::new(Semaphore::new(MAX_REQUESTS));
        ClientListener {
            server,
            readiness,
            tasks,
            clients: ClientCount::none(),
            unfinished: UnfinishedHandshakes::default(),
            conversations: ClientCount::none(),
            admin_requests,
            process: Arc::new(process),
            keys: Arc::new(KeyJudge::new(config)),
            ec2_calls: Arc::default(),
        }
    }

    /// Serves requests from now on.
    pub fn open(&self, core: Arc<Core>) {
        self.readiness.send_replace(Readiness::Ready(core));
    }

    /// Answers requests from now on with why they cannot be served.
    pub fn fail(&self, failure: Failure) {
        self.readiness.send_replace(Readiness::Failed(Arc::new(failure)));
    }

    /// Withdraws the questions that people were asked: the server is about to stop.
    pub fn withdraw_questions(&self) {
        self.server.withdraw_questions();
    }

    /// What clients see of the process.
    #[must_use]
    pub fn process(&self) -> &ServerProcess {
        &self.process
    }

    /// What requests are served from, once the store is open.
    #[must_use]
    pub fn core(&self) -> Option<Arc<Core>> {
        match &*self.readiness.borrow() {
            Readiness::Ready(core) => Some(Arc::clone(core)),
            Readiness::Opening | Readiness::Failed(_) => None,
        }
    }

    /// The state of the store, for whoever follows it.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    /// The counts of what clients ask for.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        self.server.operations()
    }

    /// The counts of what clients of EC2's read API ask for.
    #[must_use]
    pub fn ec2_calls(&self) -> &Arc<Ec2CallTally> {
        &self.ec2_calls
    }

    /// How many clients are connected to the socket.
    #[must_use]
    pub fn clients(&self) -> &ClientCount {
        &self.clients
    }

    /// How many of them are MCP clients, and no commands that ask something and leave.
    #[must_use]
    pub fn conversations(&self) -> &ClientCount {
        &self.conversations
    }

    /// Accepts clients on the socket, which is removed as soon as the listener begins to close.
    pub fn listen(&self, socket: ServerSocket) {
        let listener = self.clone();
        self.tasks.spawn_until_stopped("the Unix socket", async move {
            loop {
                match socket.accept().await {
                    Ok(stream) => listener.receive(stream),
                    Err(error) => {
                        tracing::warn!(%error, "a connection was refused");
                        sleep(REFUSED).await;
                    }
                }
            }
        });
    }

    /// Serves one connection, which begins with a handshake.
    pub fn receive(&self, stream: UnixStream) {
        let listener = self.clone();
        self.tasks.spawn("a connection", async move {
            let _present = listener.clients.enter();
            listener.converse(stream).await;
        });
    }

    /// Accepts clients over HTTP.
    pub fn listen_http(&self, door: impl Into<HttpDoor>, options: HttpOptions) {
        let (server, door) = (self.server.clone(), door.into());
        self.tasks.spawn("HTTP", async move {
            if let Err(error) = transport::serve_http(&server, door, &options).await {
                tracing::error!(%error, "HTTP is no longer served");
            }
        });
    }

    /// Serves these routes, and nothing else, at an address of their own, by TLS where there is a certificate. `name` is what the log calls them.
    pub fn listen_beside(&self, name: &'static str, listener: TcpListener, routes: Router, tls: Option<TlsConfig>) {
        let stopping = self.tasks.stopping();
        self.tasks.spawn(name, transport::serve_routes(listener, routes, tls, stopping));
    }

    /// Ends subscriptions, then connections; nobody new comes in. Returns what did not end in time.
    pub async fn close(&self, patience: Duration) -> Vec<&'static str> {
        self.tasks.stop(patience).await
    }

    async fn converse(&self, stream: UnixStream) {
        let principal = principal(&stream);
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let shaking = self.unfinished.begin().done(handshake::answer(&mut reader, &mut writer, self.process.terms()));
        match self.tasks.stopping().run_until_cancelled(shaking).await.flatten() {
            Some(Ok(AdmittedClient { admin: Some(AdminRequest::Process(request)), .. })) => {
                self.manage(request, writer).await;
            }
            Some(Ok(AdmittedClient { admin: Some(request), .. })) => self.execute(request, reader, writer).await,
            Some(Ok(admitted)) => {
                if let Some(offer) = admitted.keys {
                    self.judge(offer);
                }
                let _conversing = (!admitted.is_command).then(|| self.conversations.enter());
                for remark in &admitted.grant.remarks {
                    tracing::info!(remark, "a client asked for something else than this server is");
                }
                let link =
                    Link::socket(admitted.writes, admitted.for_model).of(principal).of_front_end(admitted.front_end);
                let writer = Bounded::new(writer);
                let stalled = writer.stalled();
                // On the heap: serving a connection is a large future.
                let serving = Box::pin(transport::serve_front_end(&self.server, link, reader, writer));
                match stalled.run_until_cancelled(serving).await {
                    Some(Ok(())) => {}
                    Some(Err(error)) => tracing::warn!(%error, "a connection ended"),
                    None => {
                        tracing::warn!(seconds = stall::PATIENCE.as_secs(), "closed a connection that nobody reads");
                    }
                }
            }
            // A process that only tests whether a server listens sends nothing.
            Some(Err(HandshakeError::Closed)) | None => {}
            Some(Err(error)) => tracing::warn!(%error, "a client was turned away"),
        }
    }

    /// Judges the keys that a client offers, once the store is open.
    fn judge(&self, offer: KeyOffer) {
        let (keys, readiness) = (Arc::clone(&self.keys), self.readiness.subscribe());
        self.tasks.spawn_until_stopped("offered keys", async move {
            if let Ok(core) = Readiness::ready(&readiness, &View::whole()).await {
                keys.judge(offer, &core).await;
            }
        });
    }

    /// Does a request about the process, whether or not the store is open.
    async fn manage(&self, request: ProcessRequest, mut writer: OwnedWriteHalf) {
        let may_widen = matches!(request, ProcessRequest::Restart { widen: true, .. });
        let (mut answer, mut order) = match request {
            ProcessRequest::Reload => (self.process.reload().await, None),
            request => self.process.answer(request, self.conversations.now()),
        };
        if let Some(wanted) = &order {
            match (self.process.check(wanted, may_widen).await, &mut answer) {
                (Ok(Some(widened)), AdminMessage::Done { result: Value::Object(facts) }) => {
                    drop(facts.insert(WIDENED.to_owned(), Value::String(widened)));
                }
                (Ok(_), _) => {}
                (Err(error), _) => (answer, order) = (AdminMessage::Failed { code: FailureCode::Refused, error }, None),
            }
        }
        if let Err(error) = AdminWriter::new(&mut writer).message(&answer).await {
            tracing::info!(%error, "a client did not read the answer about the process");
        }
        // The client reads the answer to its end before anything ends.
        drop(writer);
        if let Some(order) = order {
            self.process.order(order);
        }
    }

    /// Does a client's admin request, until it is done, the client leaves or everything ends.
    async fn execute(&self, request: AdminRequest, mut reader: BufReader<OwnedReadHalf>, mut writer: OwnedWriteHalf) {
        let done = async {
            let Ok(_permit) = self.admin_requests.try_acquire() else {
                let why = format!("{MAX_REQUESTS} commands read the log already: try again when one of them has ended");
                return admin::refuse(FailureCode::Busy, why, &mut writer).await;
            };
            match Readiness::ready(&self.readiness.subscribe(), &View::whole()).await {
                Ok(core) => admin::execute(request, &core, Some(self.server.policy()), &mut writer).await,
                Err(fault) => admin::refuse(fault.code(), fault.to_string(), &mut writer).await,
            }
        };
        let stopping = self.tasks.stopping();
        tokio::select! {
            () = admin::left(&mut reader) => {}
            () = stopping.cancelled() => {}
            done = done => if let Err(error) = done {
                tracing::info!(%error, "a client did not read the answer to its admin request to the end");
            },
        }
    }
}

/// Who is at the other end of a connection: the system says which user, and the session gets a random name.
fn principal(stream: &UnixStream) -> Principal {
    let user = stream.peer_cred().map_or_else(|_| "local".to_owned(), |peer| format!("uid:{}", peer.uid()));
    Principal::of_user(&user).in_session(Some(&format!("{:08x}", fastrand::u32(..))))
}

#[cfg(test)]
mod tests;
