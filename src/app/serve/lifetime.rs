//! What ends a server, and what of its flags outlasts it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::stop_order::{NextProgram, StopOrder, StopOrders};
use crate::connection::lock::Lock;
use crate::connection::serving_record::ServingRecord;

/// How a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEnd {
    /// The process ends as well.
    Stopped,
    /// The process is to become this program.
    Again(NextProgram),
}

/// What ends a server.
pub(super) struct Lifetime {
    pub(super) detached: bool,
    pub(super) idle_exit: Option<Duration>,
    pub(super) orders: StopOrders,
    pub(super) lock: Lock,
    pub(super) data_dir: PathBuf,
    /// What a front end is to go by, should this server die.
    pub(super) record: ServingRecord,
}

impl Lifetime {
    /// Waits for an order to end.
    pub(super) async fn ordered(&mut self) -> ServerEnd {
        let order = self.orders.next().await;
        self.heed(order)
    }

    /// Begins to end. A successor is announced before anything closes.
    pub(super) fn heed(&self, order: StopOrder) -> ServerEnd {
        match order {
            StopOrder::Signal(signal) => {
                tracing::info!(signal, "stopping");
                forget(&self.data_dir);
                ServerEnd::Stopped
            }
            StopOrder::Stop => {
                tracing::info!("stopping: `muster stop`");
                forget(&self.data_dir);
                ServerEnd::Stopped
            }
            StopOrder::GiveWay => {
                // That one overwrites the record of the flags, once it has taken the port.
                tracing::info!("stopping, to make room for the server of a service");
                announce_successor(&self.lock);
                ServerEnd::Stopped
            }
            StopOrder::Restart(next) => {
                tracing::info!(?next, "stopping, to start again");
                if next.arguments.is_some()
                    && let Err(error) = ServingRecord::choose(&self.data_dir)
                {
                    tracing::warn!(%error, "the new flags do not outlast the server");
                }
                announce_successor(&self.lock);
                ServerEnd::Again(next)
            }
        }
    }

    /// Leaves a record of the flags, for when this server dies.
    pub(super) fn note_flags(&self) {
        // Arguments that are not UTF-8 cannot be written down.
        let written = if self.record.arguments.is_empty() { Ok(()) } else { self.record.write(&self.data_dir) };
        if let Err(error) = written {
            tracing::warn!(%error, "should this server die, the next one will not have its flags");
        }
    }

    /// Nobody needs the server any more. Whoever comes next decides on the flags, unless a person did.
    pub(super) fn is_over(&self) -> ServerEnd {
        if ServingRecord::read(&self.data_dir).is_none_or(|record| !record.is_chosen) {
            forget(&self.data_dir);
        }
        ServerEnd::Stopped
    }
}

/// Forgets the flags of a server that ends because it is told to, or cannot serve.
pub(super) fn forget(data_dir: &Path) {
    if let Err(error) = ServingRecord::forget(data_dir) {
        tracing::warn!(%error, "the next server will have the flags of this one");
    }
}

/// Has front ends wait for the server that comes next, instead of starting one.
pub(super) fn announce_successor(lock: &Lock) {
    if let Err(error) = lock.announce_restart() {
        tracing::warn!(%error, "a front end may start a server before the next one has started");
    }
}
