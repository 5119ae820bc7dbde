//! `muster doctor`: finds out what this machine knows about the data directory, and runs the checks.
//!
//! A running server is told to retry at once what failed, so that its freshness shows what was mended meanwhile.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::client::admin::{self, AdminError};
use super::client::{self, AskError};
use super::read_api_door::read_api;
use crate::config::{Config, Environment, ListenSettings};
use crate::connection::admin::AdminRequest;
use crate::connection::attach::AttachError;
use crate::connection::data_dir::DataDirError;
use crate::doctor::{self, Finding, LOCAL, Local, NoFigures, RunningServer};
use crate::mcp::client::McpClient;
use crate::model::text::chain;

/// The resource in which a server tells how fresh its copy is, and which canaries it has seen.
const FRESHNESS: &str = "ec2://inventory/freshness";

/// Looks at everything that a server with this configuration needs, and at EC2's read API as it is to be answered.
pub async fn examine(config: &Config, listen: &ListenSettings, environment: &Environment) -> Vec<Finding> {
    let figures = timeout(LOCAL, admin::done(config, &AdminRequest::Stat)).await;
    let figures = figures.map_or(Err(NoFigures::Silent), |figures| figures.map_err(|error| no_figures(&error)));
    // If a server exists and does not answer, the check of the store says why.
    let server = client::server(&config.data_dir, Instant::now() + client::PATIENCE).await.unwrap_or_default();
    if server.is_some() {
        // If that fails, the server's freshness says what does not work.
        drop(timeout(LOCAL, admin::done(config, &AdminRequest::TryNow)).await);
    }
    let server = server.map(|server| Box::new(server) as Box<dyn RunningServer>);
    let read_api = match listen.ec2_api.address {
        Some(address) => {
            let facts = timeout(LOCAL, client::process::describe(&config.data_dir)).await;
            Some(read_api(config, listen, address, environment, facts.ok().flatten().as_ref()))
        }
        None => None,
    };
    doctor::examine(config, &Local { figures, server, read_api }).await
}

fn no_figures(error: &AdminError) -> NoFigures {
    match error {
        AdminError::Ask(AskError::Attach(AttachError::Directory(DataDirError::NoStore { .. }))) => NoFigures::NoStore,
        error => NoFigures::Failed(chain(error)),
    }
}

impl RunningServer for McpClient {
    fn freshness(&self) -> LocalBoxFuture<'_, Result<Value, String>> {
        async { self.read(FRESHNESS).await.map_err(|error| error.to_string()) }.boxed_local()
    }
}
