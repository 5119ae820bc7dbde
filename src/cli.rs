//! Reads the command line and runs the command that it names. Only this module uses clap. What it reads becomes a
//! [`crate::config::Config`], which adds the defaults.
//!
//! Exit codes: 0 it worked; 1 it failed, or the resource does not exist; 2 the command line, a `MUSTER_*` variable or a scenario
//! cannot be used.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::app::front;
use crate::app::next_server::trial_line;
use crate::app::serve::{ServerEnd, ServerError};
use crate::config::{ConfigError, Environment};
use crate::model::text::chain;
#[cfg(feature = "simulator")]
use crate::simulator::ScenarioError;
use crate::telemetry::{self, LogDestination, TelemetryError};

mod access_flags;
mod arguments;
mod audit_flags;
mod backup;
mod bytes;
mod change_row;
mod changes;
mod client_config;
mod config;
mod count;
#[cfg(feature = "simulator")]
mod demo;
mod doctor;
mod ec2_api_flags;
mod exit_codes;
mod file_settings;
mod following;
mod front_line;
mod get;
mod health;
mod help;
mod host_flags;
mod idle_exit;
mod kind_flags;
mod line;
mod listen_flags;
mod log;
mod logging;
mod metrics;
mod organization_flags;
mod output;
mod policy;
mod prices;
mod process_report;
mod query;
mod quiet_flags;
mod related;
mod reload;
mod restart;
mod runtime;
mod scope_flags;
mod search;
mod servable;
mod serve;
mod server_flags;
mod service;
mod setup;
#[cfg(feature = "simulator")]
mod simulate;
mod status;
mod stop;
mod stopped;
mod store_flags;
mod succession;
mod table;
mod teardown;
mod token;
#[cfg(not(feature = "simulator"))]
mod unsimulated;
mod warnings;
mod write_flags;

