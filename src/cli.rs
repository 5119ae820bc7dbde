//! The command line. The only user of clap; what it reads becomes a [`crate::config::Config`], and defaults are not its business.
//!
//! Exit codes: 0 it worked, 1 it failed or what was asked for is not there, 2 the command line, a `MUSTER_*` variable or a scenario cannot be used.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tokio::runtime::{self, Runtime};

use crate::app::front;
use crate::config::{Config, ConfigError, Environment};
use crate::connection::attach::ServerCommand;
#[cfg(feature = "simulator")]
use crate::simulator::ScenarioError;
use crate::telemetry::{self, Destination, TelemetryError};

mod arguments;
mod backup;
mod bytes;
mod change_row;
mod changes;
mod client_config;
mod connection;
mod count;
#[cfg(feature = "simulator")]
mod demo;
mod doctor;
mod following;
mod get;
mod help;
mod line;
mod log;
mod output;
mod prices;
mod related;
mod search;
mod serve;
mod setup;
#[cfg(feature = "simulator")]
mod simulate;
mod stopped;
mod store_flags;
mod table;
mod teardown;
#[cfg(not(feature = "simulator"))]
mod unsimulated;
mod warnings;

use arguments::OperandError;
use backup::{Backup, BackupError};
use changes::Changes;
use client_config::{Client, ServerEntry};
use connection::Connection;
use count::Count;
#[cfg(feature = "simulator")]
use demo::Demo;
use doctor::Doctor;
use get::Get;
use help::{Help, NoPage};
use line::{Unfilled, Unusable};
use log::Log;
use output::Output;
use prices::Prices;
use related::Related;
use search::Search;
use serve::Serve;
use setup::Setup;
#[cfg(feature = "simulator")]
use simulate::Simulate;
use stopped::Stopped;
use teardown::Teardown;
#[cfg(not(feature = "simulator"))]
use unsimulated::{Unsimulated as Demo, Unsimulated as Simulate};
use warnings::Refused;

/// Keeps a truthful local copy of an AWS account's EC2 inventory and serves it to AI clients over MCP.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(disable_help_subcommand = true, after_help = help::topics())]
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
    /// Serve MCP on stdin and stdout, for an MCP client to start; shares one server with others
    #[command(
        after_long_help = "Variables and the data directory: muster help configuration; clients: muster help clients"
    )]
    Mcp {
        #[command(flatten)]
        connection: Connection,
    },
    /// Serve the inventory on a Unix socket, and over HTTP with --http
    #[command(after_long_help = "Variables, the data directory and HTTP: muster help configuration")]
    Serve(Serve),
    /// Show one resource as the running server knows it, or the store when none runs
    #[command(after_long_help = "Filters, columns and exit codes: muster help filters")]
    Get(Get),
    /// Find resources in the local copy of the inventory by AWS's filters
    #[command(after_long_help = "Filters, columns and exit codes: muster help filters")]
    Search(Search),
    /// Count resources in the local copy of the inventory, by AWS's filters
    #[command(after_long_help = "Filters, columns and exit codes: muster help filters")]
    Count(Count),
    /// Show what stopped instances cost, since when they are stopped, and whom to ask
    #[command(after_long_help = "Where prices are from: muster prices; filters and exit codes: muster help filters")]
    Stopped(Stopped),
    /// Show what uses a resource, and what it uses
    Related(Related),
    /// Show which list prices are known, and of when
    Prices(Prices),
    /// Show what changed, when, and why
    #[command(after_long_help = "What is recorded, and who made a change: muster help history")]
    Changes(Changes),
    /// Check, measure, export or compact the log
    #[command(after_long_help = help::log())]
    Log(Log),
    /// Write a verified copy of the store, also while the server runs
    #[command(after_long_help = help::log())]
    Backup(Backup),
    /// Make the queue and rules that bring EventBridge's events, or mend them
    #[command(after_long_help = help::setup())]
    Setup(Setup),
    /// Remove what setup made
    #[command(after_long_help = help::setup())]
    Teardown(Teardown),
    /// Check everything that Muster needs, and say what to do about what fails
    #[command(after_long_help = help::doctor())]
    Doctor(Doctor),
    /// Show the whole path against a simulated account, in about half a minute
    Demo(Demo),
    /// Simulate an AWS account on loopback; the first line printed is its endpoint and region
    #[command(after_long_help = "Control paths and keys of a scenario: muster help simulator")]
    Simulate(Box<Simulate>),
    /// Print the block that makes an MCP client start Muster
    #[command(after_long_help = "The blocks of each client: muster help clients")]
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
    /// Show a topic, or the help of a command
    Help(Help),
}

