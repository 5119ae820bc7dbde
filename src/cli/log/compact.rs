//! `muster log compact`.

use clap::Args;
use serde_json::json;

use crate::app::inspection;
use crate::cli::bytes::bytes;
use crate::cli::output::Output;
use crate::cli::store_flags::RegionalStoreFlags;
use crate::config::Environment;
use crate::store::compact::{Compacted, compact};

/// The arguments of `muster log compact`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Compact {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: RegionalStoreFlags,
}

impl Compact {
    /// Compacts the store, and prints its size before and after.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let data_dir = self.store.config(environment)?.data_dir;
        // The lock keeps servers from starting meanwhile.
        let _lock = inspection::lock(&data_dir, true)?;
        let Compacted { before, after } = tokio::task::spawn_blocking(move || compact(&data_dir)).await??;
        let line = if self.json {
            json!({"before_bytes": before, "after_bytes": after}).to_string()
        } else {
            format!("{} before, {} after", bytes(before), bytes(after))
        };
        Ok(Output::stdout().line(&line)?)
    }
}
