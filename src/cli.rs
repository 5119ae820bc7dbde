//! The command line. The only user of clap; what it reads becomes a [`crate::config::Config`], and defaults are not its business.
//!
//! Exit codes: 0 it worked, 1 it failed, 2 the command line or a `MUSTER_*` variable cannot be used.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tokio::runtime::{self, Runtime};

use crate::config::{ConfigError, Environment};
use crate::telemetry::{self, Destination, TelemetryError};

mod client_config;
mod connection;
mod output;
mod simulate;

use client_config::{Client, ServerEntry};
use connection::Connection;
use output::Output;
use simulate::Simulate;

/// Keeps a truthful local copy of an AWS account's EC2 inventory and serves it to AI clients over MCP.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging (to standard error)")]
struct Logging {
    /// What to log: a level, or target=level pairs [default: info, less from libraries]
    #[arg(long, global = true, env = "MUSTER_LOG", value_name = "FILTER", hide_env_values = true)]
    log: Option<String>,
    /// How a log line looks [default: text]
    #[arg(long, global = true, env = "MUSTER_LOG_FORMAT", value_name = "FORMAT", hide_env_values = true)]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate an AWS account on loopback; the first line printed is its endpoint and region
    Simulate(Simulate),
    /// Print the block that makes an MCP client start Muster
    Config {
        #[command(flatten)]
        connection: Connection,
        /// Which client the block is for
        #[arg(long, value_enum)]
        client: Client,
    },
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Runs the process: reads its command line, starts logging, does what was asked, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster: {error:#}");
            let usage =
                error.is::<ConfigError>() || matches!(error.downcast_ref(), Some(TelemetryError::Filter { .. }));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli { logging, command } = cli;
    telemetry::start(logging.log.as_deref(), logging.format(), &Destination::Stderr)?;
    match command {
        Command::Simulate(simulate) => parallel()?.block_on(simulate.run()),
        Command::Config { connection, client } => {
            let environment = Environment::capture();
            let words = connection.clone().for_client(&environment).words();
            let config = connection.config(&environment)?;
            let server = ServerEntry::new(&std::env::current_exe()?, &words, &config.selection);
            for note in server.notes(client) {
                eprintln!("{note}");
            }
            Ok(Output::stdout().line(&server.block(client))?)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "muster", &mut script);
            Ok(Output::stdout().text(&script)?)
        }
    }
}

/// A runtime for a process that serves.
fn parallel() -> std::io::Result<Runtime> {
    runtime::Builder::new_multi_thread().enable_all().build()
}

impl Logging {
    fn format(&self) -> telemetry::Format {
        match self.log_format {
            Some(LogFormat::Json) => telemetry::Format::Json,
            Some(LogFormat::Text) | None => telemetry::Format::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
