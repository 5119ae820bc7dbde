//! The server that takes the place of a running one in the same process: what it is told, and whether it could start.
//!
//! The check, made before the running one ends, runs in a process of the next server's own program, with the environment and the
//! working directory that the next server will have: it reads the flags and the files that they name, and tries the address.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::model::text::shown;
use crate::policy::WritePolicy;

/// Tells the next server of this process which program it could not become. A newer front end would otherwise have it try for ever.
pub const UNUSABLE: &str = "MUSTER_UNUSABLE_PROGRAM";

/// Tells the next server of this process how the one before it was started. It is no setting, so that nothing looks for placeholders
/// in it.
pub const FORMER: &str = "_MUSTER_FORMER_SERVER";

/// Tells a server that is started as it was before why the next one did not start.
pub const KEPT_BECAUSE: &str = "_MUSTER_KEPT_BECAUSE";

/// Tells the next server of this process that a person chose its flags, with `muster restart`.
pub const CHOSEN: &str = "_MUSTER_CHOSEN_FLAGS";

/// What only servers of one process leave to each other.
pub const INHERITED: [&str; 4] = [UNUSABLE, FORMER, KEPT_BECAUSE, CHOSEN];

/// How long the check may take. It needs a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest reason that is passed on.
const REASON: usize = 600;

/// What a program that can serve says of itself.
#[derive(Serialize, Deserialize)]
struct TrialReport {
    writes: WritePolicy,
}

/// The line that a server which can serve prints, with its rules for writes.
#[must_use]
pub fn trial_line(writes: &WritePolicy) -> String {
    serde_json::to_string(&TrialReport { writes: writes.clone() }).unwrap_or_default()
}

/// Checks whether `program` can serve with `arguments` once this server, which listens at `held`, has ended. Returns its rules for
/// writes, if it says them.
///
/// # Errors
/// Why it cannot.
pub(super) async fn check(
    program: &Path,
    arguments: &[OsString],
    held: Option<SocketAddr>,
) -> Result<Option<WritePolicy>, String> {
    let mut command = Command::new(program);
    command.args(arguments).arg("--check").args(held.map(|address| address.to_string()));
    for name in INHERITED {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(serde_json::from_slice(&output.stdout).ok().map(|TrialReport { writes }| writes))
        }
        Ok(Ok(output)) => Err(reason(&output)),
        Ok(Err(error)) => Err(format!("{} does not start: {error}", program.display())),
        Err(_) => Err(format!("the flags could not be checked within {} s", PATIENCE.as_secs())),
    }
}

/// What a check that failed says about it.
fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let own: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("muster: ")).collect();
    if !own.is_empty() {
        return shown(&own.join(" "), REASON);
    }
    let told =
        said.lines().map(str::trim).filter(|line| !line.is_empty()).take_while(|line| !line.starts_with("Usage:"));
    let told: Vec<&str> = told.map(|line| line.trim_start_matches("error: ")).collect();
    if told.is_empty() {
        return format!("the check of the flags ended with {} and said nothing", output.status);
    }
    shown(&told.join(" "), REASON)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn said(stderr: &str) -> String {
        reason(&Output { status: ExitStatus::from_raw(256), stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() })
    }

    #[test]
    fn the_reason_is_what_the_program_says_without_its_usage() {
        assert_eq!(
            said("2026 WARN noise\nmuster: cannot listen on X: free the port\n"),
            "cannot listen on X: free the port"
        );
        assert_eq!(
            said("error: unexpected argument '--x' found\n\nUsage: muster serve\n"),
            "unexpected argument '--x' found"
        );
        assert_eq!(said(""), "the check of the flags ended with exit status: 1 and said nothing");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let why = check(Path::new("/nowhere/muster"), &[], None).await.unwrap_err();
        assert!(why.starts_with("/nowhere/muster does not start"), "{why}");
        let silent = check(Path::new("/bin/true"), &["serve".into()], Some("127.0.0.1:1".parse().unwrap())).await;
        assert_eq!(silent, Ok(None));
        let said = check(Path::new("/bin/echo"), &[trial_line(&WritePolicy::of(true)).into()], None).await;
        assert_eq!(said, Ok(None), "what is no line of a trial");
    }
}
