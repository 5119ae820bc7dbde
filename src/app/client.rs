//! The client of a command line: it calls the tools at the running server of a data directory, or at its store where no server
//! runs.
//!
//! A server is asked over its socket, as by any MCP client. Without one, this process takes the lock, opens the store and answers
//! with the same tools ([`super::offline`]). Either way the answer is the one that every client gets, with the same remarks on
//! how fresh and complete it is. No server is started, no store is made, and AWS is not asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::offline::{Offline, OfflineError};
use crate::config::Config;
use crate::connection::attach::{self, AttachError, Attached};
use crate::connection::lock::LockError;
use crate::mcp::client::{ClientError, McpClient};
use crate::mcp::error::{CODE, EARLIEST};
use crate::mcp::policy::Writes;
use crate::mcp::tools::spec::CallSetting;
use crate::mcp::{Core, tools};
use crate::model::FailureCode;

pub mod admin;
pub mod process;

/// How long to wait for a server that is starting or stopping, or for another command that uses the store.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often to try meanwhile.
const INTERVAL: Duration = Duration::from_millis(50);

/// Calls tools.
pub enum InventoryClient {
    /// At the running server.
    Server(Box<McpClient>),
    /// At the store, opened by this process.
    Store(Box<Offline>),
}

/// What a tool answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolAnswer {
    /// The answer in words, which may hold text of strangers: see [`shown`](crate::model::text::shown).
    pub text: String,
    /// The answer as data; `null` where the tool has only words.
    pub structured: Value,
    /// The kind of failure, where the tool did nothing of what was asked.
    pub failure: Option<FailureCode>,
    /// The earliest time that the log reaches back to, where the tool failed for an earlier one.
    pub earliest: Option<String>,
}

/// Why no tool can be called.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No server runs, where only one can answer.
    #[error("no server runs on {}, and {what} needs one: start `muster serve`", data_dir.display())]
    NoServer {
        /// The data directory.
        data_dir: PathBuf,
        /// What needs a server.
        what: &'static str,
    },
    /// The server cannot be reached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The connection broke.
    #[error("the server ended before it answered: ask again")]
    Gone(#[source] ClientError),
    /// What came over the connection is not an answer.
    #[error("the server does not answer as an MCP server")]
    Client(#[from] ClientError),
    /// The store cannot be opened.
    #[error(transparent)]
    Offline(#[from] OfflineError),
}

/// Connects to the running server; `None` when there is none.
///
/// # Errors
/// [`AskError`] when somebody holds the lock until `deadline` without answering.
pub async fn server(data_dir: &Path, deadline: Instant) -> Result<Option<McpClient>, AskError> {
    match attach::find(data_dir, deadline, None).await? {
        Some(Attached { reader, writer, .. }) => Ok(Some(McpClient::connect(reader, writer).await?)),
        None => Ok(None),
    }
}

impl InventoryClient {
    /// Finds who answers: the running server, else the store.
    ///
    /// # Errors
    /// [`AskError`], after at most about [`PATIENCE`].
    pub async fn connect(config: &Config) -> Result<Self, AskError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(client) = server(&config.data_dir, deadline).await? {
                return Ok(InventoryClient::Server(Box::new(client)));
            }
            match Offline::open(config).await {
                // A server, or another command, was quicker.
                Err(OfflineError::Lock(LockError::Held { .. })) if Instant::now() < deadline => sleep(INTERVAL).await,
                opened => return Ok(InventoryClient::Store(Box::new(opened?))),
            }
        }
    }

    /// Calls a tool that reads.
    ///
    /// # Errors
    /// When the server is gone. A tool that refuses gives an answer with a [`ToolAnswer::failure`].
    pub async fn ask(&self, tool: &str, arguments: Value) -> Result<ToolAnswer, AskError> {
        // Through JSON, as it goes over the wire: the protocol's own types stay behind `mcp`.
        let result = match self {
            InventoryClient::Server(client) => match client.call(tool, arguments).await {
                Ok(result) => serde_json::to_value(result),
                Err(error) => return Err(lost(client, error).await),
            },
            InventoryClient::Store(offline) => answered(offline.core(), tool, arguments).await,
        };
        Ok(ToolAnswer::of(result.map_err(ClientError::from)?))
    }
}

/// Finds out why a call failed: whether the connection has closed, or the call itself failed.
async fn lost(client: &McpClient, error: ClientError) -> AskError {
    sleep(INTERVAL).await;
    if client.peer().is_transport_closed() { AskError::Gone(error) } else { AskError::Client(error) }
}

/// Calls a tool in this process, as a server would.
async fn answered(core: &Arc<Core>, tool: &str, arguments: Value) -> serde_json::Result<Value> {
    let arguments = match arguments {
        Value::Object(arguments) => Some(arguments),
        _ => None,
    };
    let result = match tools::find(tool, &Writes::not_asked()) {
        Ok(spec) => {
            let (core, stop) = (Arc::clone(core), CancellationToken::new());
            tools::call(spec, core, arguments, Writes::not_asked(), &stop, CallSetting::default()).await
        }
        Err(fault) => fault.result(),
    };
    serde_json::to_value(result)
}

impl ToolAnswer {
    fn of(mut result: Value) -> Self {
        let blocks = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect();
        let meta = |key: &str| result.get("_meta")?.get(key);
        let failed = result.get("isError").and_then(Value::as_bool).unwrap_or_default();
        let code = || meta(CODE).and_then(|code| FailureCode::deserialize(code).ok()).unwrap_or(FailureCode::Failed);
        ToolAnswer {
            text: texts.join("\n"),
            failure: failed.then(code),
            earliest: meta(EARLIEST).and_then(Value::as_str).map(str::to_owned),
            structured: result.get_mut("structuredContent").map(Value::take).unwrap_or_default(),
        }
    }
}
