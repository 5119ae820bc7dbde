//! What the demo sets up: a simulated account, a server on a temporary store, and a client connected to it.

use std::time::Duration;

use anyhow::Context;
use tokio::net::UnixStream;

use super::scratch::TemporaryDirectory;
use crate::app::engine::{self, Engine};
use crate::app::listener::ClientListener;
use crate::app::server_process::ServerProcess;
use crate::config::{Config, Environment, Given, Interval, ListMode};
use crate::connection::attach::{self, Attached};
use crate::connection::handshake::ConnectionTerms;
use crate::kinds::{INSTANCE, KINDS};
use crate::mcp::client::McpClient;
use crate::model::{AccountId, Region, Scope};
use crate::policy::WritePolicy;
use crate::simulator::{self, Simulator};

/// How long a stopped instance takes to stop.
const STOPPING: Duration = Duration::from_secs(2);
/// How often instances are swept: often, so that what only a sweep can see shows while one looks on, but with rests, in
/// which the other steps are timed.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long the server may take to end.
const CLOSING: Duration = Duration::from_secs(1);

/// A server with its account behind it. The files go when it is dropped.
pub(super) struct DemoStage {
    simulator: Simulator,
    pub(super) listener: ClientListener,
    pub(super) engine: Engine,
    _scratch: TemporaryDirectory,
}

/// Starts the account.
pub(super) async fn simulate(instances: usize) -> anyhow::Result<Simulator> {
    let options = simulator::Options { instances, stop_delay: STOPPING, ..simulator::Options::default() };
    Ok(Simulator::start(options).await?)
}

impl DemoStage {
    /// Starts the server that watches the account.
    pub(super) async fn open(simulator: Simulator) -> anyhow::Result<Self> {
        let scratch = TemporaryDirectory::make()?;
        let given = Given {
            data_dir: Some(scratch.path().to_owned()),
            region: Some(simulator.region().to_owned()),
            writes: WritePolicy::of(true),
            list: Some(ListMode::All),
            intervals: vec![Interval { kind: INSTANCE.slug.to_owned(), every: INTERVAL }],
            ..Given::default()
        };
        let kinds: Vec<&str> = KINDS.iter().map(|spec| spec.slug).collect();
        let merged = Config::merge(given, &Environment::default(), &kinds)?;
        let config = Config { emulator: Some(simulator.endpoint()), ..merged };
        let listener = ClientListener::new(&config, ServerProcess::inner(config.writes.clone()));
        let engine = Engine::open(&config, engine::hub()).await?;
        listener.open(engine.core().clone());
        Ok(DemoStage { simulator, listener, engine, _scratch: scratch })
    }

    /// The account and region that are watched.
    pub(super) fn scope(&self) -> Scope {
        let options = simulator::Options::default();
        Scope { account: AccountId::new(options.account), region: Region::new(self.simulator.region()) }
    }

    /// Connects a client, the way `muster mcp` connects.
    pub(super) async fn connect(&self) -> anyhow::Result<McpClient> {
        let (ours, theirs) = UnixStream::pair().context("no socket pair")?;
        self.listener.receive(theirs);
        let Attached { reader, writer, .. } =
            attach::shake_hands(ours, &ConnectionTerms::of_writes(true), None).await?;
        Ok(McpClient::connect(reader, writer).await?)
    }

    /// Ends everything, in the order in which a server does.
    pub(super) async fn strike(self) {
        tokio::join!(self.listener.close(CLOSING), self.engine.quiesce(CLOSING));
        let hung = self.engine.close().await;
        if !hung.is_empty() {
            tracing::warn!(?hung, "not waited for");
        }
        self.simulator.stop().await;
    }
}
