//! The flags of logging.

use std::ffi::OsString;

use anyhow::Context;
use clap::ValueEnum;

use super::idle_exit::IdleExit;
use super::server_flags::ServerFlags;
use crate::config::{Config, Environment};
use crate::telemetry::{self, LogDestination, TelemetryError};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging (to standard error)")]
pub(super) struct Logging {
    /// What to log: a level, or target=level pairs [default: info, less from libraries]
    ///
    /// Levels are error, warn, info, debug and trace. An example is info,muster=debug. Commands that print an answer log
    /// only warnings unless this is given.
    #[arg(long, global = true, env = "MUSTER_LOG", value_name = "FILTER", hide_env_values = true)]
    pub(super) log: Option<String>,
    /// How a log line looks [default: text]
    ///
    /// `json` prints one object a line.
    #[arg(long, global = true, env = "MUSTER_LOG_FORMAT", value_name = "FORMAT", hide_env_values = true)]
    pub(super) log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

impl Logging {
    pub(super) fn start(&self, destination: &LogDestination) -> anyhow::Result<()> {
        self.begun(telemetry::start(self.log.as_deref(), self.format(), destination))
    }

    /// Starts logging and traces for a process that serves clients.
    pub(super) fn start_traced(&self, destination: &LogDestination) -> anyhow::Result<()> {
        self.begun(telemetry::start_traced(self.log.as_deref(), self.format(), destination))
    }

    fn begun(&self, started: Result<(), TelemetryError>) -> anyhow::Result<()> {
        started.with_context(|| {
            let given = self.log.as_deref().unwrap_or_default();
            format!("{} cannot be used", Environment::capture().source("--log", given))
        })?;
        telemetry::log_panics();
        Ok(())
    }

    fn format(&self) -> telemetry::Format {
        match self.log_format {
            Some(LogFormat::Json) => telemetry::Format::Json,
            Some(LogFormat::Text) | None => telemetry::Format::Text,
        }
    }

    /// Starts logging for a command that prints an answer: only warnings and errors are logged unless `--log` asks for more.
    pub(super) fn start_quietly(mut self) -> anyhow::Result<()> {
        self.log.get_or_insert_with(|| "warn".to_owned());
        self.start(&LogDestination::Stderr)
    }

    /// The arguments of a server for `config` that logs in the same way. It permits writes, and each connection decides whether
    /// to use them (see [`crate::app::front`]).
    pub(super) fn server(&self, config: &Config, idle_exit: &IdleExit) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["serve", "--detached", "--allow-writes"].map(Into::into).into();
        words.extend(ServerFlags::handed_on(config));
        words.extend(idle_exit.words());
        words.extend(self.words());
        words
    }

    /// These flags as arguments.
    pub(super) fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
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
