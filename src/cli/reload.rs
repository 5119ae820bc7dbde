//! `muster reload`.

use clap::Args;
use serde_json::Value;

use super::output::Output;
use super::store_flags::RegionalStoreFlags;
use crate::app::client::process;
use crate::app::reload_report::REFUSED;
use crate::config::Environment;
use crate::model::text::shown;
use crate::telemetry;

/// The longest list that is shown.
const LONGEST: usize = 2_000;

/// The arguments of `muster reload`.
#[derive(Clone, Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    store: RegionalStoreFlags,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Files that the server could not read again, with why, a line each.
#[derive(Debug, thiserror::Error)]
#[error("what could be read counts now, and these files not, so that what they said before still counts:\n{0}")]
pub(super) struct PartlyReloaded(String);

impl Reload {
    /// Has the server read its files again, and says what changed.
    ///
    /// # Errors
    /// When no server runs; when no file can be used, and then nothing has changed; and when some of the files cannot be used:
    /// [`PartlyReloaded`].
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let data_dir = self.store.config(environment)?.data_dir;
        let report = process::reload(&data_dir).await?;
        if self.json {
            Output::stdout().line(&format!("{report:#}"))?;
        } else {
            tell(&report)?;
        }
        match refused(&report) {
            Some(files) => Err(PartlyReloaded(files).into()),
            None => Ok(()),
        }
    }
}

/// The files that could not be used, with why; `None` where all could.
fn refused(report: &Value) -> Option<String> {
    let refused = report.get(REFUSED).and_then(Value::as_object)?;
    let lines = refused.values().filter_map(Value::as_str).map(|why| shown(why, LONGEST));
    Some(lines.collect::<Vec<_>>().join("\n")).filter(|lines| !lines.is_empty())
}

/// Says what counts from now on.
fn tell(report: &Value) -> anyhow::Result<()> {
    let mut output = Output::stdout();
    if let Some(certificate) = report.get("certificate").and_then(Value::as_str) {
        output.line(&format!("read the certificate {} and its key again", shown(certificate, LONGEST)))?;
    }
    if let Some(tokens) = report.get("tokens").and_then(Value::as_u64) {
        output.line(&format!("tokens for HTTP: {tokens}"))?;
    }
    if let Some(keys) = report.get("ec2_api_keys").and_then(Value::as_u64) {
        output.line(&format!("keys of EC2's read API: {keys}"))?;
    }
    let Some(file) = report.get("file").and_then(Value::as_str) else { return Ok(()) };
    output.line(&format!("read {} again", shown(file, LONGEST)))?;
    let mut is_changed = false;
    for what in ["added", "removed", "changed"] {
        let names = names(report, what);
        if !names.is_empty() {
            is_changed = true;
            output.line(&format!("accounts {what}: {names}"))?;
        }
    }
    if report.get("organization").and_then(Value::as_bool) == Some(true) {
        is_changed = true;
        output.line("the accounts of the organization are listed again, as [organization] says now")?;
    }
    for (what, field) in [("watched from now on", "kinds_added"), ("no longer watched", "kinds_removed")] {
        let names = names(report, field);
        if !names.is_empty() {
            is_changed = true;
            output.line(&format!("kinds {what}: {names}"))?;
        }
    }
    if !is_changed {
        output.line("no account was added, removed or changed")?;
    }
    let restart = names(report, "restart");
    if !restart.is_empty() {
        telemetry::say(&format!(
            "muster: these settings count once the server starts again, with `muster restart`: {restart}"
        ));
    }
    Ok(())
}

fn names(report: &Value, field: &str) -> String {
    let names = report.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    shown(&names.collect::<Vec<_>>().join(", "), LONGEST)
}