use arguments::OperandError;
use backup::{Backup, BackupPathError};
use changes::Changes;
use config::ConfigCommand;
use count::Count;
#[cfg(feature = "simulator")]
use demo::Demo;
use doctor::Doctor;
use exit_codes::TAKEN;
use front_line::FrontLine;
use get::Get;
use health::InstanceHealth;
use help::{Help, NoPage};
use idle_exit::IdleExit;
use line::{Unfilled, Unusable};
use log::Log;
use logging::Logging;
use metrics::Metrics;
use organization_flags::OrganizationFlagsError;
use output::Output;
use policy::{PolicyCommand, PolicyIamError};
use prices::Prices;
use query::{QueryError, SqlQuery};
use related::Related;
use reload::Reload;
use restart::{FlagsError, Restart};
use runtime::{FlushOnExit, finish, parallel, single};
use search::Search;
use serve::Serve;
use server_flags::ServerFlags;
use service::{Service, ServiceError};
use setup::Setup;
#[cfg(feature = "simulator")]
use simulate::Simulate;
use status::ServerStatus;
use stop::Stop;
use stopped::Stopped;
use teardown::Teardown;
use token::{TokenCommand, TokenCommandError};
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP on standard input and output, for an MCP client to start; all clients share one server
    #[command(
        after_long_help = "Variables and the data directory: muster help configuration; clients: muster help clients"
    )]
    Mcp {
        #[command(flatten)]
        connection: ServerFlags,
        #[command(flatten)]
        idle_exit: IdleExit,
    },
    /// Serve the inventory on a Unix socket, and over HTTP with --http
    #[command(
        after_long_help = "Exit codes: 0 it was told to end; 1 it failed; 2 a flag cannot be used; 3 another server serves the data \
                           directory. Variables, the data directory and HTTP: muster help configuration"
    )]
    Serve(Box<Serve>),
    /// Show one resource as the running server knows it, or the store when none runs
    #[command(after_long_help = "Filters, columns and exit codes: muster help filters")]
    Get(Get),
    /// Find resources in the local copy of the inventory, by AWS's filters
    #[command(after_long_help = "Filters, columns and exit codes: muster help filters")]
    Search(Search),
    /// Count resources in the local copy of the inventory, by AWS's filters
    #[command(after_long_help = "Filters, columns and exit codes: muster help filters")]
    Count(Count),
    /// Show the health of instances, the least healthy first
    #[command(after_long_help = "Filters and exit codes: muster help filters")]
    Health(InstanceHealth),
    /// Answer one SQL SELECT over the local copy of the inventory
    #[command(after_long_help = "Tables, columns and limits: muster help sql")]
    Query(SqlQuery),
    /// Show whether a server runs, how fresh its copy is, and what fails
    #[command(
        after_long_help = "Exit codes: 0 a server runs and everything is fresh; 1 no server runs, or something is stale, not \
                           complete or fails. What else Muster needs: muster doctor"
    )]
    Status(ServerStatus),
    /// End the server
    #[command(
        after_long_help = "Exit codes: 0 no server runs any more; 1 the server has not ended. Servers: muster help clients"
    )]
    Stop(Stop),
    /// Have the server start again, with its own flags or with others
    #[command(
        after_long_help = "A server that an MCP client started becomes the version that runs this command. Servers: muster help \
                           clients"
    )]
    Restart(Restart),
    /// Have the server read its configuration file again, while clients stay connected
    #[command(
        after_long_help = "Exit codes: 0 the file was read; 1 no server runs, or the file cannot be used, and nothing has changed; 2 a \
                           flag cannot be used. What can change: muster help configuration"
    )]
    Reload(Reload),
    /// Have systemd or launchd run the server from login on
    #[command(subcommand, after_long_help = "Services, and what else runs a server: muster help clients")]
    Service(Service),
    /// Show what stopped instances cost, since when they are stopped, and whom to ask
    #[command(after_long_help = "Where prices are from: muster prices; filters and exit codes: muster help filters")]
    Stopped(Stopped),
    /// Show what uses a resource, and what it uses
    Related(Related),
    /// Show what the rules for writes allow, and the IAM policy that Muster needs
    #[command(subcommand, after_long_help = "The rules: muster help writes")]
    Policy(PolicyCommand),
    /// Make, show and revoke the tokens of clients over HTTP
    #[command(subcommand, after_long_help = "Tokens, OAuth and grants: muster help http-auth")]
    Token(TokenCommand),
    /// Show which list prices are known, and of when
    Prices(Prices),
    /// Show which metrics a server has for Prometheus, and print alert rules and a dashboard
    #[command(after_long_help = help::metrics())]
    Metrics(Metrics),
    /// Show what changed, when, and why
    #[command(after_long_help = "What is recorded, and who made a change: muster help history")]
    Changes(Changes),
    /// Check, measure, export or compact the log
    #[command(after_long_help = help::log())]
    Log(Log),
    /// Write a verified copy of the store, even while the server runs
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
    Doctor(Box<Doctor>),
    /// Show what Muster does with a simulated account, in about half a minute
    Demo(Demo),
    /// Simulate an AWS account on loopback; the first line printed is its endpoint and region
    #[command(after_long_help = "Control paths and keys of a scenario: muster help simulator")]
    Simulate(Box<Simulate>),
    /// Print the block that makes an MCP client start Muster, or check, describe and write a configuration file
    #[command(
        after_long_help = "The blocks of each client: muster help clients; configuration files: muster help configuration"
    )]
    Config(Box<ConfigCommand>),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Show a topic, or the help of a command
    Help(Help),
}

/// Runs the process: reads the command line, starts logging, runs the command, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    // Flushes the log even when a panic ends the process.
    let _flush = FlushOnExit;
    if let Some(front_end) = FrontLine::given() {
        return front_end.run().map_or_else(|error| failed(&error, true), |()| ExitCode::SUCCESS);
    }
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
    failed(&error, line::command(&words, &root) == Some("mcp"))
}

