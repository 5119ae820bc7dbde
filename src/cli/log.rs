//! `muster log`: checks, measures, exports and compacts the log.

use clap::{Args, Subcommand};

use crate::config::Environment;

mod compact;
mod export;
mod stat;
mod verify;

/// The arguments of `muster log`.
#[derive(Clone, Debug, Args)]
pub(super) struct Log {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum LogCommand {
    /// Check every page and every record, and that replaying the log gives exactly what is stored; no server may run
    Verify(verify::Verify),
    /// Show how far the log reaches, and how much disk space the log and the rest use
    Stat(stat::Stat),
    /// Print the records as JSON Lines, oldest first
    Export(export::Export),
    /// Return disk space that the store no longer needs; no server may run
    Compact(compact::Compact),
}

impl Log {
    /// Runs the command.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        match self.command {
            LogCommand::Verify(verify) => verify.run(environment).await,
            LogCommand::Stat(stat) => stat.run(environment).await,
            LogCommand::Export(export) => export.run(environment).await,
            LogCommand::Compact(compact) => compact.run(environment).await,
        }
    }
}
