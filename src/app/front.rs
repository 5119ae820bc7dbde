//! `muster mcp`: what an MCP client starts. It carries lines between the client and the data directory's server.
//!
//! # Who may write
//! A server that a front end starts permits writes, and each connection then decides by its own `--allow-writes`. Both ends
//! of the socket belong to one user of the operating system (directory 0700, socket 0600), who could as well run the AWS CLI
//! with the same credentials: the flag is that user's choice for one client, not a wall between clients. Otherwise the
//! client that happens to start first would decide for all. A server that was started by hand without `--allow-writes` permits none
//! to anybody. Over HTTP, which every local user reaches, a server that a front end starts permits none either, unless it takes over from
//! one that was started by hand with `--allow-writes` and died.
//!
//! # When the server ends
//! The front end attaches to another one, or starts one, and the client goes on with that: see [`relay`]. Where the server died, the
//! next one has its flags.
//!
//! # When there is no server at first
//! The front end then stands in for it, in the same protocol: it answers discovery and lists of tools as always, everything else with
//! the reason, and looks for a server again with each request that needs one. A client whose server process exits shows "disconnected"
//! and no reason.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncWrite, BufReader};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::connection::admin::ProcessRequest;
use crate::connection::attach::{self, AttachError, Attached, ProcessError, ServerCommand};
use crate::connection::data_dir::by_key;
use crate::connection::handshake::ConnectionTerms;
use crate::mcp::relay::ServerEnds;
use crate::mcp::relay::state::Welcome;
use crate::mcp::server::Link;
use crate::mcp::stall::{self, Bounded, ReadUntil};
use crate::mcp::{self, Failure, ListMode, McpServer, Readiness, ServerPolicy, relay, transport};
use crate::model::shell_word::command_line;
use crate::model::text::chain;
use crate::policy::WritePolicy;

/// How long a client waits for its first server while a process holds the lock and does not listen yet.
const FIRST: Duration = Duration::from_secs(30);

/// How much of what a stand-in says or hears waits in memory.
const STAND_IN_ROOM: usize = 64 << 10;

type FrontEnds = ServerEnds<Box<dyn AsyncBufRead + Unpin>, Box<dyn AsyncWrite + Unpin>>;

/// Carries the client's messages until it closes its end. `terms` are what it asks the server for.
///
/// # Errors
/// When the client can no longer be read or written. What keeps a server from running is told to the client instead.
pub async fn run(config: &Config, terms: &ConnectionTerms, server: &ServerCommand) -> anyhow::Result<()> {
    let locate = || by_key::locate(&config.data_dir, config.key_place.as_ref());
    let (has_asked, has_served) = (AtomicBool::new(false), AtomicBool::new(false));
    let attach = async || {
        let attached = attach::attach_where(&locate, terms, server, &has_asked).await?;
        has_served.store(true, Ordering::Relaxed);
        Ok::<_, AttachError>(ends(config, &locate(), attached))
    };
    let tasks = TaskTracker::new();
    let ends = match first(&attach).await {
        Ok(ends) => ends,
        Err(error) => stand_in(config, &tasks, chain(&error)),
    };
    let another = async || match attach().await {
        Err(error) if !has_served.load(Ordering::Relaxed) => Ok(stand_in(config, &tasks, chain(&error))),
        outcome => outcome.map_err(|error| chain(&error)),
    };
    let probe = async || answers(&locate()).await;
    let (input, output) = (BufReader::new(tokio::io::stdin()), Bounded::new(tokio::io::stdout()));
    let end = relay::relay(input, output, ends, another, probe).await?;
    tracing::debug!(?end, "the client left");
    Ok(())
}

/// The first connection. A server that is slow to end, or to listen, is waited for, so that the client need not ask again.
async fn first<T>(attach: &impl AsyncFn() -> Result<T, AttachError>) -> Result<T, AttachError> {
    let deadline = Instant::now() + FIRST;
    loop {
        match attach().await {
            Err(error) if error.may_pass() && Instant::now() < deadline => {
                tracing::warn!(error = chain(&error), "there is no server yet; trying again");
            }
            outcome => return outcome,
        }
    }
}

