//! What a command line does with the process of a server: finds out which it is, ends it, has it start again.
//!
//! A server that answers does so itself. One that does not is sent a signal, once it is proved which process it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::connection::admin::{ProcessRequest, WIDENED};
use crate::connection::attach::{self, AttachError, ProcessError, ServerCommand};
use crate::connection::holder::{HolderError, LockHolder};
use crate::connection::lock;
use crate::connection::server_facts::{ServerFacts, StartedBy};
use crate::connection::serving_record::ServingRecord;
use crate::connection::version::current;
use crate::model::shell_word::command_line;
use crate::model::text::shown;

/// How long a server may take to end. It lets calls that change AWS end for ten seconds, and then needs less than two, or some more
/// where a disk hangs.
pub const ENDS: Duration = Duration::from_secs(20);

/// How long a killed process may take to end.
const KILLED: Duration = Duration::from_secs(5);

/// How long a server may take to start again, from when it was asked.
const STARTS: Duration = Duration::from_secs(30);

/// The longest text of a server that is passed on.
const SHOWN: usize = 2_000;

/// How often to look meanwhile.
const INTERVAL: Duration = Duration::from_millis(20);

/// What became of a server that was to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// There was none.
    NotRunning,
    /// It ended, as it was asked to.
    Ended(Box<ServerFacts>),
    /// It did not answer, and ended after a signal.
    Signalled {
        /// Its process.
        pid: u32,
        /// Its arguments, where they are known.
        arguments: Option<Vec<String>>,
        /// Whether it had to be killed.
        killed: bool,
    },
}

/// What became of a server that was to start again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestartOutcome {
    /// It started again.
    Again {
        /// As it was before.
        before: Box<ServerFacts>,
        /// As it is now.
        now: Box<ServerFacts>,
        /// What tools may change in AWS that they could not before.
        widened: Option<String>,
    },
    /// It did not answer, so it was ended and another one started.
    Replaced {
        /// The process that ended.
        pid: u32,
        /// The new server.
        now: Box<ServerFacts>,
    },
}

/// Why a server did not end or start again.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// There is none.
    #[error(
        "no server runs on {}, so there is nothing to restart: `muster serve` starts one, as does an MCP client that starts \
         `muster mcp`",
        data_dir.display()
    )]
    NotRunning {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// It is not certain which process it is, or it cannot be sent a signal.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// It does not end.
    #[error("the server, process {pid}, has not ended after {} s: `{stop}` kills it; everything acknowledged is stored", ENDS.as_secs())]
    Hangs {
        /// Its process.
        pid: u32,
        /// The command that kills it.
        stop: String,
    },
    /// It does not answer.
    #[error("the server{} does not answer, so its flags are not known: `{stop}` ends it, and `muster serve` starts it with all its flags", pid.map_or_else(String::new, |pid| format!(", process {pid},")))]
    Silent {
        /// Its process.
        pid: Option<u32>,
        /// The command that ends it.
        stop: String,
    },
    /// It does not answer, so nobody can say what other flags would drop.
    #[error(
        "the server does not answer, so it cannot be checked whether these flags drop rules for writes that it has: `muster restart \
         --widen` ends it and starts one with them all the same"
    )]
    Unchecked,
    /// It was killed, and its process is still there.
    #[error("process {pid} was killed and has not ended: the system keeps it, as it does while a disk does not answer")]
    Immortal {
        /// Its process.
        pid: u32,
    },
    /// It ended, and only a person can start it again.
    #[error("the server did not answer and was ended (process {pid}); it was not started by an MCP client, so start it again yourself{}", how(arguments.as_deref()))]
    ByHand {
        /// The process that ended.
        pid: u32,
        /// Its arguments, where they are known.
        arguments: Option<Vec<String>>,
    },
    /// The new server could not be started.
    #[error(transparent)]
    Start(#[from] AttachError),
    /// It ended, and no new one answers.
    #[error(
        "the server has ended, and no new one answers after {} s: its log is {}, or its standard error where it was started by hand",
        STARTS.as_secs(),
        log.display()
    )]
    NotBack {
        /// The log of a server that a front end started.
        log: PathBuf,
    },
    /// It refuses.
    #[error("the server goes on as it is: {0}")]
    Refused(String),
    /// It ended, could not start with other flags, and has started as it was before.
    #[error("the server could not start in this way, and runs as it did before: {why}")]
    Kept {
        /// Why it could not.
        why: String,
    },
    /// It ended, and another one serves.
    #[error(
        "the server ended and did not start again; process {pid}, {started_by}, serves now{}. Why it did not start again is in the \
         log {}, or on its standard error where it was started by hand",
        how(arguments.as_deref()),
        log.display()
    )]
    Another {
        /// The process that serves.
        pid: u32,
        /// Who started it.
        started_by: StartedBy,
        /// Its arguments, where they are known.
        arguments: Option<Vec<String>>,
        /// The log of a server that a front end started.
        log: PathBuf,
    },
}

