//! Connects a client to the server of its data directory, and starts the server if none runs.
//!
//! Any number of clients may do this at once. Each connects if it can and otherwise starts a server; the lock lets one
//! of those live, the others leave, and every client connects to that one.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::admin::{AdminLine, AdminMessage, AdminRequest, ProcessRequest};
use super::data_dir::{self, DataDirError};
use super::handshake::{self, ConnectionTerms, HandshakeCode, HandshakeError, HandshakeGrant};
use super::kept_rules::KeptRules;
use super::lock::{self, LockError};
use super::newest_program::NewestProgram;
use super::serving_record::ServingRecord;
use super::socket;
use super::version;
use crate::model::shell_word::command_line;

/// How long a server that was started has until it listens; it does so before it opens its store.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often the socket is tried meanwhile.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long a server may take to answer a request about its process.
const ANSWERS: Duration = Duration::from_secs(3);

/// How long it may take where it checks flags first.
const CHECKS: Duration = Duration::from_secs(15);

/// How often [`find`] tries.
const FIND_INTERVAL: Duration = Duration::from_millis(50);

/// How to start a server that outlives this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCommand {
    /// The program, `muster` itself.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// A connection after its handshake: lines of JSON-RPC, or the answer to an admin request.
#[derive(Debug)]
pub struct Attached {
    /// From the server.
    pub reader: BufReader<OwnedReadHalf>,
    /// To the server.
    pub writer: OwnedWriteHalf,
    /// What the server granted.
    pub grant: HandshakeGrant,
}

/// Why there is no server to talk to.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The data directory is not usable.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The socket is there but cannot be connected.
    #[error("cannot connect to the server of {}: check the permissions of its socket", data_dir.display())]
    Connect {
        /// The data directory.
        data_dir: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// Another process holds the lock and does not listen.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The server program did not start.
    #[error("cannot start {} as a server: start `muster serve` yourself to see why", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The store was last served by a newer program, which cannot be started.
    #[error(
        "{} was last served by muster {version} at {}, which {why}, and this is muster {}: install that version or a newer one, \
         or run `muster serve` once with this one to go back to it",
        data_dir.display(),
        program.display(),
        version::current()
    )]
    Outdated {
        /// The data directory.
        data_dir: PathBuf,
        /// The version of the newer program.
        version: String,
        /// Where it was.
        program: PathBuf,
        /// Why it is not started.
        why: String,
    },
    /// The server that was started ended at once.
    #[error("the server ended at once ({status}): {}{}", told(log), inheritance.as_deref().unwrap_or_default())]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// What it has from the server before it, where that is something, and the command that forgets it.
        inheritance: Option<String>,
    },
    /// No server listened in time.
    #[error(
        "no server answers for {} after {} s{}: {}",
        data_dir.display(),
        waited.as_secs(),
        last_holder(*holder, data_dir),
        told(log)
    )]
    Silent {
        /// The data directory.
        data_dir: PathBuf,
        /// How long one was waited for.
        waited: Duration,
        /// The process in the lock file.
        holder: Option<u32>,
        /// The log of a server, if one ran.
        log: PathBuf,
    },
}

/// Why a request about the process of a server was not done.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No server listens.
    #[error("no server listens")]
    Absent,
    /// The server does not answer as a server should.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The server answers that it does not do it.
    #[error("{0}")]
    Refused(String),
}

/// Where a server says what happened to it. Where nothing can be written there is no log, or an old one.
fn told(log: &Path) -> String {
    if File::options().append(true).open(log).is_ok() {
        return format!("see its log {}", log.display());
    }
    format!(
        "it has written no log to {}. Check that the directory is writable, and start `muster serve` yourself to see what it says",
        log.display()
    )
}

fn last_holder(holder: Option<u32>, data_dir: &Path) -> String {
    holder.map_or_else(String::new, |pid| {
        let stop = command_line(["muster", "stop", "--data-dir", data_dir.to_string_lossy().as_ref()]);
        format!("; process {pid} held the lock last: end it with `{stop}` and try again")
    })
}

