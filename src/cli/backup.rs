//! `muster backup`.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::bytes::bytes;
use super::output::Output;
use super::store_flags::RegionalStoreFlags;
use super::table::harmless;
use super::warnings::field;
use crate::app::client::admin;
use crate::config::Environment;
use crate::connection::admin::AdminRequest;

/// The arguments of `muster backup`.
#[derive(Clone, Debug, Args)]
pub(super) struct Backup {
    /// The file to write; it must not exist, and its directory must
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: RegionalStoreFlags,
}

/// Why the path of a backup cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackupPathError {
    /// The path is sent to the server as text, so it must be UTF-8.
    #[error("the path {} is not UTF-8: choose another one", path.display())]
    Path {
        /// What was given.
        path: PathBuf,
    },
}

impl Backup {
    /// Writes the copy, by the running server or else by this process, and prints figures of it.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        // The server has another working directory.
        let to = environment.absolute(&self.path);
        if to.to_str().is_none() {
            return Err(BackupPathError::Path { path: self.path }.into());
        }
        let figures = admin::done(&self.store.config(environment)?, &AdminRequest::Backup { to }).await?;
        let line = if self.json { harmless(&format!("{figures:#}")) } else { figures_of(&figures) };
        Ok(Output::stdout().line(&line)?)
    }
}

fn figures_of(figures: &Value) -> String {
    let number = |name: &str| figures.get(name).and_then(Value::as_u64).unwrap_or_default();
    format!(
        "{}: {}, verified; {} resources and {} records up to {}; copied from log {}, the copy is log {}",
        field(figures, "path"),
        bytes(number("bytes")),
        number("resources"),
        number("records"),
        number("newest_seq"),
        field(figures, "of"),
        field(figures, "log"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn a_backup_says_what_is_in_it() {
        let figures = json!({"path": "/b", "bytes": 2048, "log": "cd", "of": "ab", "newest_seq": 9, "records": 7, "resources": 3});
        let expected =
            "/b: 2.0 KiB, verified; 3 resources and 7 records up to 9; copied from log ab, the copy is log cd";
        assert_eq!(figures_of(&figures), expected);
    }
}
