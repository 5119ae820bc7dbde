//! `muster log verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::app::inspection::{self, Inspection, RepairSummary};
use crate::cli::output::Output;
use crate::cli::store_flags::RegionalStoreFlags;
use crate::config::Environment;
use crate::connection::data_dir;

/// The arguments of `muster log verify`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Verify {
    /// A store file to check instead of the data directory's, such as a backup
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Repair a damaged store: keep the readable beginning of its log under a new log id
    ///
    /// Dropped records are written to a file beside the store, and the damaged file is kept under another name.
    #[arg(long, conflicts_with = "file")]
    repair: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    // This command runs itself with this flag to look at a file, since a damaged file may crash the process.
    #[arg(long, hide = true, value_name = "FILE", conflicts_with_all = ["file", "repair", "json"])]
    inspect: Option<PathBuf>,
    // This command runs itself with this flag to repair a store.
    #[arg(long, hide = true, value_name = "DIR", conflicts_with_all = ["file", "repair", "json", "inspect"])]
    mend: Option<PathBuf>,
    #[command(flatten)]
    store: RegionalStoreFlags,
}

/// The store is damaged.
#[derive(Debug, thiserror::Error)]
#[error("{} is damaged: {next}", path.display())]
struct StoreDamaged {
    path: PathBuf,
    next: &'static str,
}

/// What to do about a damaged store of the data directory.
const OF_STORE: &str = "`muster log verify --repair` keeps what can be read; or put a backup in its place";

/// What to do about another damaged file.
const OF_FILE: &str = "make another backup, or use an earlier one";

impl Verify {
    /// Checks the store, and prints the result on standard output.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        if let Some(file) = &self.inspect {
            return Ok(Output::stdout().line(&inspection::look_here(file))?);
        }
        if let Some(data_dir) = &self.mend {
            return Ok(Output::stdout().line(&inspection::mend_here(data_dir))?);
        }
        let program = std::env::current_exe()?;
        if let Some(file) = &self.file {
            let path = environment.absolute(file);
            inspection::unserved(&path)?;
            let finding = inspection::look(&program, &path).await?;
            self.tell(&path, &finding, None)?;
            return if finding.clean { Ok(()) } else { Err(StoreDamaged { path, next: OF_FILE }.into()) };
        }
        let data_dir = self.store.config(environment)?.data_dir;
        let _lock = inspection::lock(&data_dir, self.repair)?;
        let path = data_dir::store(&data_dir);
        let finding = inspection::look(&program, &path).await?;
        if finding.clean || !self.repair {
            self.tell(&path, &finding, None)?;
            return if finding.clean { Ok(()) } else { Err(StoreDamaged { path, next: OF_STORE }.into()) };
        }
        match inspection::mend(&program, &data_dir).await {
            Ok(mended) => self.tell(&path, &finding, Some(&mended)),
            Err(error) => {
                self.tell(&path, &finding, None)?;
                Err(error.into())
            }
        }
    }

    /// Prints what was found, and the repair if there was one.
    fn tell(&self, path: &Path, finding: &Inspection, mended: Option<&RepairSummary>) -> anyhow::Result<()> {
        let mut output = Output::stdout();
        if self.json {
            let mut said = json!(finding);
            if let (Some(mended), Some(said)) = (mended, said.as_object_mut()) {
                said.insert("repaired".to_owned(), json!(mended));
            }
            return Ok(output.line(&format!("{said:#}"))?);
        }
        output.text(report(path, finding).as_bytes())?;
        if let Some(mended) = mended {
            output.text(done(mended).as_bytes())?;
        }
        Ok(())
    }
}

/// Writes what was found in a few lines.
fn report(path: &Path, finding: &Inspection) -> String {
    let Inspection { clean, log, horizon, newest, records, resources, removed, other_rows, wrong, shown } = finding;
    let verdict = if *clean {
        "clean".to_owned()
    } else {
        format!("damaged: {wrong} {} found", if *wrong == 1 { "fault" } else { "faults" })
    };
    let mut lines = vec![format!("{}: {verdict}", path.display())];
    if let Some(log) = log {
        let first = horizon + 1;
        lines.push(format!(
            "checked: every page's checksum, {records} records of log {log} ({first} to {newest}) over the base at {horizon}, and \
             that replaying them gives exactly the {resources} resources and {removed} removals that are stored"
        ));
    }
    if *other_rows > 0 {
        lines.push(format!("{other_rows} rows were written by another version of Muster, which is not a fault: they are rebuilt when they are read"));
    }
    lines.extend(shown.iter().map(|wrong| format!("  {wrong}")));
    let more = wrong.saturating_sub(shown.len() as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n") + "\n"
}

/// Writes what a repair did in a few lines.
fn done(mended: &RepairSummary) -> String {
    let RepairSummary { of, log, kept, dropped, unreadable, lost, restored, ends, side_file, damaged_file } = mended;
    let of = of.as_deref().unwrap_or("unknown");
    let mut lines = vec![format!("repaired: log {of} is log {log} now, with {kept} records")];
    if let Some(ends) = ends {
        lines.push(format!("dropped: {dropped} records that can be read and {unreadable} that cannot: {ends}"));
    }
    if lost + restored > 0 {
        lines.push(format!(
            "before the first record: {lost} resources are lost, {restored} were taken from what is known of them now"
        ));
    }
    if let Some(side_file) = side_file {
        lines.push(format!("the dropped records: {}", side_file.display()));
    }
    lines.push(format!("the damaged file: {}", damaged_file.display()));
    lines.push("next: start `muster serve`; its first sweep shows what the account looks like now".to_owned());
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_checked_and_what_is_wrong() {
        let path = Path::new("/d/muster.redb");
        let clean = Inspection {
            clean: true,
            log: Some("ab".to_owned()),
            records: 7,
            newest: 9,
            horizon: 2,
            ..Inspection::default()
        };
        let said = report(path, &clean);
        assert!(said.starts_with("/d/muster.redb: clean\n") && said.contains("7 records of log ab (3 to 9)"), "{said}");
        let damaged = Inspection { wrong: 3, shown: vec!["record 4 is missing".to_owned()], ..Inspection::default() };
        let mended = RepairSummary {
            log: "cd".to_owned(),
            kept: 7,
            ends: Some("gap".to_owned()),
            dropped: 2,
            ..RepairSummary::default()
        };
        let said = done(&mended);
        assert!(said.contains("log unknown is log cd now, with 7 records\ndropped: 2 records"), "{said}");
        assert_eq!(
            report(path, &damaged),
            "/d/muster.redb: damaged: 3 faults found\n  record 4 is missing\n  and 2 more\n"
        );
    }
}
