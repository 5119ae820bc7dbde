//! `muster policy`.

mod check;
mod iam;

use clap::Subcommand;

use crate::config::Environment;
use check::PolicyCheck;
use iam::PolicyIam;
pub(super) use iam::{NARROWS_IAM, PolicyIamError};

/// What to do about the rules for writes, Muster's and those of IAM.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Show which rules would let a tool change an instance, and which would not
    #[command(
        after_long_help = "Exit codes: 0 every rule is met; 1 a rule refuses, or the instance is not known; 2 a flag cannot be \
                           used. The rules: muster help writes"
    )]
    Check(Box<PolicyCheck>),
    /// Print the IAM policy that Muster needs, as JSON, or only a part of it
    #[command(
        after_long_help = "Exit codes: 0 it is printed; 2 a flag cannot be used. What each action is for: muster help permissions"
    )]
    Iam(PolicyIam),
}

impl PolicyCommand {
    /// Runs the command.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        match self {
            // On the heap: it is a large future.
            PolicyCommand::Check(check) => Box::pin(check.run(environment)).await,
            PolicyCommand::Iam(iam) => iam.run(),
        }
    }
}