/// Says why a command failed, and returns the exit code. A front end stays for as long as its client does, if that can mend it.
fn failed(error: &anyhow::Error, is_front_end: bool) -> ExitCode {
    succession::fall_back(error, is_usage(error));
    // clap has already said what is wrong with the command line itself.
    if error.downcast_ref::<Unusable>().is_none_or(|unusable| unusable.variable.is_some()) {
        telemetry::say(&format!("muster: {error:#}"));
    }
    if matches!(error.downcast_ref(), Some(ServerError::Taken(_))) {
        return ExitCode::from(TAKEN);
    }
    if !is_usage(error) {
        return ExitCode::FAILURE;
    }
    // A client whose server process exits shows "disconnected" and no reason. So the front end stays and answers with the
    // reason, unless a person at a terminal reads it.
    if is_front_end && !std::io::stdin().is_terminal() {
        let explained =
            single().map_err(Into::into).and_then(|runtime| finish(runtime, front::explain(format!("{error:#}"))));
        explained.unwrap_or_else(|error| telemetry::say(&format!("muster: {error:#}")));
    }
    ExitCode::from(2)
}

/// Whether an error means that the command line, or a variable, cannot be used.
fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|error| {
        error.is::<ConfigError>()
            || error.is::<Unusable>()
            || error.is::<Unfilled>()
            || error.is::<OperandError>()
            || error.is::<BackupPathError>()
            || error.is::<QueryError>()
            || error.is::<NoPage>()
            || error.is::<FlagsError>()
            || error.is::<PolicyIamError>()
            || error.is::<OrganizationFlagsError>()
            || error.is::<TokenCommandError>()
            || is_of_a_scenario(error)
            || matches!(error.downcast_ref(), Some(TelemetryError::Filter { .. }))
            || matches!(error.downcast_ref(), Some(ServiceError::PassingPort { .. }))
            || error.downcast_ref::<Refused>().is_some_and(Refused::is_usage)
    })
}

/// Whether an error is about a scenario, which the command line names.
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
        Command::Mcp { connection, idle_exit } => front_line::run(&connection, &idle_exit, &logging, &environment),
        Command::Serve(serve) => {
            let checked = serve.check();
            let (config, mut options) = serve.clone().config(&environment)?;
            if let Some(held) = checked {
                logging.start(&LogDestination::Stderr)?;
                finish(single()?, async { Ok(crate::app::serve::trial::check(&config, &options, held).await?) })?;
                return Ok(Output::stdout().line(&trial_line(&config.writes))?);
            }
            options.add_to_successor(&logging.words());
            let launch = serve::launch(&config, &options)?;
            let source = serve.source(&config, &environment);
            if options.detached {
                logging.start_traced(&serve::detach(&config)?)?;
            } else {
                logging.start_traced(&LogDestination::Stderr)?;
            }
            let detached = options.detached;
            let served = finish(parallel()?, serve::run(&config, options, launch.clone(), source));
            let served = served.and_then(|end| match end {
                ServerEnd::Stopped => Ok(()),
                ServerEnd::Again(next) => Err(succession::become_next(&launch, &next)),
            });
            // Nobody reads the standard error of a detached server.
            served.inspect_err(|error| {
                if detached {
                    tracing::error!(error = format!("{error:#}"), "not serving");
                }
            })
        }
        Command::Get(get) => quietly(logging, get.run(&environment)),
        Command::Search(search) => quietly(logging, search.run(&environment)),
        Command::Count(count) => quietly(logging, count.run(&environment)),
        Command::Query(query) => quietly(logging, query.run(&environment)),
        Command::Health(health) => quietly(logging, health.run(&environment)),
        Command::Status(status) => quietly(logging, status.run(&environment)),
        Command::Service(service) => {
            let of_logging = logging.words();
            logging.start_quietly()?;
            service.run(&environment, of_logging)
        }
        Command::Stop(stop) => quietly(logging, stop.run(&environment)),
        Command::Restart(restart) => start_again(restart, logging, &environment),
        Command::Reload(reload) => quietly(logging, reload.run(&environment)),
        Command::Stopped(stopped) => quietly(logging, stopped.run(&environment)),
        Command::Related(related) => quietly(logging, related.run(&environment)),
        Command::Policy(policy) => quietly(logging, policy.run(&environment)),
        Command::Token(token) => quietly(logging, token.run(&environment)),
        Command::Prices(prices) => {
            logging.start_quietly()?;
            prices.run(&environment)
        }
        Command::Metrics(metrics) => {
            logging.start_quietly()?;
            metrics.run()
        }
        Command::Changes(changes) => quietly(logging, changes.run(&environment)),
        Command::Log(log) => quietly(logging, log.run(&environment)),
        Command::Backup(backup) => quietly(logging, backup.run(&environment)),
        Command::Setup(setup) => quietly(logging, setup.run(&environment)),
        Command::Teardown(teardown) => quietly(logging, teardown.run(&environment)),
        Command::Doctor(doctor) => quietly(logging, doctor.run(&environment)),
        Command::Demo(demo) => {
            logging.start_quietly()?;
            finish(parallel()?, demo.run())
        }
        Command::Simulate(simulate) => {
            logging.start(&LogDestination::Stderr)?;
            finish(parallel()?, simulate.run())
        }
        Command::Config(config) => {
            logging.start_quietly()?;
            config.run(&environment)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "muster", &mut script);
            Ok(Output::stdout().text(&script)?)
        }
        Command::Help(help) => help.run(Cli::command()),
    }
}