impl AttachError {
    /// Whether a process has the data directory that may yet listen.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, AttachError::Silent { data_dir, .. } if is_taken(data_dir))
            || matches!(self, AttachError::Lock(LockError::Held { .. }))
    }
}

/// Whether a process holds the lock of `data_dir`, or is about to take it again.
fn is_taken(data_dir: &Path) -> bool {
    lock::probe(data_dir).is_err() || lock::is_restarting(data_dir)
}

/// Connects to the server of `data_dir`, and starts it first when there is none.
///
/// # Errors
/// [`AttachError`], after about [`PATIENCE`], and later where a server starts again.
pub async fn attach(
    data_dir: &Path,
    terms: &ConnectionTerms,
    command: &ServerCommand,
) -> Result<Attached, AttachError> {
    attach_where(&|| data_dir.to_owned(), terms, command, &AtomicBool::new(false)).await
}

/// As [`attach`], where the server that is started may find out that it belongs to another directory: `locate` says which one it is.
///
/// A running server of an older version that a front end started is asked to hand over to this program first, unless this process
/// `has_asked` for that before: one that could not do it is asked no second time.
///
/// # Errors
/// As [`attach`].
pub async fn attach_where(
    locate: &dyn Fn() -> PathBuf,
    terms: &ConnectionTerms,
    command: &ServerCommand,
    has_asked: &AtomicBool,
) -> Result<Attached, AttachError> {
    data_dir::prepare(&locate())?;
    let mut begun = Instant::now();
    let mut deadline = begun + PATIENCE;
    // With the directory that was meant when it was started: it may begin there although another one is located since.
    let mut started: Option<(Child, PathBuf)> = None;
    let mut has_failed = false;
    let mut inheritance = None;
    loop {
        let data_dir = &locate();
        match Attempt::make(data_dir, terms, None).await? {
            Attempt::Attached(attached) if is_outdated(&attached.grant) && !has_asked.swap(true, Ordering::Relaxed) => {
                drop(attached);
                ask_to_hand_over(data_dir, command).await;
                begun = Instant::now();
                deadline = begun + PATIENCE;
            }
            Attempt::Attached(attached) => return Ok(attached),
            // Once it has gone, a new one can be started.
            Attempt::Closing(_) => {}
            Attempt::Absent => match &started {
                None if lock::is_restarting(data_dir) => {
                    deadline = (Instant::now() + PATIENCE).min(begun + lock::RESTART_LASTS + PATIENCE);
                }
                // Another one would fail as the last one did.
                None if has_failed && is_taken(data_dir) => {}
                None => {
                    let heir;
                    (heir, inheritance) = inheriting(data_dir, newest(data_dir, command)?);
                    started = Some((start(&heir)?, data_dir.clone()));
                }
                Some((_, meant)) if meant != data_dir => {
                    if let Attempt::Attached(attached) = Attempt::make(meant, terms, None).await? {
                        return Ok(attached);
                    }
                }
                Some(_) => {}
            },
        }
        let ended = started.as_mut().and_then(|(child, _)| child.try_wait().ok().flatten());
        match ended {
            // It left because another one serves; should that go too, the next round starts a new one.
            Some(status) if status.success() => started = None,
            // Most likely the lock was not to be had, and who has it may yet listen.
            Some(_) if is_taken(data_dir) => (started, has_failed) = (None, true),
            Some(status) => {
                return Err(AttachError::Ended { status, log: data_dir::log(data_dir), inheritance });
            }
            None => {}
        }
        if Instant::now() >= deadline {
            // Who holds the lock says more than a log file.
            if has_failed {
                lock::probe(data_dir)?;
            }
            let (holder, log) = (lock::last_holder(data_dir), data_dir::log(data_dir));
            return Err(AttachError::Silent { data_dir: data_dir.to_owned(), waited: begun.elapsed(), holder, log });
        }
        sleep(INTERVAL).await;
    }
}

/// Whether the server is older than this program and would make room for it.
fn is_outdated(grant: &HandshakeGrant) -> bool {
    grant.hands_over && version::is_newer(version::current(), &grant.muster)
}