fn hangs(data_dir: &Path, pid: u32) -> RestartError {
    RestartError::Hangs { pid, stop: kills(data_dir) }
}

/// The command that ends the server of a data directory whatever it does.
fn kills(data_dir: &Path) -> String {
    command_line(["muster", "stop", "--data-dir", data_dir.to_string_lossy().as_ref(), "--force"])
}

fn how(arguments: Option<&[String]>) -> String {
    arguments.map_or_else(String::new, |words| format!(": muster {}", command_line(words.iter().map(String::as_str))))
}

/// What the running server of `data_dir` says of itself; `None` when none answers.
pub async fn describe(data_dir: &Path) -> Option<ServerFacts> {
    facts(attach::ask(data_dir, ProcessRequest::Describe).await.ok()?)
}

/// What the running server of `data_dir` says of itself.
///
/// # Errors
/// When none runs, or it does not answer.
pub async fn running(data_dir: &Path) -> Result<ServerFacts, RestartError> {
    match (describe(data_dir).await, lock::probe(data_dir)) {
        (Some(facts), _) => Ok(facts),
        (None, Err(lock::LockError::Held { pid, .. })) => Err(RestartError::Silent { pid, stop: kills(data_dir) }),
        (None, _) => Err(RestartError::NotRunning { data_dir: data_dir.to_owned() }),
    }
}

/// Has the server of `data_dir` read its configuration file again, and returns what changed.
///
/// # Errors
/// [`RestartError`]; then nothing has changed.
pub async fn reload(data_dir: &Path) -> Result<Value, RestartError> {
    match attach::ask(data_dir, ProcessRequest::Reload).await {
        Ok(report) => Ok(report),
        Err(ProcessError::Refused(why)) => Err(RestartError::Refused(why)),
        Err(_) => match lock::probe(data_dir) {
            Err(lock::LockError::Held { pid, .. }) => Err(RestartError::Silent { pid, stop: kills(data_dir) }),
            _ => Err(RestartError::NotRunning { data_dir: data_dir.to_owned() }),
        },
    }
}

/// Ends the server of `data_dir`; with `force`, by killing it where nothing else helps.
///
/// # Errors
/// [`RestartError`], after [`ENDS`] at most, or a little longer with `force`.
pub async fn stop(data_dir: &Path, force: bool) -> Result<StopOutcome, RestartError> {
    let Err(lock::LockError::Held { .. }) = lock::probe(data_dir) else {
        // Whoever starts the next server decides on its flags.
        if let Err(error) = ServingRecord::forget(data_dir) {
            tracing::warn!(%error, "the flags of the server that died cannot be forgotten");
        }
        return Ok(StopOutcome::NotRunning);
    };
    match attach::ask(data_dir, ProcessRequest::Stop).await.map(facts) {
        Ok(Some(facts)) => match ended(data_dir, facts.pid, facts.since_ms, ENDS).await {
            true => Ok(StopOutcome::Ended(Box::new(facts))),
            false if force => kill(data_dir, facts.pid, facts.arguments).await,
            false => Err(hangs(data_dir, facts.pid)),
        },
        _ => signal(data_dir, force).await,
    }
}