/// Runs `muster restart`, whose flags are those of `muster serve`.
fn start_again(restart: Restart, logging: Logging, environment: &Environment) -> anyhow::Result<()> {
    let root = Cli::command();
    let is_path = |flag: &str| line::is_path(&root, "serve", flag);
    let check = |words: &[std::ffi::OsString]| match Cli::try_parse_from(words) {
        // What a server would refuse as it starts is refused before the running one ends.
        Ok(Cli { command: Command::Serve(serve), .. }) => {
            serve.config(environment).map(drop).map_err(|error| chain(&error))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.render().to_string().lines().next().unwrap_or_default().to_owned()),
    };
    quietly(logging, restart.run(environment, is_path, check))
}

/// Runs a command that prints an answer, and logs only what goes wrong.
fn quietly(logging: Logging, command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    logging.start_quietly()?;
    finish(single()?, command)
}

/// Prints what is wrong with the command line, or the help that it asks for.
fn print(error: &clap::Error) {
    if error.use_stderr() && !std::io::stderr().is_terminal() {
        // Only a terminal gets colours. A pipe may have no reader, so nothing waits for it.
        telemetry::say(error.render().to_string().trim_end());
    } else {
        // When standard output is closed, nobody can be told.
        drop(error.print());
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::Config;
    use crate::policy::WritePolicy;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_server_that_a_front_end_starts_is_detached_permits_writes_and_has_the_same_settings() {
        let environment = Environment::of(&[], Some("/home/me/.local/state"));
        let cli = Cli::parse_from(["muster", "mcp", "--region", "us-east-1", "--interval", "vpc=1m", "--log", "debug"]);
        let Command::Mcp { connection, idle_exit } = cli.command else { panic!("not mcp") };
        let config = connection.config(&environment).unwrap();
        let words = cli.logging.server(&config, &idle_exit);
        let cli = Cli::parse_from([OsString::from("muster")].into_iter().chain(words));
        assert_eq!(cli.logging.log.as_deref(), Some("debug"));
        let Command::Serve(serve) = cli.command else { panic!("not serve") };
        let (served, listening) = serve.config(&environment).unwrap();
        assert!(listening.detached);
        assert_eq!(listening.idle_exit, Some(std::time::Duration::from_mins(15)));
        assert_eq!(served, Config { writes: WritePolicy::of(true), ..config });
    }
}
