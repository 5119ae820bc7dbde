//! `muster stop`.

use clap::Args;

use super::output::Output;
use super::process_report::{clients, whole};
use super::store_flags::RegionalStoreFlags;
use crate::app::client::process::{self, StopOutcome};
use crate::config::Environment;
use crate::model::text::shown;
use crate::telemetry;

/// The longest list of rules that is shown.
const LONGEST: usize = 2_000;

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

/// Says that the rules for writes end with a server that had some: the next one has those of whoever starts it.
fn rules_end(rules: &[String]) {
    if !rules.is_empty() {
        let rules = shown(&rules.join(", "), LONGEST);
        telemetry::say(&format!(
            "muster: the rules for writes that this server had end with it ({rules}): one that an MCP client starts has none of its \
             own, and each client has those of its flags"
        ));
    }
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
                rules_end(&facts.rules);
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
