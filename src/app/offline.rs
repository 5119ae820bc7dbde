//! A store without a server: opened under the lock, read by the same code that serves clients.
//!
//! No byte of the file changes, and a file or directory that this user cannot write can be read. Nothing is swept, refreshed or
//! recorded here, and AWS cannot be asked: the connection leads nowhere. Every answer says that no server runs.

use std::sync::Arc;

use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::engine;
use crate::audit::AuditProgress;
use crate::aws::{Aws, AwsSettings};
use crate::config::Config;
use crate::connection::data_dir::{self, DataDirError};
use crate::connection::lock::{Lock, LockError};
use crate::freshness::Signal;
use crate::ingest::Ingest;
use crate::kinds::{self, KINDS};
use crate::mcp::Core;
use crate::mcp::key_book::KeyBook;
use crate::mcp::touched::TouchBook;
use crate::model::{Trouble, TroubleClass};
use crate::query::changes::BaselineRuns;
use crate::query::prices::PricesError;
use crate::store::{self, OpenError, ReadError, Untouched};
use crate::telemetry;

/// An address where nothing can listen: no call may reach AWS.
const NOWHERE: &str = "http://127.0.0.1:0";

/// An open store that nobody writes to. No server can start on it meanwhile.
pub struct Offline {
    core: Arc<Core>,
    // What waits in its lanes would wait for ever: nothing runs it, and nothing is sent to it.
    _ingest: Ingest,
    // Dropped last.
    _lock: Option<Lock>,
}

/// Why the store is not open.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// There is no store, or the data directory cannot be looked into.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// Another process holds the store.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store opened but cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The prices that were given cannot be used.
    #[error(transparent)]
    Prices(#[from] PricesError),
    /// Opening panicked.
    #[error("opening the store failed by a fault of Muster or of the disk: run `muster log verify`")]
    Panicked(#[from] JoinError),
}

impl Offline {
    /// Opens the store in the data directory, if there is one.
    ///
    /// # Errors
    /// [`OfflineError`]. Nothing is made where there is no store.
    pub async fn open(config: &Config) -> Result<Self, OfflineError> {
        let prices = engine::given_prices(config)?;
        data_dir::require_store(&config.data_dir)?;
        let lock = Lock::take_to_read(&config.data_dir)?;
        let options = store::StoreOptions::new(&config.data_dir, kinds::project);
        let options = store::StoreOptions { reserve_bytes: config.keep_free, disk: Arc::new(Untouched), ..options };
        let aws = Aws::load(AwsSettings {
            emulator: Some(NOWHERE.to_owned()),
            secrets: config.aws_settings().secrets,
            ..AwsSettings::default()
        });
        let (opened, aws) = tokio::join!(spawn_blocking(move || store::open(options)), aws);
        let (writer, store) = opened??;
        let hub = engine::hub();
        let clock = aws.clock();
        let entries = KINDS.iter().map(|spec| engine::entry(spec, config)).collect();
        let stop = CancellationToken::new();
        let (ingest, handle, _wanted) = Ingest::new(writer, hub.clone(), Arc::clone(&clock), entries, stop)?;
        handle.signal(Signal::Aws(Some(Trouble {
            class: TroubleClass::Offline,
            what: "no server runs: this is what the store holds".to_owned(),
            fix: "Start `muster serve` to see what there is now".to_owned(),
            since: clock.now(),
            retry_at: None,
        })));
        let core = Arc::new(Core {
            store,
            ingest: handle,
            hub,
            aws,
            clock,
            tasks: TaskTracker::new(),
            looks: Arc::default(),
            touched: TouchBook::default(),
            baselines: BaselineRuns::default(),
            dropped_log_lines: telemetry::dropped,
            keys: KeyBook::default(),
            ends: Arc::default(),
            audit: AuditProgress::default(),
            prices,
        });
        Ok(Offline { core, _ingest: ingest, _lock: lock })
    }

    /// What requests need.
    #[must_use]
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }
}
