//! `muster policy`.

mod check;

use clap::Subcommand;

use crate::config::Environment;
use check::PolicyCheck;

/// What to do about the rules for writes.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Show which rules would let a tool change an instance, and which would not
    #[command(
        after_long_help = "Exit codes: 0 every rule is met; 1 a rule refuses, or the instance is not known; 2 a flag cannot be \
                           used. The rules: muster help writes"
    )]
    Check(PolicyCheck),
}

impl PolicyCommand {
    /// Runs the command.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        match self {
            PolicyCommand::Check(check) => check.run(environment).await,
        }
    }
}

/// A change that a rule refuses.
#[derive(Debug, thiserror::Error)]
#[error("{tool} may not change {instance}")]
pub(super) struct NotAllowed {
    tool: String,
    instance: String,
}
