//! A whole server in one test: a simulated AWS, a store in a temporary directory, the writer loop, and clients.

mod limited;
pub(in crate::mcp) mod raw_client;

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{InitializeRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService, Service};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::McpClient;
use super::server::Link;
use super::touched::TouchBook;
use super::transport::serve_stream;
use super::{Core, ListMode, McpServer, Readiness, ServerPolicy};
use crate::audit::AuditProgress;
use crate::aws::scripted;
use crate::freshness::{ScopeFreshness, Signal};
use crate::ingest::{Ingest, KindEntry};
use crate::kinds::{self, KINDS, KindSpec};
use crate::mcp::key_book::KeyBook;
use crate::model::fixtures::scope;
use crate::model::{ErrorClass, Scope, SweepMessage, SweepStep, Trouble};
use crate::notify::ChangeHub;
use crate::policy::WritePolicy;
use crate::query::changes::BaselineRuns;
use crate::simulator::{self, Simulator};
use crate::store;
use crate::store::disk::memory::Memory;

pub(super) struct World {
    pub(super) simulator: Simulator,
    pub(super) core: Arc<Core>,
    pub(super) server: McpServer,
    pub(super) readiness: watch::Sender<Readiness>,
    pub(super) stop: CancellationToken,
    _dir: TempDir,
    _writer: JoinHandle<()>,
}

impl World {
    /// Everything but the first sweep.
    pub(super) async fn unswept(options: simulator::Options, list: ListMode) -> Self {
        let simulator = Simulator::start(options).await.expect("a simulator");
        Self::around(simulator, list, tempfile::tempdir().expect("a directory"))
    }

    /// Everything but the first sweep, over the connection that `connect` makes to the simulator's endpoint, or to another.
    pub(super) async fn connected(options: simulator::Options, connect: impl FnOnce(&str) -> crate::aws::Aws) -> Self {
        let simulator = Simulator::start(options).await.expect("a simulator");
        let aws = connect(&simulator.endpoint());
        World::stored(simulator, aws, ListMode::Auto, tempfile::tempdir().expect("a directory"), &|options| options)
    }

    /// The same on a disk in memory.
    pub(super) async fn connected_on(disk: &Memory, connect: impl FnOnce(&str) -> crate::aws::Aws) -> Self {
        let simulator = Simulator::start(simulator::Options { instances: 1, ..fast() }).await.expect("a simulator");
        let aws = connect(&simulator.endpoint());
        let on_disk = |options| store::StoreOptions { disk: Arc::new(disk.clone()), ..options };
        World::stored(simulator, aws, ListMode::Auto, tempfile::tempdir().expect("a directory"), &on_disk)
    }

    fn around(simulator: Simulator, list: ListMode, dir: TempDir) -> Self {
        let aws = scripted::at(&simulator.endpoint());
        World::stored(simulator, aws, list, dir, &|options| options)
    }

    /// On a disk in memory, and with next to no cache: what is read comes from the disk.
    pub(super) async fn on(disk: &Memory) -> Self {
        let simulator = Simulator::start(simulator::Options { instances: 12, ..fast() }).await.expect("a simulator");
        let aws = scripted::at(&simulator.endpoint());
        let on_disk = |options| store::StoreOptions { cache_bytes: 0, disk: Arc::new(disk.clone()), ..options };
        let dir = tempfile::tempdir().expect("a directory");
        let world = World::stored(simulator, aws, ListMode::Auto, dir, &on_disk);
        world.sweep().await;
        world
    }

    /// A swept account, over a store that an earlier server left in `dir`.
    pub(super) async fn over(dir: TempDir) -> Self {
        let options = simulator::Options { instances: 12, ..fast() };
        let world = Self::around(Simulator::start(options).await.expect("a simulator"), ListMode::Auto, dir);
        world.sweep().await;
        world
    }