/// Whether the process that serves `data_dir` answers on a connection of its own.
async fn answers(data_dir: &Path) -> bool {
    match attach::ask(data_dir, ProcessRequest::Describe).await {
        Ok(_) | Err(ProcessError::Refused(_)) => true,
        Err(error) => {
            tracing::debug!(error = chain(&error), "the server does not answer on a connection of its own");
            false
        }
    }
}

/// The ends of a connection for the relay. A server that reads nothing for a while counts as lost.
fn ends(config: &Config, data_dir: &Path, attached: Attached) -> FrontEnds {
    let Attached { reader, writer, grant } = attached;
    for remark in &grant.remarks {
        tracing::warn!("{remark}");
    }
    let data_dir = data_dir.to_string_lossy();
    if config.writes.allow && !grant.writes {
        let restart = command_line(["muster", "restart", "--data-dir", data_dir.as_ref(), "--", "--allow-writes"]);
        tracing::warn!(
            server.pid = grant.pid,
            "--allow-writes is given, but the running server permits no writes: `{restart}` changes that"
        );
    }
    let writer = Bounded::new(writer);
    let reader = ReadUntil::new(reader, writer.stalled());
    let welcome = Welcome {
        read_tools: grant.read_tools,
        write_tools: grant.write_tools,
        store: grant.store,
        pid: grant.pid,
        stop: command_line(["muster", "stop", "--data-dir", data_dir.as_ref()]),
        is_stand_in: false,
    };
    ServerEnds { reader: Box::new(reader), writer: Box::new(writer), welcome }
}

/// The ends of a connection to this process itself, which answers in place of a server that is not to be had for the reason `why`.
fn stand_in(config: &Config, tasks: &TaskTracker, why: String) -> FrontEnds {
    tracing::error!(error = why, "there is no server; requests are answered with this until there is one");
    let (readiness, server) = failed(config.writes.clone(), why, "The next request tries again");
    let link = Link::socket(config.writes.clone(), Vec::new());
    let rights = server.policy().writes(&config.writes);
    let offered = mcp::tools::writing().into_iter().filter(|(tool, adds)| rights.allow(tool, *adds));
    let write_tools = Some(offered.map(|(tool, _)| tool).collect());
    let (near, far) = tokio::io::duplex(STAND_IN_ROOM);
    let (read, write) = tokio::io::split(far);
    tasks.spawn(async move {
        if let Err(error) = transport::serve_stream(&server, link, read, write).await {
            tracing::debug!(error = chain(&error), "standing in for a server ended");
        }
        drop(readiness);
    });
    let (reader, writer) = tokio::io::split(near);
    let read_tools = mcp::tools::read_only();
    let welcome = Welcome { read_tools, write_tools, is_stand_in: true, ..Welcome::default() };
    ServerEnds { reader: Box::new(BufReader::new(reader)), writer: Box::new(writer), welcome }
}

/// A server that answers discovery and lists of tools as always, and everything else with the reason `what`, and how to mend it; as
/// long as the sender lives.
fn failed(writes: WritePolicy, what: String, fix: &str) -> (watch::Sender<Readiness>, McpServer) {
    let failure = Failure { what, fix: fix.to_owned() };
    let (readiness, failed) = watch::channel(Readiness::Failed(Arc::new(failure)));
    let policy = ServerPolicy { writes, list: ListMode::default() };
    (readiness, McpServer::new(failed, policy, TaskTracker::new(), CancellationToken::new()))
}

/// Answers every request with the reason why the command line cannot be used. Tools that change AWS are not offered, since it is
/// not known whether they were wanted.
///
/// # Errors
/// When the client can no longer be read or written.
pub async fn explain(what: String) -> anyhow::Result<()> {
    tracing::error!(error = what, "no server; every request is answered with this");
    let (_readiness, server) = failed(WritePolicy::default(), what, "Then restart this MCP server in the client");
    let output = Bounded::new(tokio::io::stdout());
    let stalled = output.stalled();
    let link = Link::socket(WritePolicy::default(), Vec::new());
    // On the heap: serving a connection is a large future.
    let serving = Box::pin(transport::serve_stream(&server, link, tokio::io::stdin(), output));
    match stalled.run_until_cancelled(serving).await {
        Some(outcome) => Ok(outcome?),
        None => anyhow::bail!("the client has read nothing for {} s", stall::PATIENCE.as_secs()),
    }
}
