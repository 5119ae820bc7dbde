//! `muster teardown`.

use clap::Args;

use super::setup::{SetupFlags, carry_out};
use crate::config::Environment;
use crate::setup::{SetupRequest, SetupTask};

/// The arguments of `muster teardown`.
#[derive(Clone, Debug, Args)]
pub(super) struct Teardown {
    #[command(flatten)]
    arranged: SetupFlags,
    /// Delete the dead-letter queue even if it holds messages
    ///
    /// The messages are lost with it. Without this flag such a queue is left.
    #[arg(long)]
    discard_dead_letters: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Teardown {
    /// Removes the queues and rules, and prints what was removed and what is left.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let config = self.arranged.config(environment)?;
        let work = SetupTask::Teardown { discard_dead_letters: self.discard_dead_letters };
        let order = SetupRequest { name: self.arranged.name, dry_run: self.arranged.dry_run, work };
        carry_out(&config, &order, self.json).await.map(drop)
    }
}
