//! What ends a server, and what of its flags outlasts it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::stop_order::{NextProgram, StopOrder, StopOrders};
use crate::connection::kept_rules::KeptRules;
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
                // That one overwrites the record of the flags, once it has taken the lock.
                tracing::info!("stopping, to make room for the server of a service");
                announce_successor(&self.lock);
                ServerEnd::Stopped
            }
            StopOrder::Restart(next) => {
                tracing::info!(?next, "stopping, to start again");
                // The record goes on to say which flags this one has, until the next one writes which it has.
                announce_successor(&self.lock);
                ServerEnd::Again(next)
            }
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

/// Leaves a record of the flags, for when this server dies. Where it cannot be written, that of a server before, which may have permitted
/// more, does not stay.
pub(super) fn note_flags(record: &ServingRecord, data_dir: &Path) {
    let lost = "should this server die, the next one will not have its flags";
    let written = if record.arguments.is_empty() {
        tracing::warn!("an argument is not UTF-8: {lost}");
        false
    } else {
        record.write(data_dir).inspect_err(|error| tracing::warn!(%error, "{lost}")).is_ok()
    };
    if !written {
        forget(data_dir);
    }
}

/// Keeps the rules for writes of a server that a person started, or gave its flags, for when it ends: `flags` are those of the rules. A
/// server that permits no writes says nothing about rules.
pub(super) fn keep_rules(permits_writes: bool, flags: &[String], data_dir: &Path) {
    let kept = match flags {
        _ if !permits_writes => return,
        [] => KeptRules::forget(data_dir).map(drop),
        flags => KeptRules { flags: flags.to_vec() }.write(data_dir),
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "once this server has ended, the next one may have other rules for writes");
    }
}

/// Leaves what was `known` before, where a server ends that has not begun to serve.
pub(super) fn put_back(known: Option<&ServingRecord>, data_dir: &Path) {
    match known {
        Some(known) => note_flags(known, data_dir),
        None => forget(data_dir),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::serving_record::DETACHED;

    fn record(flags: &[&str]) -> ServingRecord {
        let arguments = [&DETACHED[..], flags].concat().into_iter().map(str::to_owned).collect();
        ServingRecord { arguments, http: None, is_chosen: false }
    }

    #[test]
    fn rules_stay_until_a_server_that_permits_writes_has_others() {
        let dir = tempfile::tempdir().unwrap();
        let flags = ["--allow-writes", "--require-human"].map(str::to_owned);
        keep_rules(true, &flags, dir.path());
        keep_rules(false, &[], dir.path());
        assert_eq!(KeptRules::read(dir.path()), Some(KeptRules { flags: flags.to_vec() }));
        keep_rules(true, &[], dir.path());
        assert_eq!(KeptRules::read(dir.path()), None);
    }

    #[test]
    fn the_flags_of_an_earlier_server_do_not_stay_where_those_of_this_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let (broad, narrow) = (record(&["--allow-writes"]), record(&[]));
        note_flags(&broad, dir.path());
        note_flags(&narrow, dir.path());
        assert_eq!(ServingRecord::read(dir.path()).as_ref(), Some(&narrow));
        put_back(Some(&broad), dir.path());
        assert_eq!(ServingRecord::read(dir.path()).as_ref(), Some(&broad));
        // As where an argument is not UTF-8.
        note_flags(&ServingRecord { arguments: Vec::new(), ..narrow.clone() }, dir.path());
        assert_eq!(ServingRecord::read(dir.path()), None);
        note_flags(&broad, dir.path());
        std::fs::create_dir(dir.path().join(format!("serving.json.{}", std::process::id()))).unwrap();
        note_flags(&narrow, dir.path());
        assert_eq!(ServingRecord::read(dir.path()), None, "it cannot be written");
    }
}
