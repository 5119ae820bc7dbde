//! The flag that says when a server ends by itself.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use crate::config;

/// How long a server that a front end started outlives its last client.
const IDLE_EXIT: Duration = Duration::from_mins(15);

/// When a server ends by itself.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct IdleExit {
    /// How long the server goes on after its last client has left; 0 is for ever [default: 15m if a client starts it, else 0]
    ///
    /// Clients are those of the Unix socket. The server of `muster serve --http` has others, so it has no such limit.
    #[arg(long, env = "MUSTER_IDLE_EXIT", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    pub(super) idle_exit: Option<Duration>,
}

impl IdleExit {
    /// This flag, and that of a file where it is not given.
    pub(super) fn over(self, file: Option<Duration>) -> Self {
        IdleExit { idle_exit: self.idle_exit.or(file) }
    }

    /// How long a server goes on without a client; `None` for ever.
    pub(super) fn of(&self, detached: bool) -> Option<Duration> {
        let idle_exit = self.idle_exit.or_else(|| detached.then_some(IDLE_EXIT));
        idle_exit.filter(|idle_exit| !idle_exit.is_zero())
    }

    /// The flag as arguments, if it is given.
    pub(super) fn words(&self) -> Vec<OsString> {
        let words = |every: Duration| [OsString::from("--idle-exit"), config::duration_text(every).into()];
        self.idle_exit.into_iter().flat_map(words).collect()
    }
}
