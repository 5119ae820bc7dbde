//! `muster log`: the log as a thing of its own, to check, to measure, to take along.

use clap::{Args, Subcommand};

use crate::config::Environment;

mod compact;
mod export;
mod stat;
mod verify;

/// What to do with the log.
#[derive(Clone, Debug, Args)]
pub(super) struct Log {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Check every page, every record, and that the log makes what is stored; no server may run
    Verify(verify::Verify),
    /// Show how far the log reaches, and what it and the rest take on disk
    Stat(stat::Stat),
    /// Print the records as JSON Lines, oldest first
    Export(export::Export),
    /// Give back what the file does not need any more; no server may run
    Compact(compact::Compact),
}

impl Log {
    /// Does it.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        match self.command {
            Command::Verify(verify) => verify.run(environment).await,
            Command::Stat(stat) => stat.run(environment).await,
            Command::Export(export) => export.run(environment).await,
            Command::Compact(compact) => compact.run(environment).await,
        }
    }
}
