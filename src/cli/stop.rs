//! `muster stop`.

use clap::Args;

use super::output::Output;
use super::process_report::{clients, whole};
use super::store_flags::RegionalStoreFlags;
use crate::app::client::process::{self, StopOutcome};
use crate::config::Environment;

/// The arguments of `muster stop`.
#[derive(Clone, Debug, Args)]
pub(super) struct Stop {
    #[command(flatten)]
    store: RegionalStoreFlags,
    /// Kill a server that has not ended after 20 seconds
    ///
    /// Nothing that was acknowledged is lost: the store stands a kill at any moment.
    #[arg(long)]
    force: bool,
}

impl Stop {
    /// Ends the server, and says what was done.
    ///
    /// # Errors
    /// When a server runs and does not end.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let config = self.store.config(environment)?;
        let said = match process::stop(&config.data_dir, self.force).await? {
            StopOutcome::NotRunning => format!("no server runs on {}", config.data_dir.display()),
            StopOutcome::Ended(facts) => {
                let again = match facts.clients {
                    0 => "",
                    _ => ": each starts a server again when it needs one",
                };
                format!("stopped {}; {}{again}", whole(&facts), clients(facts.clients))
            }
            StopOutcome::Signalled { pid, killed: false, .. } => {
                format!("stopped process {pid}, which did not answer, by a signal")
            }
            StopOutcome::Signalled { pid, killed: true, .. } => format!("killed process {pid}, which did not end"),
        };
        Ok(Output::stdout().line(&said)?)
    }
}
