//! The command line of a front end, `muster mcp ...`, read on its own.
//!
//! A machine may run many front ends. Each would build what clap has to know of all other commands, twice, and keep the memory for
//! good: that was 1 MB of its own, and as much of the program's pages. Whatever is not a usable line of this command is left to the
//! reader of all commands, which says what is wrong with it.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::idle_exit::IdleExit;
use super::line;
use super::logging::Logging;
use super::runtime::{finish, single};
use super::serve;
use super::server_flags::ServerFlags;
use crate::app::front;
use crate::config::Environment;
use crate::connection::attach::ServerCommand;
use crate::connection::handshake::ConnectionTerms;
use crate::connection::key_offer::KeyOffer;
use crate::telemetry::LogDestination;

/// A command line that starts a front end.
#[derive(Debug, Parser)]
#[command(name = "muster", disable_help_subcommand = true, disable_help_flag = true)]
pub(super) struct FrontLine {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: FrontCommand,
}

#[derive(Debug, Subcommand)]
enum FrontCommand {
    Mcp {
        #[command(flatten)]
        connection: ServerFlags,
        #[command(flatten)]
        idle_exit: IdleExit,
    },
}

impl FrontLine {
    /// The command line of this process, if it is one of a front end that can be used.
    pub(super) fn given() -> Option<Self> {
        if std::env::args_os().nth(1)? != "mcp" {
            return None;
        }
        let mut root = FrontLine::command();
        line::restart_in_tidy_environment(&root);
        let words = line::tidied(std::env::args_os().collect(), &root);
        line::filled(&words, &root).ok()?;
        let mut matches = root.try_get_matches_from_mut(words).ok()?;
        FrontLine::from_arg_matches_mut(&mut matches).ok()
    }

    /// Runs the front end to its end.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let FrontLine { logging, command: FrontCommand::Mcp { connection, idle_exit } } = self;
        run(&connection, &idle_exit, &logging, &Environment::capture())
    }
}

/// Runs a front end to its end.
pub(super) fn run(
    connection: &ServerFlags,
    idle_exit: &IdleExit,
    logging: &Logging,
    environment: &Environment,
) -> anyhow::Result<()> {
    logging.start(&LogDestination::Stderr)?;
    let given: Vec<_> = connection.words().into_iter().chain(idle_exit.words()).collect();
    let config = connection.clone().config(environment)?;
    let server = ServerCommand { program: std::env::current_exe()?, arguments: logging.server(&config, idle_exit) };
    let flags = serve::settings(&config, idle_exit).only(&serve::flag_set(&given));
    let variable = |name: &str| std::env::var(name).ok();
    let keys = config.key_place.as_ref().and_then(|_| KeyOffer::of(&variable));
    let front_end = Some(format!("{:032x}", fastrand::u128(..)));
    let terms = ConnectionTerms { writes: config.writes.clone(), flags, keys, is_command: false, front_end };
    finish(single()?, front::run(&config, &terms, &server))
}