/// Has the server of `data_dir` start again, with other `arguments` where some are given, and as `program` where a front end started
/// it. Rules for writes are dropped only where they may `widen` what is allowed.
///
/// # Errors
/// [`RestartError`].
pub async fn restart(
    data_dir: &Path,
    arguments: Option<Vec<String>>,
    program: PathBuf,
    widen: bool,
) -> Result<RestartOutcome, RestartError> {
    let Err(lock::LockError::Held { .. }) = lock::probe(data_dir) else {
        return Err(RestartError::NotRunning { data_dir: data_dir.to_owned() });
    };
    let request = ProcessRequest::Restart {
        arguments: arguments.clone(),
        program: program.clone(),
        version: current().to_owned(),
        widen,
    };
    match attach::ask(data_dir, request).await {
        Ok(said) => match facts(said.clone()) {
            Some(before) => {
                let widened = said.get(WIDENED).and_then(Value::as_str).map(|widened| shown(widened, SHOWN));
                let now = back(data_dir, |now| (now.pid, now.since_ms) != (before.pid, before.since_ms)).await?;
                judged(before, now, (arguments.as_deref(), widened), data_dir)
            }
            None => Err(RestartError::Refused("it says nothing of itself".to_owned())),
        },
        Err(ProcessError::Refused(why)) => Err(RestartError::Refused(why)),
        Err(_) if arguments.is_some() && !widen => Err(RestartError::Unchecked),
        Err(_) => match signal(data_dir, false).await? {
            StopOutcome::Signalled { pid, arguments: before, .. } => {
                let is_front_ends = before.as_ref().is_some_and(|words| words.iter().any(|word| word == "--detached"));
                let words = arguments.or(before);
                let Some(words) = words.clone().filter(|_| is_front_ends) else {
                    return Err(RestartError::ByHand { pid, arguments: words });
                };
                attach::start(&ServerCommand { program, arguments: words.into_iter().map(Into::into).collect() })?;
                let now = Box::new(back(data_dir, |_| true).await?);
                Ok(RestartOutcome::Replaced { pid, now })
            }
            StopOutcome::NotRunning | StopOutcome::Ended(_) => {
                Err(RestartError::NotRunning { data_dir: data_dir.to_owned() })
            }
        },
    }
}

/// Whether `now` is what the server that was `before` was to become: the same process, with `arguments` or its own.
fn judged(
    before: ServerFacts,
    now: ServerFacts,
    (arguments, widened): (Option<&[String]>, Option<String>),
    data_dir: &Path,
) -> Result<RestartOutcome, RestartError> {
    if let Some(why) = now.kept_because {
        return Err(RestartError::Kept { why });
    }
    let wanted = arguments.or(before.arguments.as_deref());
    if now.pid == before.pid && now.arguments.as_deref() == wanted {
        return Ok(RestartOutcome::Again { before: Box::new(before), now: Box::new(now), widened });
    }
    let ServerFacts { pid, started_by, arguments, .. } = now;
    Err(RestartError::Another { pid, started_by, arguments, log: crate::connection::data_dir::log(data_dir) })
}

/// Ends a server that does not answer by a signal.
async fn signal(data_dir: &Path, force: bool) -> Result<StopOutcome, RestartError> {
    let Some(holder) = LockHolder::find(data_dir)? else { return Ok(StopOutcome::NotRunning) };
    let (pid, arguments) = (holder.pid(), holder.arguments());
    holder.signal(Signal::TERM)?;
    match let_go(data_dir, pid, ENDS).await {
        true => Ok(StopOutcome::Signalled { pid, arguments, killed: false }),
        false if force => kill(data_dir, pid, arguments).await,
        false => Err(hangs(data_dir, pid)),
    }
}

async fn kill(data_dir: &Path, pid: u32, arguments: Option<Vec<String>>) -> Result<StopOutcome, RestartError> {
    if let Some(holder) = LockHolder::find(data_dir)?.filter(|holder| holder.pid() == pid) {
        holder.signal(Signal::KILL)?;
        if !let_go(data_dir, pid, KILLED).await {
            return Err(RestartError::Immortal { pid });
        }
    }
    Ok(StopOutcome::Signalled { pid, arguments, killed: true })
}

/// Waits until the server that began to serve at `since_ms` has ended. Another one may have begun since, in the same process too.
async fn ended(data_dir: &Path, pid: u32, since_ms: i64, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if let_go(data_dir, pid, Duration::ZERO).await {
            return true;
        }
        if describe(data_dir).await.is_some_and(|now| now.since_ms != since_ms) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(INTERVAL).await;
    }
}