/// Asks the server to start again as this program. Where that fails, the older one is as good as before, and says so in its remarks.
async fn ask_to_hand_over(data_dir: &Path, command: &ServerCommand) {
    let (version, program) = (version::current().to_owned(), command.program.clone());
    match ask(data_dir, ProcessRequest::HandOver { version, program }).await {
        Ok(_) => tracing::info!(program = %command.program.display(), "the running server hands over to this version"),
        Err(error) => tracing::warn!(%error, "the running server, of an older version, does not hand over"),
    }
}

/// The command with the newest program that served `data_dir`.
fn newest(data_dir: &Path, command: &ServerCommand) -> Result<ServerCommand, AttachError> {
    let Some(newest) = NewestProgram::read(data_dir).filter(NewestProgram::is_newer) else {
        return Ok(command.clone());
    };
    if let Some(why) = newest.obstacle(data_dir) {
        let NewestProgram { version, path: program } = newest;
        return Err(AttachError::Outdated { data_dir: data_dir.to_owned(), version, program, why });
    }
    tracing::info!(newest.version, program = %newest.path.display(), "starting the newest program that served this directory");
    Ok(ServerCommand { program: newest.path, arguments: command.arguments.clone() })
}

/// The command with what the server of `data_dir` before has left, and what to say of that: all its flags where it died, and its rules
/// for writes where a person started it.
fn inheriting(data_dir: &Path, command: ServerCommand) -> (ServerCommand, Option<String>) {
    let place = data_dir.to_string_lossy();
    let stop =
        |more: &[&str]| command_line(["muster", "stop", "--data-dir", place.as_ref()].iter().chain(more).copied());
    if let Some(successor) = successor(data_dir, &command) {
        let told = format!(". It has the flags of the server before it, which died: `{}` forgets them", stop(&[]));
        return (successor, Some(told));
    }
    let Some(rules) = KeptRules::read(data_dir) else { return (command, None) };
    tracing::info!("starting a server with the rules for writes that a person gave the one before");
    let told = format!(
        ". It has the rules for writes of a server that a person started: `{}` forgets them",
        stop(&["--forget-rules"])
    );
    let arguments = rules.given_to(&command.arguments);
    (ServerCommand { arguments, ..command }, Some(told))
}

/// The command with the flags of the server that served `data_dir` until it died; `None` where none is known.
fn successor(data_dir: &Path, command: &ServerCommand) -> Option<ServerCommand> {
    let record = ServingRecord::read(data_dir)?;
    let place = command.arguments.iter().skip_while(|word| *word != "--data-dir").nth(1);
    let words = record.words(place.and_then(|word| word.to_str()).or_else(|| data_dir.to_str())?);
    tracing::info!("starting a server with the flags of the one that died");
    Some(ServerCommand { program: command.program.clone(), arguments: words.into_iter().map(Into::into).collect() })
}

/// Has the running server of `data_dir` do a request that is about its process, and returns what it says.
///
/// # Errors
/// [`ProcessError`], after some seconds at most.
pub async fn ask(data_dir: &Path, request: ProcessRequest) -> Result<Value, ProcessError> {
    let patience = match request {
        ProcessRequest::Restart { arguments: Some(_), .. } | ProcessRequest::Reload => CHECKS,
        _ => ANSWERS,
    };
    let request = AdminRequest::Process(request);
    let answer = async {
        let stream = match socket::connect(data_dir).await {
            Err(error) if socket::is_absent(&error) => return Err(ProcessError::Absent),
            connected => connected.map_err(HandshakeError::from)?,
        };
        let shaken = shake_hands(stream, &ConnectionTerms::of_command(), Some(&request)).await;
        let mut attached = shaken.map_err(|error| error.at(data_dir))?;
        let mut line = Vec::new();
        attached.reader.read_until(b'\n', &mut line).await.map_err(HandshakeError::from)?;
        match AdminLine::parse(line).map_err(HandshakeError::from)? {
            AdminLine::Message(AdminMessage::Done { result }) => Ok(result),
            AdminLine::Message(AdminMessage::Failed { error, .. }) => Err(ProcessError::Refused(error)),
            AdminLine::Message(_) | AdminLine::Record(_) => Err(HandshakeError::Closed.into()),
        }
    };
    timeout(patience, answer).await.unwrap_or(Err(ProcessError::Handshake(HandshakeError::Silent)))
}

