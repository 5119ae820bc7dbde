//! Where clients come in: the Unix socket, HTTP, and what they are told while the store is not open yet.
//!
//! A server receives clients before it opens its store and until after it has closed it, so discovery and lists of tools
//! are answered at any moment, and whatever keeps the store shut is told to whoever asks.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::connection::admin::{self, Errand};
use crate::connection::clients::Clients;
use crate::connection::handshake::{self, HelloError};
use crate::connection::socket::Bound;
use crate::mcp::stall::{self, Bounded};
use crate::mcp::transport::{self, HttpOptions};
use crate::mcp::{self, Core, Failure, Phase, Policy};
use crate::watch::tasks::Tasks;

/// The pause after the system refused a connection (too many open files), which another try at once would not mend.
const REFUSED: Duration = Duration::from_millis(100);

/// Receives clients. Clones share everything.
#[derive(Clone)]
pub struct Reception {
    server: mcp::Server,
    phase: watch::Sender<Phase>,
    tasks: Tasks,
    clients: Clients,
    errands: Arc<Semaphore>,
    allow_writes: bool,
}

impl Reception {
    /// A reception whose store is about to be opened.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let phase = watch::Sender::new(Phase::Opening);
        let tasks = Tasks::new();
        let policy = Policy { allow_writes: config.allow_writes, list: config.list };
        // Pushes to clients of the older era need no waiting for: they end with their connections.
        let server = mcp::Server::new(phase.subscribe(), policy, TaskTracker::new(), tasks.stopping());
        let errands = Arc::new(Semaphore::new(admin::MOST));
        Reception { server, phase, tasks, clients: Clients::none(), errands, allow_writes: config.allow_writes }
    }

    /// From now on requests are served.
    pub fn open(&self, core: Arc<Core>) {
        self.phase.send_replace(Phase::Ready(core));
    }

    /// From now on requests are answered with why they cannot be served.
    pub fn fail(&self, failure: Failure) {
        self.phase.send_replace(Phase::Failed(Arc::new(failure)));
    }

    /// Who is there on the socket.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Receives clients on the socket. The socket is gone as soon as the reception begins to close.
    pub fn listen(&self, bound: Bound) {
        let reception = self.clone();
        self.tasks.spawn_until_stopped("the Unix socket", async move {
            loop {
                match bound.accept().await {
                    Ok(stream) => reception.receive(stream),
                    Err(error) => {
                        tracing::warn!(%error, "a connection was refused");
                        sleep(REFUSED).await;
                    }
                }
            }
        });
    }

    /// Serves one connection, which begins with a hello.
    pub fn receive(&self, stream: UnixStream) {
        let reception = self.clone();
        self.tasks.spawn("a connection", async move {
            let _present = reception.clients.enter();
            reception.converse(stream).await;
        });
    }

    /// Receives clients over HTTP.
    pub fn listen_http(&self, listener: TcpListener, options: HttpOptions) {
        let server = self.server.clone();
        self.tasks.spawn("HTTP", async move {
            if let Err(error) = transport::serve_http(&server, listener, &options).await {
                tracing::error!(%error, "HTTP is no longer served");
            }
        });
    }

    /// Ends subscriptions, then connections; nobody new comes in. Returns what did not end in time.
    pub async fn close(&self, patience: Duration) -> Vec<&'static str> {
        self.tasks.stop(patience).await
    }

    async fn converse(&self, stream: UnixStream) {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let greeting = handshake::receive(&mut reader, &mut writer, self.allow_writes);
        match self.tasks.stopping().run_until_cancelled(greeting).await {
            Some(Ok((_, Some(errand)))) => self.run(errand, reader, writer).await,
            Some(Ok((welcome, None))) => {
                let writer = Bounded::new(writer);
                let stalled = writer.stalled();
                // On the heap: serving a connection is a large future.
                let serving = Box::pin(transport::serve_stream(&self.server, welcome.writes, reader, writer));
                match stalled.run_until_cancelled(serving).await {
                    Some(Ok(())) => {}
                    Some(Err(error)) => tracing::warn!(%error, "a connection ended"),
                    None => {
                        tracing::warn!(seconds = stall::PATIENCE.as_secs(), "closed a connection that nobody reads");
                    }
                }
            }
            // Whoever only looks whether somebody listens says nothing.
            Some(Err(HelloError::Closed)) | None => {}
            Some(Err(error)) => tracing::warn!(%error, "a client was turned away"),
        }
    }

    /// Does a client's errand, until it is done, the client leaves or everything ends.
    async fn run(&self, errand: Errand, mut reader: BufReader<OwnedReadHalf>, mut writer: OwnedWriteHalf) {
        let done = async {
            let Ok(_permit) = self.errands.try_acquire() else {
                let why =
                    format!("{} commands are at the log already: try again when one of them has ended", admin::MOST);
                return admin::refuse(&why, &mut writer).await;
            };
            match Phase::ready(&self.phase.subscribe()).await {
                Ok(core) => admin::run(errand, &core, &mut writer).await,
                Err(fault) => admin::refuse(&fault.to_string(), &mut writer).await,
            }
        };
        let stopping = self.tasks.stopping();
        tokio::select! {
            () = admin::left(&mut reader) => {}
            () = stopping.cancelled() => {}
            done = done => if let Err(error) = done {
                tracing::info!(%error, "an export or a backup was not read to its end");
            },
        }
    }
}

#[cfg(test)]
mod tests;
