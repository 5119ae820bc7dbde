//! Asking the tools from a command line: the running server of a data directory, or its store where no server runs.
//!
//! With a server, the question goes over its socket as any MCP client's does. Without one, this process takes the lock, opens
//! the store and answers with the very same tools ([`super::offline`]). Either way the answer is the one that every client
//! gets, with what it says of its own worth. No server is started, no store is made, and AWS is not asked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::offline::{Offline, OfflineError};
use crate::config::Config;
use crate::connection::attach::{self, Attached};
use crate::connection::data_dir;
use crate::connection::handshake::HelloError;
use crate::connection::lock::{self, LockError};
use crate::connection::socket;
use crate::mcp::client::{Client, ClientError};
use crate::mcp::error::CODE;
use crate::mcp::policy::Writes;
use crate::mcp::{Core, tools};

/// How long a server that is starting or stopping, or another command that has the store, is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is tried meanwhile.
const STEP: Duration = Duration::from_millis(50);

/// Somebody who answers.
pub enum Source {
    /// The running server.
    Server(Box<Client>),
    /// The store, opened by this process.
    Store(Box<Offline>),
}

/// What a tool answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In words; hostile until shown.
    pub text: String,
    /// As data; `null` where the tool has only words.
    pub structured: Value,
    /// Whether nothing of what was asked could be done.
    pub failed: bool,
    /// What kind of failure it is.
    pub code: Option<String>,
}

/// Why nobody answers.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No server runs, where only one can answer.
    #[error("no server runs on {}, and {what} needs one: start `muster serve`", data_dir.display())]
    NoServer {
        /// The data directory.
        data_dir: PathBuf,
        /// What needs one.
        what: &'static str,
    },
    /// The socket is there but cannot be connected.
    #[error("cannot connect to the server of {}: check the permissions of its socket", data_dir.display())]
    Connect {
        /// The data directory.
        data_dir: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// Somebody holds the lock and does not listen.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The server does not want this client.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The connection broke.
    #[error("the server ended before it answered: ask again")]
    Gone(#[source] ClientError),
    /// What came over the connection is not an answer.
    #[error("the server does not answer as one")]
    Client(#[from] ClientError),
    /// The store cannot be opened.
    #[error(transparent)]
    Offline(#[from] OfflineError),
}

/// Finds who answers: the running server, else the store.
///
/// # Errors
/// [`AskError`], after at most about [`PATIENCE`].
pub async fn source(config: &Config) -> Result<Source, AskError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(client) = server(&config.data_dir, deadline).await? {
            return Ok(Source::Server(Box::new(client)));
        }
        match Offline::open(config).await {
            // Somebody was quicker: a server, or another command.
            Err(OfflineError::Lock(LockError::Held { .. })) if Instant::now() < deadline => sleep(STEP).await,
            opened => return Ok(Source::Store(Box::new(opened?))),
        }
    }
}

/// The running server as an MCP client sees it; `None` when there is none.
///
/// # Errors
/// [`AskError`] when somebody holds the lock until `deadline` without answering.
pub async fn server(data_dir: &Path, deadline: Instant) -> Result<Option<Client>, AskError> {
    match reach(data_dir, deadline, |stream| attach::greeted(stream, false, None)).await? {
        Some(Attached { reader, writer, .. }) => Ok(Some(Client::connect(reader, writer).await?)),
        None => Ok(None),
    }
}

/// Connects to the server and greets it; `None` when there is none.
pub(crate) async fn reach<T, F>(
    data_dir: &Path,
    deadline: Instant,
    greet: impl Fn(tokio::net::UnixStream) -> F,
) -> Result<Option<T>, AskError>
where
    F: Future<Output = Result<T, HelloError>>,
{
    if !data_dir::holds_store(data_dir).map_err(OfflineError::from)? && !lock::path(data_dir).exists() {
        return Err(OfflineError::Missing { data_dir: data_dir.to_owned() }.into());
    }
    loop {
        match socket::connect(data_dir).await {
            Ok(stream) => match greet(stream).await {
                // It is about to stop.
                Err(HelloError::Closed | HelloError::Io(_)) if Instant::now() < deadline => {}
                outcome => return Ok(Some(outcome?)),
            },
            Err(error) if socket::is_absent(&error) => match lock::probe(data_dir) {
                Ok(()) => return Ok(None),
                Err(held) if Instant::now() >= deadline => return Err(held.into()),
                Err(_) => {}
            },
            Err(source) => return Err(AskError::Connect { data_dir: data_dir.to_owned(), source }),
        }
        sleep(STEP).await;
    }
}

impl Source {
    /// Calls a tool that reads.
    ///
    /// # Errors
    /// When the server is gone. A tool that refuses answers so.
    pub async fn ask(&self, tool: &str, arguments: Value) -> Result<Answer, AskError> {
        // Through JSON, as it goes over the wire: the protocol's own types stay behind `mcp`.
        let result = match self {
            Source::Server(client) => match client.call(tool, arguments).await {
                Ok(result) => serde_json::to_value(result),
                Err(error) => return Err(lost(client, error).await),
            },
            Source::Store(offline) => answered(offline.core(), tool, arguments).await,
        };
        Ok(Answer::of(result.map_err(ClientError::from)?))
    }
}

/// Why a call failed: the connection, which closes soon after the call was given up, or what was asked.
async fn lost(client: &Client, error: ClientError) -> AskError {
    sleep(STEP).await;
    if client.peer().is_transport_closed() { AskError::Gone(error) } else { AskError::Client(error) }
}

/// What the tool answers in this process, as a server would.
async fn answered(core: &Arc<Core>, tool: &str, arguments: Value) -> serde_json::Result<Value> {
    let arguments = match arguments {
        Value::Object(arguments) => Some(arguments),
        _ => None,
    };
    let result = match tools::find(tool, Writes::NotAsked) {
        Ok(spec) => tools::call(spec, Arc::clone(core), arguments, Writes::NotAsked, &CancellationToken::new()).await,
        Err(fault) => fault.result(),
    };
    serde_json::to_value(result)
}

impl Answer {
    fn of(mut result: Value) -> Self {
        let blocks = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect();
        Answer {
            text: texts.join("\n"),
            failed: result.get("isError").and_then(Value::as_bool).unwrap_or_default(),
            code: result.get("_meta").and_then(|meta| meta.get(CODE)?.as_str().map(str::to_owned)),
            structured: result.get_mut("structuredContent").map(Value::take).unwrap_or_default(),
        }
    }
}
