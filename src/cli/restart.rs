//! `muster restart`.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use super::output::Output;
use super::process_report::{clients, command, whole};
use super::store_flags::RegionalStoreFlags;
use crate::app::client::process::{self, RestartOutcome};
use crate::config::Environment;
use crate::connection::flag_set;
use crate::connection::version::{self, current};
use crate::telemetry;

/// The arguments of `muster restart`.
#[derive(Clone, Debug, Args)]
pub(super) struct Restart {
    #[command(flatten)]
    store: RegionalStoreFlags,
    /// Let the flags drop rules that narrow what tools may change in AWS
    ///
    /// Without it such flags are refused, with the rules that they would drop.
    #[arg(long)]
    widen: bool,
    /// Flags of `muster serve` that the server is to have instead of its own, after --
    ///
    /// Flags that are not named stay as they are. A flag that is named loses all its earlier values.
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Why the server cannot be started with other flags.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlagsError {
    /// They are none that a server has.
    #[error("the server cannot have these flags: {0}")]
    Unusable(String),
    /// They would make it another directory's server.
    #[error(
        "a server keeps its data directory when it starts again: for another directory start another server, with `muster serve \
         --data-dir DIR`"
    )]
    Directory,
    /// Its own ones are not known.
    #[error("the server does not say which flags it has: end it with `muster stop`, and start it with all its flags")]
    Unknown,
}

impl Restart {
    /// Has the server start again, and says what was done. `is_path` says whether a flag of a server names a file, and `check`
    /// whether `muster` takes a command line.
    ///
    /// # Errors
    /// When no server runs, when it does not come back, or when the flags cannot be used.
    pub(super) async fn run(
        self,
        environment: &Environment,
        is_path: impl Fn(&str) -> bool,
        check: impl Fn(&[OsString]) -> Result<(), String>,
    ) -> anyhow::Result<()> {
        let data_dir = self.store.config(environment)?.data_dir;
        if self.flags.iter().any(|flag| flag == "--data-dir" || flag.starts_with("--data-dir=")) {
            return Err(FlagsError::Directory.into());
        }
        let arguments = if self.flags.is_empty() {
            None
        } else {
            let running = process::running(&data_dir).await?;
            let flags = absolute(&self.flags, is_path, environment);
            let arguments = flag_set::replaced(&running.arguments.ok_or(FlagsError::Unknown)?, &flags);
            let arguments = placed(arguments, &data_dir);
            let words: Vec<OsString> =
                [OsString::from("muster")].into_iter().chain(arguments.iter().map(Into::into)).collect();
            check(&words).map_err(FlagsError::Unusable)?;
            Some(arguments)
        };
        let said = match process::restart(&data_dir, arguments, std::env::current_exe()?, self.widen).await? {
            RestartOutcome::Again { before, now, widened } => {
                if let Some(widened) = widened {
                    telemetry::say(&format!("muster: {widened}"));
                }
                let was =
                    if before.version == now.version { String::new() } else { format!(", before {}", before.version) };
                if version::is_newer(current(), &now.version) {
                    telemetry::say(&format!(
                        "muster: the server still runs version {} from {}: install muster {} there, and restart it again",
                        now.version,
                        now.program.display(),
                        current()
                    ));
                }
                format!("restarted {}{was}; {}; as: {}", whole(&now), clients(before.clients), command(&now))
            }
            RestartOutcome::Replaced { pid, now } => {
                format!("ended process {pid}, which did not answer, and started {}; as: {}", whole(&now), command(&now))
            }
        };
        Ok(Output::stdout().line(&said)?)
    }
}

/// The arguments with the data directory, which without that flag would follow from others, such as the profile.
fn placed(mut arguments: Vec<String>, data_dir: &Path) -> Vec<String> {
    let is_given = arguments.iter().any(|word| word == "--data-dir" || word.starts_with("--data-dir="));
    if let Some(place) = data_dir.to_str().filter(|_| !is_given) {
        arguments.extend(["--data-dir".to_owned(), place.to_owned()]);
    }
    arguments
}

/// The flags, with the paths of files made absolute: the server has a working directory of its own.
fn absolute(flags: &[String], is_path: impl Fn(&str) -> bool, environment: &Environment) -> Vec<String> {
    let whole = |path: &str| environment.absolute(Path::new(path)).to_string_lossy().into_owned();
    let mut is_value_of_path = false;
    let made = flags.iter().map(|word| {
        let follows = std::mem::take(&mut is_value_of_path);
        match word.split_once('=') {
            Some((flag, path)) if flag.starts_with("--") && is_path(flag) => format!("{flag}={}", whole(path)),
            None if word.starts_with("--") => {
                is_value_of_path = is_path(word);
                word.clone()
            }
            _ if follows => whole(word),
            _ => word.clone(),
        }
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_its_directory_whatever_its_other_flags_lead_to() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let directory = Path::new("/state/a");
        let moved = placed(words("serve --profile b"), directory);
        assert_eq!(moved, words("serve --profile b --data-dir /state/a"));
        for given in ["serve --data-dir=/state/a --profile b", "serve --data-dir /state/a"] {
            assert_eq!(placed(words(given), directory), words(given));
        }
    }

    #[test]
    fn paths_are_those_of_whoever_runs_the_command() {
        let given = ["--prices", "p.json", "--list", "all", "--prices=q.json", "--prices", "/abs", "p.json"];
        let given: Vec<String> = given.map(str::to_owned).into();
        let made = absolute(&given, |flag| flag == "--prices", &Environment::of(&[], None));
        let expected =
            ["--prices", "/work/p.json", "--list", "all", "--prices=/work/q.json", "--prices", "/abs", "p.json"];
        assert_eq!(made, expected);
    }
}