/// Connects to the server of `data_dir`, to read with MCP or to have `admin` done; `None` when no server runs.
///
/// # Errors
/// [`AttachError`]: when there is no store, and when somebody holds the lock until `deadline` without answering.
pub async fn find(
    data_dir: &Path,
    deadline: Instant,
    admin: Option<&AdminRequest>,
) -> Result<Option<Attached>, AttachError> {
    if !data_dir::lock_file(data_dir).exists() {
        data_dir::require_store(data_dir)?;
    }
    loop {
        let is_over = Instant::now() >= deadline;
        match Attempt::make(data_dir, &ConnectionTerms::of_command(), admin).await? {
            Attempt::Attached(attached) => return Ok(Some(attached)),
            Attempt::Closing(error) if is_over => return Err(error.into()),
            Attempt::Closing(_) => {}
            Attempt::Absent => match lock::probe(data_dir) {
                Ok(()) => return Ok(None),
                Err(held) if is_over => return Err(held.into()),
                Err(_) => {}
            },
        }
        sleep(FIND_INTERVAL).await;
    }
}

/// The result of one attempt to connect to a server.
enum Attempt {
    Attached(Attached),
    /// A server that is about to stop.
    Closing(HandshakeError),
    /// No server.
    Absent,
}

impl Attempt {
    async fn make(data_dir: &Path, terms: &ConnectionTerms, admin: Option<&AdminRequest>) -> Result<Self, AttachError> {
        match socket::connect(data_dir).await {
            Ok(stream) => match shake_hands(stream, terms, admin).await {
                Err(error) if error.code() == HandshakeCode::Closed => Ok(Attempt::Closing(error)),
                outcome => Ok(Attempt::Attached(outcome.map_err(|error| error.at(data_dir))?)),
            },
            Err(error) if socket::is_absent(&error) => Ok(Attempt::Absent),
            Err(source) => Err(AttachError::Connect { data_dir: data_dir.to_owned(), source }),
        }
    }
}

/// The client's side of the handshake on a fresh connection.
///
/// # Errors
/// [`HandshakeError`].
pub async fn shake_hands(
    stream: UnixStream,
    terms: &ConnectionTerms,
    admin: Option<&AdminRequest>,
) -> Result<Attached, HandshakeError> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let grant = handshake::request(&mut reader, &mut writer, terms, admin).await?;
    Ok(Attached { reader, writer, grant })
}

