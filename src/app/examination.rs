//! `muster doctor`: finds out what this machine knows of the data directory, and has the checks look at it and at AWS.
//!
//! A running server is told to try at once what failed, so that what was mended meanwhile shows in its freshness.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::asking::{self, AskError};
use super::offline::OfflineError;
use crate::config::Config;
use crate::connection::admin::{Brought, Errand, ErrandError, Running};
use crate::doctor::{self, Finding, LOCAL, Local, NoFigures, Server};
use crate::mcp::client::Client;

/// The resource in which a server tells how fresh its copy is, and which canaries it has seen.
const FRESHNESS: &str = "ec2://inventory/freshness";

/// Looks at everything that a server with this configuration needs.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let figures = timeout(LOCAL, errand(config, &Errand::Stat)).await;
    let figures = figures.map_or(Err(NoFigures::Silent), |figures| figures.map_err(|error| no_figures(&error)));
    // Why one that is there does not answer, the check of the store tells.
    let server = asking::server(&config.data_dir, Instant::now() + asking::PATIENCE).await.unwrap_or_default();
    if server.is_some() {
        // Where that fails, the server's freshness says what does not work.
        drop(timeout(LOCAL, errand(config, &Errand::TryNow)).await);
    }
    let server = server.map(|server| Box::new(server) as Box<dyn Server>);
    doctor::examine(config, &Local { figures, server }).await
}

/// Has an errand done, and gives what there is to say at its end.
async fn errand(config: &Config, errand: &Errand) -> Result<Value, ErrandError> {
    let mut running = Running::start(config, errand).await?;
    loop {
        if let Brought::Done(result) = running.next().await? {
            return Ok(result);
        }
    }
}

fn no_figures(error: &ErrandError) -> NoFigures {
    if let ErrandError::Ask(AskError::Offline(OfflineError::Missing { .. })) = error {
        return NoFigures::NoStore;
    }
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    NoFigures::Failed(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
}

impl Server for Client {
    fn freshness(&self) -> LocalBoxFuture<'_, Result<Value, String>> {
        async { self.read(FRESHNESS).await.map_err(|error| error.to_string()) }.boxed_local()
    }
}
