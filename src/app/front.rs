//! `muster mcp`: what an MCP client starts. It carries lines between the client and the data directory's server.
//!
//! # Who may write
//! A server that a front end starts permits writes, and each connection then decides by its own `--allow-writes`. Both ends
//! of the socket belong to one user of the operating system (directory 0700, socket 0600), who could as well run the AWS CLI
//! with the same credentials: the flag is that user's choice for one client, not a wall between clients. Otherwise the
//! client that happens to start first would decide for all. There is no HTTP in such a server, so nothing but this user's
//! connections reaches it. A server that was started by hand without `--allow-writes` permits none to anybody.
//!
//! # When the server ends
//! The front end attaches to another one, or starts one, and the client goes on with that: see [`relay`].
//!
//! # When there is no server at first
//! The front end then answers itself, in the same protocol: discovery and lists of tools as always, everything else with the
//! reason. A client whose server process exits shows "disconnected" and no reason.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::connection::attach::{self, AttachError, Attached, ServerCommand};
use crate::connection::data_dir::by_key;
use crate::connection::handshake::ConnectionTerms;
use crate::mcp::relay::ServerEnds;
use crate::mcp::relay::state::Welcome;
use crate::mcp::server::Link;
use crate::mcp::stall::{self, Bounded, ReadUntil};
use crate::mcp::{self, Failure, ListMode, Readiness, ServerPolicy, relay, transport};
use crate::model::shell_word::command_line;
use crate::model::text::chain;
use crate::policy::WritePolicy;

/// How long a client waits for its first server while a process holds the lock and does not listen yet.
const FIRST: Duration = Duration::from_secs(30);

/// Carries the client's messages until it closes its end. `terms` are what it asks the server for.
///
/// # Errors
/// When the client can no longer be read or written. What keeps a server from running is told to the client instead.
pub async fn run(config: &Config, terms: &ConnectionTerms, server: &ServerCommand) -> anyhow::Result<()> {
    let locate = || by_key::locate(&config.data_dir, config.key_place.as_ref());
    let has_asked = AtomicBool::new(false);
    let another = async || {
        let attached = attach::attach_where(&locate, terms, server, &has_asked).await?;
        Ok::<_, AttachError>(ends(config, &locate(), attached))
    };
    match first(&another).await {
        Ok(first) => {
            let input = BufReader::new(tokio::io::stdin());
            let output = Bounded::new(tokio::io::stdout());
            let another = async || another().await.map_err(|error| chain(&error));
            let end = relay::relay(input, output, first, another).await?;
            tracing::debug!(?end, "the client left");
            Ok(())
        }
        Err(error) => apologise(config, error).await,
    }
}

type SocketEnds = ServerEnds<ReadUntil<BufReader<OwnedReadHalf>>, Bounded<OwnedWriteHalf>>;

/// The first connection. A server that is slow to end, or to listen, is waited for: after the apology there is no other try.
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

/// The ends of a connection for the relay. A server that reads nothing for a while counts as lost.
fn ends(config: &Config, data_dir: &Path, attached: Attached) -> SocketEnds {
    let Attached { reader, writer, grant } = attached;
    for remark in &grant.remarks {
        tracing::warn!("{remark}");
    }
    if config.writes.allow && !grant.writes {
        let data_dir = data_dir.to_string_lossy();
        let restart = command_line(["muster", "restart", "--data-dir", data_dir.as_ref(), "--", "--allow-writes"]);
        tracing::warn!(
            server.pid = grant.pid,
            "--allow-writes is given, but the running server permits no writes: `{restart}` changes that"
        );
    }
    let writer = Bounded::new(writer);
    let reader = ReadUntil::new(reader, writer.stalled());
    ServerEnds { reader, writer, welcome: Welcome { read_tools: grant.read_tools, store: grant.store } }
}

/// Answers instead of the server that cannot be reached.
async fn apologise(config: &Config, error: AttachError) -> anyhow::Result<()> {
    answer(config.writes.allow, chain(&error)).await
}

/// Answers every request with the reason why the command line cannot be used. Tools that change AWS are not offered, since it is
/// not known whether they were wanted.
///
/// # Errors
/// When the client can no longer be read or written.
pub async fn explain(what: String) -> anyhow::Result<()> {
    answer(false, what).await
}

/// Answers discovery and lists of tools as always, and everything else with the reason `what`.
async fn answer(allow_writes: bool, what: String) -> anyhow::Result<()> {
    let fix = "Then restart this MCP server in the client".to_owned();
    tracing::error!(error = what, "no server; every request is answered with this");
    let (_phase, failed) = watch::channel(Readiness::Failed(Arc::new(Failure { what, fix })));
    let writes = WritePolicy::of(allow_writes);
    let policy =
        ServerPolicy { writes: writes.clone(), list: ListMode::default(), restart: "muster restart".to_owned() };
    let server = mcp::McpServer::new(failed, policy, TaskTracker::new(), CancellationToken::new());
    let output = Bounded::new(tokio::io::stdout());
    let stalled = output.stalled();
    // On the heap: serving a connection is a large future.
    let serving =
        Box::pin(transport::serve_stream(&server, Link::socket(writes, Vec::new()), tokio::io::stdin(), output));
    match stalled.run_until_cancelled(serving).await {
        Some(outcome) => Ok(outcome?),
        None => anyhow::bail!("the client has read nothing for {} s", stall::PATIENCE.as_secs()),
    }
}