/// Starts a server without a terminal. It leaves this process's session by itself; the runtime reaps it should it end first.
///
/// # Errors
/// [`AttachError::Start`].
pub fn start(server: &ServerCommand) -> Result<Child, AttachError> {
    let mut command = Command::new(&server.program);
    // Every setting is among the arguments. A variable that only a server reads, and could not, would end it without a word.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MUSTER_")) {
        command.env_remove(name);
    }
    command.args(&server.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|source| AttachError::Start { program: server.program.clone(), source })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::connection::handshake::ServerTerms;
    use crate::connection::lock::Lock;
    use crate::connection::socket::ServerSocket;

    static READS: LazyLock<ConnectionTerms> = LazyLock::new(ConnectionTerms::default);
    static WRITES: LazyLock<ConnectionTerms> = LazyLock::new(|| ConnectionTerms::of_writes(true));

    fn launch(program: &str) -> ServerCommand {
        ServerCommand { program: program.into(), arguments: Vec::new() }
    }

    #[tokio::test]
    async fn a_running_server_is_used_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let bound = ServerSocket::bind(&lock, dir.path(), None).unwrap();
        let serving = async {
            let (reader, mut writer) = bound.accept().await.unwrap().into_split();
            handshake::answer(&mut BufReader::new(reader), &mut writer, &ServerTerms::default()).await.unwrap();
        };
        let nothing_to_start = launch("/nonexistent");
        let (attached, ()) = tokio::join!(attach(dir.path(), &WRITES, &nothing_to_start), serving);
        assert!(!attached.unwrap().grant.writes);
    }

    #[tokio::test]
    async fn a_server_that_closes_without_a_handshake_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let bound = ServerSocket::bind(&lock, dir.path(), None).unwrap();
        let serving = async {
            drop(bound.accept().await.unwrap());
            let (reader, mut writer) = bound.accept().await.unwrap().into_split();
            handshake::answer(&mut BufReader::new(reader), &mut writer, &ServerTerms::default()).await.unwrap();
        };
        let nothing_to_start = launch("/nonexistent");
        let (attached, ()) = tokio::join!(attach(dir.path(), &READS, &nothing_to_start), serving);
        attached.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_reported_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let error = attach(dir.path(), &READS, &launch("false")).await.unwrap_err();
        assert!(matches!(&error, AttachError::Ended { log, .. } if log.starts_with(dir.path())), "{error}");
        assert!(error.to_string().contains("it has written no log to"), "there is none: {error}");
        std::fs::write(data_dir::log(dir.path()), "").unwrap();
        assert!(error.to_string().contains("see its log "), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_died_is_followed_by_one_with_its_flags_until_they_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (program, said) = (dir.path().join("program"), dir.path().join("said"));
        std::fs::write(&program, format!("#!/bin/sh\necho \"$*\" >{}\nexit 1\n", said.display())).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let arguments = ["serve", "--detached", "--data-dir", "/as-given", "--list", "auto"].map(Into::into).into();
        let command = ServerCommand { program, arguments };
        let arguments = ["serve", "--detached", "--list", "all"].map(str::to_owned).into();
        let http = Some("127.0.0.1:8377".parse().unwrap());
        ServingRecord { arguments, http, is_chosen: false }.write(dir.path()).unwrap();
        let error = attach(dir.path(), &READS, &command).await.unwrap_err().to_string();
        assert!(error.contains("flags of the server before it") && error.contains("muster stop --data-dir"), "{error}");
        let expected = "serve --detached --list all --http 127.0.0.1:8377 --data-dir /as-given\n";
        assert_eq!(std::fs::read_to_string(&said).unwrap(), expected);
        ServingRecord::forget(dir.path()).unwrap();
        let error = attach(dir.path(), &READS, &command).await.unwrap_err().to_string();
        assert!(!error.contains("before it"), "{error}");
        assert!(std::fs::read_to_string(&said).unwrap().contains("--list auto"), "its own flags");
        // The rules that a person gave a server outlast its flags.
        KeptRules { flags: vec!["--allow-writes=snapshot".to_owned()] }.write(dir.path()).unwrap();
        let error = attach(dir.path(), &READS, &command).await.unwrap_err().to_string();
        assert!(error.contains("rules for writes of a server that a person started"), "{error}");
        assert!(error.contains("--forget-rules` forgets them"), "{error}");
        let expected = "serve --detached --data-dir /as-given --list auto --allow-writes=snapshot\n";
        assert_eq!(std::fs::read_to_string(&said).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_server_that_began_where_it_was_sent_is_found_although_another_directory_is_located_since() {
        let (sent, later) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let calls = std::cell::Cell::new(0);
        // The first call prepares, the second one is for the start.
        let locate = || {
            calls.set(calls.get() + 1);
            if calls.get() <= 2 { sent.path() } else { later.path() }.to_owned()
        };
        let serving = async {
            while calls.get() <= 2 {
                sleep(INTERVAL).await;
            }
            let lock = Lock::take(sent.path()).unwrap();
            let bound = ServerSocket::bind(&lock, sent.path(), None).unwrap();
            let (reader, mut writer) = bound.accept().await.unwrap().into_split();
            handshake::answer(&mut BufReader::new(reader), &mut writer, &ServerTerms::default()).await.unwrap();
        };
        let sleeping = ServerCommand { program: "sleep".into(), arguments: vec!["3".into()] };
        let has_asked = AtomicBool::new(false);
        let (attached, ()) = tokio::join!(attach_where(&locate, &READS, &sleeping, &has_asked), serving);
        attached.unwrap();
    }

    #[tokio::test]
    async fn an_older_front_end_starts_the_newest_program_or_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let newest_at =
            |path: PathBuf| NewestProgram { version: "99.0.0".to_owned(), path }.note(dir.path(), true).unwrap();
        newest_at("/bin/false".into());
        let ended = attach(dir.path(), &READS, &launch("/nonexistent")).await.unwrap_err();
        assert!(matches!(ended, AttachError::Ended { .. }), "{ended}");
        newest_at("/nowhere/muster".into());
        let gone = attach(dir.path(), &READS, &launch("false")).await.unwrap_err().to_string();
        assert!(gone.contains("99.0.0") && gone.contains("/nowhere/muster"), "{gone}");
        let open = dir.path().join("muster");
        std::fs::copy("/bin/false", &open).unwrap();
        std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o757)).unwrap();
        newest_at(open);
        let not_trusted = attach(dir.path(), &READS, &launch("false")).await.unwrap_err().to_string();
        assert!(not_trusted.contains("99.0.0") && not_trusted.contains("another user may write"), "{not_trusted}");
    }

    #[tokio::test]
    async fn a_holder_that_listens_late_is_waited_for_although_the_server_that_was_started_failed() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let serving = async {
            sleep(Duration::from_millis(300)).await;
            let bound = ServerSocket::bind(&lock, dir.path(), None).unwrap();
            let (reader, mut writer) = bound.accept().await.unwrap().into_split();
            handshake::answer(&mut BufReader::new(reader), &mut writer, &ServerTerms::default()).await.unwrap();
        };
        let failing = launch("false");
        let (attached, ()) = tokio::join!(attach(dir.path(), &READS, &failing), serving);
        attached.unwrap();
    }

    #[tokio::test]
    async fn a_process_asks_a_server_only_once_to_hand_over() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let bound = ServerSocket::bind(&lock, dir.path(), None).unwrap();
        let asked = std::cell::Cell::new(0);
        let serving = async {
            loop {
                let (reader, mut writer) = bound.accept().await.unwrap().into_split();
                let mut line = String::new();
                BufReader::new(reader).read_line(&mut line).await.unwrap();
                asked.set(asked.get() + u32::from(line.contains("hand_over")));
                let grant = "{\"muster\":\"0.0.1\",\"pid\":7,\"writes\":false,\"hands_over\":true}\n";
                tokio::io::AsyncWriteExt::write_all(&mut writer, grant.as_bytes()).await.unwrap();
            }
        };
        let (locate, command, has_asked) = (|| dir.path().to_owned(), launch("/nonexistent"), AtomicBool::new(false));
        let attaching = async {
            for _ in 0..3 {
                attach_where(&locate, &READS, &command, &has_asked).await.unwrap();
            }
        };
        tokio::select! {
            () = attaching => {}
            () = serving => {}
        }
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_server_starts_again_no_other_is_started() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        lock.announce_restart().unwrap();
        drop(lock);
        let error = attach(dir.path(), &READS, &launch("/nonexistent")).await.unwrap_err();
        let AttachError::Silent { waited, .. } = error else { panic!("{error}") };
        assert!(waited >= lock::RESTART_LASTS, "as long as a restart may last: {waited:?}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = attach(dir.path(), &READS, &launch("/nonexistent")).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

    #[tokio::test]
    async fn a_holder_that_does_not_listen_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Lock::take(dir.path()).unwrap();
        let sleeping = ServerCommand { program: "sleep".into(), arguments: vec!["2".into()] };
        tokio::time::pause();
        let error = attach(dir.path(), &READS, &sleeping).await.unwrap_err();
        assert!(error.to_string().contains(&format!("process {} held the lock last", std::process::id())), "{error}");
    }
}
