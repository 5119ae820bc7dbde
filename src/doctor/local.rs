//! What doctor knows about this machine: figures of the store, and the running server.
//!
//! The caller finds this out, since it needs the lock, the socket and the protocol, which the checks do not know.

use futures::future::LocalBoxFuture;
use serde_json::Value;

use super::read_api::ReadApi;

/// What is known about the data directory before AWS is asked.
pub struct Local {
    /// Figures of the store, as `muster log stat --json` prints them.
    pub figures: Result<Value, NoFigures>,
    /// The running server; `None` when none runs or it cannot be connected.
    pub server: Option<Box<dyn RunningServer>>,
    /// EC2's read API; `None` where it is not configured.
    pub read_api: Option<ReadApi>,
}

/// Why there are no figures of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFigures {
    /// There is no store yet.
    NoStore,
    /// Neither a server nor the store answered in time.
    Silent,
    /// The store does not open, or the server does not answer; with the causes.
    Failed(String),
}

/// The running server, as far as the checks use it.
pub trait RunningServer {
    /// Reads `ec2://inventory/freshness`. The error says why the server does not answer.
    fn freshness(&self) -> LocalBoxFuture<'_, Result<Value, String>>;
}
