//! What doctor is told of this machine: figures of the store, and what the running server says.
//!
//! Whoever runs doctor finds that out, since it takes the lock, the socket and the protocol, of which the checks know nothing.

use futures::future::LocalBoxFuture;
use serde_json::Value;

/// What is known of the data directory before AWS is asked.
pub struct Local {
    /// Figures of the store, as `muster log stat --json` prints them.
    pub figures: Result<Value, NoFigures>,
    /// The running server; `None` when none runs or it cannot be connected.
    pub server: Option<Box<dyn RunningServer>>,
}

/// Why there are no figures of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFigures {
    /// There is no store yet.
    NoStore,
    /// Nobody answered in time.
    Silent,
    /// The store does not open, or the server does not tell; with the causes.
    Failed(String),
}

/// The running server, as far as the checks ask it.
pub trait RunningServer {
    /// What `ec2://inventory/freshness` says, or why the server does not answer.
    fn freshness(&self) -> LocalBoxFuture<'_, Result<Value, String>>;
}
