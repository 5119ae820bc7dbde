//! How the process of a server becomes the next server, for `muster restart` or a newer front end, and what happens where that one
//! does not start: the process becomes the server that it was before, which says so.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::app::next_server::{CHOSEN, FORMER, INHERITED, KEPT_BECAUSE, UNUSABLE};
use crate::app::serve::ServerError;
use crate::app::stop_order::NextProgram;
use crate::connection::data_dir::DataDirError;
use crate::connection::server_facts::ServerLaunch;
use crate::telemetry;

/// How the server was started that this process was before, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FormerServer {
    program: PathBuf,
    arguments: Vec<String>,
}

/// What earlier servers of this process have left to this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inheritance {
    /// The program that the process could not become.
    pub(super) unusable: Option<PathBuf>,
    /// Whether the server before is started again where this one does not start.
    pub(super) has_former: bool,
    /// Why the server that was to come instead of this one did not start.
    pub(super) kept_because: Option<String>,
    /// Whether a person chose the flags of this one.
    pub(super) is_chosen: bool,
}

impl Inheritance {
    /// Reads it from the environment.
    pub(super) fn read() -> Self {
        Inheritance {
            unusable: std::env::var_os(UNUSABLE).map(PathBuf::from),
            has_former: former().is_some(),
            kept_because: std::env::var(KEPT_BECAUSE).ok(),
            is_chosen: std::env::var_os(CHOSEN).is_some(),
        }
    }
}

fn former() -> Option<FormerServer> {
    serde_json::from_str(&std::env::var(FORMER).ok()?).ok()
}

/// A command that inherits nothing.
fn command<W: AsRef<std::ffi::OsStr>>(program: &Path, arguments: &[W]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    for name in INHERITED {
        command.env_remove(name);
    }
    command
}

/// Turns this process into the server that comes after it; the same program where the next one does not start. Returns only with
/// an error.
pub(super) fn become_next(launch: &ServerLaunch, next: &NextProgram) -> anyhow::Error {
    // The next one begins with an empty queue.
    telemetry::flush();
    let arguments = match &next.arguments {
        Some(arguments) => arguments.iter().map(OsString::from).collect(),
        None => launch.arguments.clone(),
    };
    let own: Option<Vec<String>> = launch.arguments.iter().map(|word| word.to_str().map(str::to_owned)).collect();
    let own = own.map(|arguments| FormerServer { program: launch.program.clone(), arguments });
    let former = own.filter(|_| *next != NextProgram::default()).and_then(|own| serde_json::to_string(&own).ok());
    let next_command = |program: &Path| {
        let mut command = command(program, &arguments);
        command.envs(former.iter().map(|former| (FORMER, former)));
        command.envs(next.arguments.iter().map(|_| (CHOSEN, "true")));
        command
    };
    let mut same = next_command(&launch.program);
    if let Some(program) = &next.program {
        let error = next_command(program).exec();
        telemetry::say(&format!("muster: {} does not start: {error}", program.display()));
        same.env(UNUSABLE, program);
    }
    let error = same.exec();
    anyhow::Error::new(error).context(format!("{} does not start again", launch.program.display()))
}

/// Turns this process into the server that it was before, if it was one and `error` kept it from starting to serve. Returns where
/// it was none, or where that one does not start either.
pub(super) fn fall_back(error: &anyhow::Error, is_usage: bool) {
    let has_served = !is_usage
        && !error.is::<DataDirError>()
        && !error.downcast_ref::<ServerError>().is_some_and(ServerError::is_before_serving);
    let Some(former) = former().filter(|_| !has_served) else { return };
    telemetry::flush();
    let mut again = command(&former.program, &former.arguments);
    again.env(KEPT_BECAUSE, format!("{error:#}"));
    if let Ok(program) = std::env::current_exe()
        && program != former.program
    {
        again.env(UNUSABLE, program);
    }
    let failed = again.exec();
    telemetry::say(&format!("muster: {} does not start again: {failed}", former.program.display()));
}