    fn stored(
        simulator: Simulator,
        aws: crate::aws::Aws,
        list: ListMode,
        dir: TempDir,
        options: &dyn Fn(store::StoreOptions) -> store::StoreOptions,
    ) -> Self {
        let (writer, store) =
            store::open(options(store::StoreOptions::new(dir.path(), kinds::project))).expect("a store");
        store.build_index().expect("an index");
        let parts = KINDS.iter().filter_map(|part| Some((part.kind(), kinds::by_slug(part.status_of?)?.kind())));
        let hub = ChangeHub::new(parts.collect());
        let entries = KINDS.iter().map(|kind| KindEntry {
            kind: kind.kind(),
            rules: kind.rules(),
            interval: kind.interval,
            event_rules: None,
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (ingest, handle, _) =
            Ingest::new(writer, hub.clone(), aws.clock(), entries.collect(), stop.clone()).expect("a loop");
        let runtime = tokio::runtime::Handle::current();
        // It ends with the test, when its directory may be gone already.
        let writer = tokio::task::spawn_blocking(move || drop(ingest.run(&runtime)));
        let core = Arc::new(Core {
            store,
            ingest: handle,
            hub,
            clock: aws.clock(),
            aws,
            tasks: tasks.clone(),
            looks: Arc::default(),
            touched: TouchBook::default(),
            baselines: BaselineRuns::default(),
            dropped_log_lines: || 0,
            keys: KeyBook::default(),
            ends: Arc::default(),
            audit: AuditProgress::default(),
            prices: None,
        });
        let (readiness, ready) = watch::channel(Readiness::Ready(Arc::clone(&core)));
        let server =
            McpServer::new(ready, ServerPolicy { list, ..ServerPolicy::permitting(true) }, tasks, stop.clone());
        World { simulator, core, server, readiness, stop, _dir: dir, _writer: writer }
    }

    /// A swept account of a few instances.
    pub(super) async fn small() -> Self {
        Self::swept(simulator::Options { instances: 12, ..fast() }, ListMode::Auto).await
    }

    pub(super) async fn swept(options: simulator::Options, list: ListMode) -> Self {
        let world = Self::unswept(options, list).await;
        world.sweep().await;
        world
    }

    /// One complete sweep of every kind.
    pub(super) async fn sweep(&self) {
        let begun = self.core.now();
        for kind in KINDS {
            self.sweep_kind(kind, usize::MAX).await;
        }
        // Steps are handed over, not waited for.
        let is_done = |state: &ScopeFreshness| state.complete.is_some_and(|swept| swept.started >= begun);
        while self.core.ingest.freshness().scopes().iter().filter(|state| is_done(state)).count() < KINDS.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sweeps one kind; not to its end when there are more than `pages`.
    pub(super) async fn sweep_kind(&self, kind: &'static KindSpec, pages: usize) {
        let Core { aws, ingest, clock, .. } = &*self.core;
        if ingest.freshness().of(&scope(), &kind.kind()).is_none() {
            ingest.signal(Signal::Expected { scope: scope(), kind: kind.kind(), interval: kind.interval });
        }
        let send = |step| ingest.sweep(SweepMessage { scope: scope(), kind: kind.kind(), step });
        send(SweepStep::Started { at: clock.now() }).await.expect("a running loop");
        let mut token: Option<String> = None;
        for _ in 0..pages {
            let page = aws.page(&scope(), kind, token.take()).await.expect("a page");
            token.clone_from(&page.next);
            send(SweepStep::Page(page)).await.expect("a running loop");
            if token.is_none() {
                send(SweepStep::Completed { ended: clock.now() }).await.expect("a running loop");
                return;
            }
        }
    }

    /// A complete sweep of a kind in another scope, which shows there what the own account holds.
    pub(super) async fn sweep_in(&self, scope: &Scope, kind: &'static KindSpec) {
        let Core { aws, ingest, clock, .. } = &*self.core;
        ingest.signal(Signal::Expected { scope: scope.clone(), kind: kind.kind(), interval: kind.interval });
        let page = aws.page(&self::scope(), kind, None).await.expect("a page");
        for step in
            [SweepStep::Started { at: clock.now() }, SweepStep::Page(page), SweepStep::Completed { ended: clock.now() }]
        {
            ingest.sweep(SweepMessage { scope: scope.clone(), kind: kind.kind(), step }).await.expect("a running loop");
        }
        self.until(scope, kind, |state| state.complete.is_some()).await;
    }

    /// A sweep of a kind in another scope that fails.
    pub(super) async fn fail_in(&self, scope: &Scope, kind: &'static KindSpec, what: &str) {
        let Core { ingest, clock, .. } = &*self.core;
        ingest.signal(Signal::Expected { scope: scope.clone(), kind: kind.kind(), interval: kind.interval });
        let fix = "Allow it in the IAM policy".to_owned();
        let trouble = Trouble {
            class: ErrorClass::Denied.into(),
            what: what.to_owned(),
            fix,
            since: clock.now(),
            retry_at: None,
        };
        for step in [SweepStep::Started { at: clock.now() }, SweepStep::Failed { trouble }] {
            ingest.sweep(SweepMessage { scope: scope.clone(), kind: kind.kind(), step }).await.expect("a running loop");
        }
        self.until(scope, kind, |state| state.trouble.is_some()).await;
    }

    /// Waits until a (scope, kind) is so.
    async fn until(&self, scope: &Scope, kind: &KindSpec, is_so: impl Fn(&ScopeFreshness) -> bool) {
        while !self.core.ingest.freshness().of(scope, &kind.kind()).is_some_and(|state| is_so(&state)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A client of the modern era.
    pub(super) async fn client(&self, writes: bool) -> McpClient {
        self.client_with(WritePolicy::of(writes)).await
    }

    /// A client of the modern era with these rules of its own.
    pub(super) async fn client_with(&self, writes: WritePolicy) -> McpClient {
        let (read, write) = tokio::io::split(self.connect_with(writes));
        McpClient::connect(read, write).await.expect("a connection")
    }

    /// A client of the older era.
    pub(super) async fn legacy<S: Service<RoleClient>>(&self, handler: S) -> RunningService<RoleClient, S> {
        let stream = self.connect(true);
        handler.serve_with_lifecycle(stream, ClientLifecycleMode::Initialize).await.expect("a connection")
    }

    /// The far end of a connection that is being served.
    pub(super) fn connect(&self, writes: bool) -> tokio::io::DuplexStream {
        self.connect_with(WritePolicy::of(writes))
    }

    fn connect_with(&self, writes: WritePolicy) -> tokio::io::DuplexStream {
        self.connect_over(Link::socket(writes, Vec::new()))
    }

    /// The far end of this connection, which is being served.
    #[expect(clippy::disallowed_methods, reason = "the server runs beside the test that is its client")]
    pub(super) fn connect_over(&self, link: Link) -> tokio::io::DuplexStream {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let server = self.server.clone();
        tokio::spawn(async move {
            let (read, write) = tokio::io::split(far);
            Box::pin(serve_stream(&server, link, read, write)).await
        });
        near
    }

    /// The id of an instance in a state.
    pub(super) async fn instance(&self, client: &McpClient, state: &str) -> String {
        let filters = serde_json::json!({"filters": {"instance-state-name": [state]}, "limit": 1});
        let found = client.call("search_inventory", filters).await.expect("a search");
        let found = found.structured_content.expect("rows");
        found["rows"][0]["id"].as_str().unwrap_or_else(|| panic!("no {state} instance: {found}")).to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An account that does at once what AWS takes minutes for.
pub(super) fn fast() -> simulator::Options {
    simulator::Options {
        start_delay: Duration::from_millis(300),
        stop_delay: Duration::from_millis(300),
        initializing: Duration::from_millis(300),
        stopped_percent: 25,
        terminated_percent: 0,
        ..simulator::Options::default()
    }
}

/// What a legacy client says of itself.
pub(super) fn hello() -> InitializeRequestParams {
    InitializeRequestParams::default().with_protocol_version(ProtocolVersion::V_2025_11_25)
}

/// The text of a tool's answer.
pub(super) fn text(result: &rmcp::model::CallToolResult) -> &str {
    result.content.first().and_then(|content| content.as_text()).map_or("", |text| text.text.as_str())
}

/// The structured content of a tool's answer that succeeded.
pub(super) fn data(result: rmcp::model::CallToolResult) -> Value {
    assert_ne!(result.is_error, Some(true), "{}", text(&result));
    result.structured_content.expect("structured content")
}