/// Runs the process: reads its command line, starts logging, does what was asked, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    // Also when a panic ends the process.
    let _said = Parting;
    let root = Cli::command();
    line::restart_in_tidy_environment(&root);
    let words = line::tidied(std::env::args_os().collect(), &root);
    let error = match Cli::try_parse_from(&words) {
        Ok(cli) => match line::filled(&words, &root).map_err(Into::into).and_then(|()| run(cli)) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error,
        },
        // Help, or the version.
        Err(error) if !error.use_stderr() => {
            print(&error);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            if let Err(unfilled) = line::filled(&words, &root) {
                unfilled.into()
            } else {
                print(&error);
                line::explained(&error, &words, &root).into()
            }
        }
    };
    // Of its words clap has told already.
    if error.downcast_ref::<Unusable>().is_none_or(|unusable| unusable.variable.is_some()) {
        telemetry::say(&format!("muster: {error:#}"));
    }
    if !is_usage(&error) {
        return ExitCode::FAILURE;
    }
    // A client that sees its server process exit shows "disconnected", and nobody learns why. A person at a terminal does.
    if line::command(&words, &root) == Some("mcp") && !std::io::stdin().is_terminal() {
        let explained =
            single().map_err(Into::into).and_then(|runtime| finish(runtime, front::explain(format!("{error:#}"))));
        explained.unwrap_or_else(|error| telemetry::say(&format!("muster: {error:#}")));
    }
    ExitCode::from(2)
}

/// Whether an error means that the command line, or a variable in its place, cannot be used as it stands.
fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|error| {
        error.is::<ConfigError>()
            || error.is::<Unusable>()
            || error.is::<Unfilled>()
            || error.is::<OperandError>()
            || error.is::<BackupError>()
            || error.is::<NoPage>()
            || is_of_a_scenario(error)
            || matches!(error.downcast_ref(), Some(TelemetryError::Filter { .. }))
            || error.downcast_ref::<Refused>().is_some_and(Refused::is_usage)
    })
}

/// Whether an error is about what to simulate, which is as the command line says.
#[cfg(feature = "simulator")]
fn is_of_a_scenario(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<ScenarioError>()
}

#[cfg(not(feature = "simulator"))]
fn is_of_a_scenario(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli { logging, command } = cli;
    let environment = Environment::capture();
    match command {
        Command::Mcp { connection } => {
            logging.start(&Destination::Stderr)?;
            let config = connection.config(&environment)?;
            let server = ServerCommand { program: std::env::current_exe()?, arguments: logging.server(&config) };
            finish(single()?, front::run(&config, &server))
        }
        Command::Serve(serve) => {
            let (config, listening) = serve.config(&environment)?;
            if listening.linger.is_none() {
                logging.start(&Destination::Stderr)?;
                return finish(parallel()?, serve::run(&config, listening));
            }
            logging.start(&serve::detach(&config)?)?;
            let served = finish(parallel()?, serve::run(&config, listening));
            // Nobody reads its standard error.
            served.inspect_err(|error| tracing::error!(error = format!("{error:#}"), "not serving"))
        }
        Command::Get(get) => {
            logging.start_quietly()?;
            finish(single()?, get.run(&environment))
        }
        Command::Search(search) => {
            logging.start_quietly()?;
            finish(single()?, search.run(&environment))
        }
        Command::Count(count) => {
            logging.start_quietly()?;
            finish(single()?, count.run(&environment))
        }
        Command::Stopped(stopped) => {
            logging.start_quietly()?;
            finish(single()?, stopped.run(&environment))
        }
        Command::Related(related) => {
            logging.start_quietly()?;
            finish(single()?, related.run(&environment))
        }
        Command::Prices(prices) => {
            logging.start_quietly()?;
            prices.run(&environment)
        }
        Command::Changes(changes) => {
            logging.start_quietly()?;
            finish(single()?, changes.run(&environment))
        }
        Command::Log(log) => {
            logging.start_quietly()?;
            finish(single()?, log.run(&environment))
        }
        Command::Backup(backup) => {
            logging.start_quietly()?;
            finish(single()?, backup.run(&environment))
        }
        Command::Setup(setup) => {
            logging.start_quietly()?;
            finish(single()?, setup.run(&environment))
        }
        Command::Teardown(teardown) => {
            logging.start_quietly()?;
            finish(single()?, teardown.run(&environment))
        }
        Command::Doctor(doctor) => {
            logging.start_quietly()?;
            finish(single()?, doctor.run(&environment))
        }
        Command::Demo(demo) => {
            logging.start_quietly()?;
            finish(parallel()?, demo.run())
        }
        Command::Simulate(simulate) => {
            logging.start(&Destination::Stderr)?;
            finish(parallel()?, simulate.run())
        }
        Command::Config { connection, client } => {
            let words = connection.clone().for_client(&environment).words();
            let config = connection.config(&environment)?;
            let server = ServerEntry::new(&std::env::current_exe()?, &words, &config.selection);
            for note in server.notes(client) {
                telemetry::say(&note);
            }
            Ok(Output::stdout().line(&server.block(client))?)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "muster", &mut script);
            Ok(Output::stdout().text(&script)?)
        }
        Command::Help(help) => help.run(Cli::command()),
    }
}

