//! `muster stop`.

use anyhow::Context;
use clap::Args;

use super::output::Output;
use super::process_report::{clients, whole};
use super::store_flags::RegionalStoreFlags;
use crate::app::client::process::{self, StopOutcome};
use crate::config::Environment;
use crate::connection::kept_rules::KeptRules;
use crate::model::shell_word::command_line;
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
    /// Forget the rules for writes that a person gave a server of this data directory
    ///
    /// Without it the next server has them, where an MCP client starts it.
    #[arg(long)]
    forget_rules: bool,
}

/// Says which rules for writes the next server has, where those of a person are `kept`, or that the `rules` of this one end with it.
fn tell_rules(kept: Option<&KeptRules>, rules: &[String]) {
    if let Some(kept) = kept {
        let flags = shown(&command_line(kept.flags.iter().map(String::as_str)), LONGEST);
        telemetry::say(&format!(
            "muster: a server that an MCP client starts here has the rules for writes that a person gave the one before ({flags}): a \
             server that a person starts with --allow-writes replaces them, and `muster stop --forget-rules` drops them"
        ));
    } else if !rules.is_empty() {
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
        let mut rules = Vec::new();
        let said = match process::stop(&config.data_dir, self.force).await? {
            StopOutcome::NotRunning => format!("no server runs on {}", config.data_dir.display()),
            StopOutcome::Ended(facts) => {
                let again = match facts.clients {
                    0 => "",
                    _ => ": each starts a server again when it needs one",
                };
                rules.clone_from(&facts.rules);
                format!("stopped {}; {}{again}", whole(&facts), clients(facts.clients))
            }
            StopOutcome::Signalled { pid, killed: false, .. } => {
                format!("stopped process {pid}, which did not answer, by a signal")
            }
            StopOutcome::Signalled { pid, killed: true, .. } => format!("killed process {pid}, which did not end"),
        };
        if self.forget_rules {
            let why = "the rules for writes of its servers cannot be forgotten";
            KeptRules::forget(&config.data_dir).context(why)?;
        }
        tell_rules(KeptRules::read(&config.data_dir).as_ref(), &rules);
        Ok(Output::stdout().line(&said)?)
    }
}