/// Waits until the process `pid` does not hold the lock any more.
async fn let_go(data_dir: &Path, pid: u32, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while matches!(lock::probe(data_dir), Err(lock::LockError::Held { pid: Some(held), .. }) if held == pid) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(INTERVAL).await;
    }
    true
}

/// Waits until a server answers that is a new one.
async fn back(data_dir: &Path, is_new: impl Fn(&ServerFacts) -> bool) -> Result<ServerFacts, RestartError> {
    let deadline = Instant::now() + STARTS;
    loop {
        if let Some(now) = describe(data_dir).await.filter(&is_new) {
            return Ok(now);
        }
        if Instant::now() >= deadline {
            return Err(RestartError::NotBack { log: crate::connection::data_dir::log(data_dir) });
        }
        sleep(INTERVAL).await;
    }
}

fn facts(said: Value) -> Option<ServerFacts> {
    serde_json::from_value(said).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::lock::Lock;

    fn facts_of(pid: u32, words: &str) -> ServerFacts {
        ServerFacts {
            pid,
            version: "1.0.0".to_owned(),
            started_by: StartedBy::FrontEnd,
            program: "/muster".into(),
            arguments: Some(words.split(' ').map(str::to_owned).collect()),
            since_ms: i64::from(pid),
            clients: 1,
            tasks: 1,
            http: None,
            kept_because: None,
            idle_exit_s: None,
            rules: Vec::new(),
            read_api: None,
            read_api_address: None,
            read_api_tls: None,
        }
    }

    #[test]
    fn a_restart_succeeds_only_where_the_server_itself_is_back_with_the_flags_that_it_was_to_have() {
        let judge = |now: ServerFacts, wanted: Option<&str>| {
            let wanted: Option<Vec<String>> = wanted.map(|words| words.split(' ').map(str::to_owned).collect());
            judged(facts_of(7, "serve --list auto"), now, (wanted.as_deref(), None), Path::new("/d"))
                .map_err(|error| error.to_string())
        };
        assert!(judge(facts_of(7, "serve --list all"), Some("serve --list all")).is_ok());
        assert!(judge(facts_of(7, "serve --list auto"), None).is_ok());
        for (now, wanted) in [
            (facts_of(8, "serve --list all"), Some("serve --list all")),
            (facts_of(7, "serve --list auto"), Some("serve --list all")),
            (facts_of(8, "serve --list auto"), None),
        ] {
            let why = judge(now, wanted).unwrap_err();
            assert!(why.contains("did not start again; process") && why.contains("started by an MCP client"), "{why}");
        }
        let kept = ServerFacts { kept_because: Some("no port".to_owned()), ..facts_of(7, "serve --list auto") };
        let why = judge(kept, Some("serve --list all")).unwrap_err();
        assert!(why.contains("runs as it did before: no port"), "{why}");
    }

    #[tokio::test]
    async fn where_no_server_runs_there_is_nothing_to_end_or_to_restart() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(stop(dir.path(), false).await.unwrap(), StopOutcome::NotRunning);
        let error = restart(dir.path(), None, "/muster".into(), false).await.unwrap_err();
        assert!(matches!(error, RestartError::NotRunning { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_process_that_is_not_proved_to_be_the_server_gets_no_signal() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Lock::take(dir.path()).unwrap();
        std::fs::write(crate::connection::data_dir::lock_file(dir.path()), "1\n").unwrap();
        let error = stop(dir.path(), true).await.unwrap_err();
        assert!(matches!(error, RestartError::Holder(HolderError::Doubtful { .. })), "{error}");
        let words = || Some(vec!["serve".to_owned()]);
        let error = restart(dir.path(), words(), "/muster".into(), true).await.unwrap_err();
        assert!(matches!(error, RestartError::Holder(HolderError::Doubtful { .. })), "{error}");
        let error = restart(dir.path(), words(), "/muster".into(), false).await.unwrap_err();
        assert!(matches!(error, RestartError::Unchecked), "flags that nobody has checked: {error}");
    }
}