/// Runs `work` to its end, and waits for nothing else: reads of standard input cannot be cancelled, and whoever did not stop
/// in time was named already.
fn finish(runtime: Runtime, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    Abandoned(Some(runtime)).block_on(work)
}

/// A runtime whose threads nobody waits for, also after a panic, which would otherwise wait for ever.
struct Abandoned(Option<Runtime>);

impl Abandoned {
    fn block_on(&self, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        self.0.as_ref().map_or(Ok(()), |runtime| runtime.block_on(work))
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Says what is wrong with the command line, or the help that it asks for.
fn print(error: &clap::Error) {
    if error.use_stderr() && !std::io::stderr().is_terminal() {
        // A terminal gets colours; anybody else may not read.
        telemetry::say(error.render().to_string().trim_end());
    } else {
        // A closed one leaves nobody to tell.
        drop(error.print());
    }
}

/// When dropped, waits until what was said and logged is written.
struct Parting;

impl Drop for Parting {
    fn drop(&mut self) {
        telemetry::flush();
    }
}

/// A runtime for a front end, of which there may be many.
fn single() -> std::io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// A runtime for a process that serves.
fn parallel() -> std::io::Result<Runtime> {
    runtime::Builder::new_multi_thread().enable_all().build()
}

impl Logging {
    fn start(&self, destination: &Destination) -> anyhow::Result<()> {
        let format = match self.log_format {
            Some(LogFormat::Json) => telemetry::Format::Json,
            Some(LogFormat::Text) | None => telemetry::Format::Text,
        };
        telemetry::start(self.log.as_deref(), format, destination).with_context(|| {
            let given = self.log.as_deref().unwrap_or_default();
            format!("{} cannot be used", Environment::capture().source("--log", given))
        })?;
        telemetry::log_panics();
        Ok(())
    }

    /// For a command that tells its own story: only what goes wrong is logged, unless more is asked for.
    fn start_quietly(mut self) -> anyhow::Result<()> {
        self.log.get_or_insert_with(|| "warn".to_owned());
        self.start(&Destination::Stderr)
    }

    /// The words that start a server for `config` which logs likewise and permits writes: each connection decides for
    /// itself (see [`front`]).
    fn server(&self, config: &Config) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["serve", "--detached", "--allow-writes"].map(Into::into).into();
        words.extend(Connection::of(config).words());
        if let Some(filter) = &self.log {
            words.extend(["--log".into(), filter.into()]);
        }
        let format = self.log_format.and_then(|format| Some(format.to_possible_value()?.get_name().to_owned()));
        if let Some(format) = format {
            words.extend(["--log-format".into(), format.into()]);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_server_that_a_front_end_starts_is_detached_permits_writes_and_has_the_same_settings() {
        let environment = Environment::of(&[], Some("/home/me/.local/state"));
        let cli = Cli::parse_from(["muster", "mcp", "--region", "us-east-1", "--interval", "vpc=1m", "--log", "debug"]);
        let Command::Mcp { connection } = cli.command else { panic!("not mcp") };
        let config = connection.config(&environment).unwrap();
        let words = cli.logging.server(&config);
        let cli = Cli::parse_from([OsString::from("muster")].into_iter().chain(words));
        assert_eq!(cli.logging.log.as_deref(), Some("debug"));
        let Command::Serve(serve) = cli.command else { panic!("not serve") };
        let (served, listening) = serve.config(&environment).unwrap();
        assert!(listening.linger.is_some());
        assert_eq!(served, Config { allow_writes: true, ..config });
    }
}
