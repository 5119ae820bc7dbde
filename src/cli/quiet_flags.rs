//! The flags about accounts and regions in which nothing happens.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use crate::config::{self, Config};

/// When an account and region is quiet, and how often it is swept then.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct QuietFlags {
    /// How often an account and region is swept that holds nothing but the default network, where several accounts are watched [default: 1h]
    ///
    /// At least 1s. An event, or a question about what it may hold, sweeps it at once: see `muster help accounts`.
    #[arg(long, env = "MUSTER_QUIET_INTERVAL", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    pub(super) quiet_interval: Option<Duration>,
    /// How long nothing must have changed there before that [default: 24h]
    #[arg(long, env = "MUSTER_QUIET_AFTER", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    pub(super) quiet_after: Option<Duration>,
}

impl QuietFlags {
    /// The flags that give these settings of `config`.
    pub(super) fn of(config: &Config) -> Self {
        QuietFlags { quiet_interval: Some(config.quiet_interval), quiet_after: Some(config.quiet_after) }
    }

    /// These flags, and those of a file where they are not given.
    pub(super) fn over(self, file: &Self) -> Self {
        QuietFlags {
            quiet_interval: self.quiet_interval.or(file.quiet_interval),
            quiet_after: self.quiet_after.or(file.quiet_after),
        }
    }

    /// The flags that are given, with their values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let all = [("--quiet-interval", self.quiet_interval), ("--quiet-after", self.quiet_after)];
        all.into_iter().filter_map(|(flag, time)| Some((flag, config::duration_text(time?).into())))
    }
}
