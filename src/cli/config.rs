//! `muster config`: the block that makes a client start Muster, and the configuration file.

mod check;
mod initial;
mod schema;

use clap::{Args, Subcommand};

use super::client_config::{KnownClient, ServerEntry};
use super::idle_exit::IdleExit;
use super::output::Output;
use super::server_flags::ServerFlags;
use crate::config::Environment;
use crate::telemetry;
use check::CheckedFile;
use initial::InitialFile;

/// The arguments of `muster config`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    of_file: Option<Box<FileCommand>>,
    #[command(flatten)]
    connection: ServerFlags,
    #[command(flatten)]
    idle_exit: IdleExit,
    /// The client that the block is for
    #[arg(long, value_enum, required = true)]
    client: Option<KnownClient>,
}

/// What to do about a configuration file.
#[derive(Clone, Debug, Subcommand)]
enum FileCommand {
    /// Show what a configuration file means, or what is wrong with it
    #[command(
        after_long_help = "Exit codes: 0 the file can be used; 2 it cannot, and each mistake is named with its line. Keys: muster \
                           help configuration"
    )]
    Check(CheckedFile),
    /// Print the JSON schema of a configuration file, for editors
    Schema,
    /// Write a configuration file, with comments, from the profiles of AWS's configuration files
    #[command(
        after_long_help = "Exit codes: 0 it is written; 1 it exists already, or cannot be written. Keys: muster help configuration"
    )]
    Init(InitialFile),
}

impl ConfigCommand {
    /// Prints the block, or does what is asked about a file.
    ///
    /// # Errors
    /// What is wrong with the file or a flag.
    pub(super) fn run(self, environment: &Environment) -> anyhow::Result<()> {
        match self.of_file.map(|command| *command) {
            Some(FileCommand::Check(check)) => return check.run(environment),
            Some(FileCommand::Schema) => return Ok(Output::stdout().line(&format!("{:#}", schema::schema()))?),
            Some(FileCommand::Init(init)) => return init.run(environment),
            None => {}
        }
        // clap asks for it where there is no subcommand.
        let Some(client) = self.client else { return Ok(()) };
        let mut words = self.connection.clone().for_client(environment).words();
        words.extend(self.idle_exit.words());
        let config = self.connection.config(environment)?;
        let server = ServerEntry::new(&std::env::current_exe()?, "mcp", &words, &config.selection);
        for note in server.notes(client).into_iter().chain(server.endpoint_notes("The block")) {
            telemetry::say(&note);
        }
        Ok(Output::stdout().line(&server.block(client))?)
    }
}
