//! Which instances tools have changed lately, for the rules that cap their number.
//!
//! The log tells: each action is recorded before AWS is called. So a client that connects again, and a server that starts again,
//! find the same count. What a server caps counts whoever made the change, and what a connection caps counts the changes of its client,
//! by the name that it gives itself, and those of the connection, whatever name its client gave itself then; a record that names nobody
//! counts for everybody. A call that was let through and is not recorded yet counts as well, until the log has been read up to a record
//! after its end; so calls at the same moment cannot pass a cap together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::{Event, LogId, Principal, ResourceId, Seq, Timestamp};
use crate::policy::TouchedInstances;
use crate::store::{ReadError, Store};

/// How many records are read at once.
const CHUNK: usize = 1_000;
/// How much further back the log is read than is asked for, so that a correction of the clock asks for nothing that was not read.
const SLACK: Duration = Duration::from_mins(1);

/// The instances that tools have changed, as far as caps look back. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct TouchBook(Arc<SharedTouches>);

#[derive(Debug, Default)]
struct SharedTouches {
    read: Mutex<ReadTouches>,
    /// Locked for moments only, and after `read` where both are.
    admitted: Mutex<Vec<AdmittedTouch>>,
}

/// What the log says, up to a record.
#[derive(Debug, Default)]
struct ReadTouches {
    log: Option<LogId>,
    /// The longest time that was asked for.
    span: Duration,
    /// From when on the log was read.
    from: Timestamp,
    next: Seq,
    known_since: Option<Timestamp>,
    last: BTreeMap<(Toucher, String), Timestamp>,
}

/// Who changed something, in whatever version; `None`: that is not known.
type Toucher = Option<Principal>;

/// A call that was let through.
#[derive(Debug)]
struct AdmittedTouch {
    number: u64,
    by: Toucher,
    instances: Vec<String>,
    at: Timestamp,
    /// The newest record when it had ended: once the log has been read up to that one, the log speaks for it.
    ended: Option<Seq>,
}

/// The instances that were changed lately, as the caps of a server and those of a connection count them.
#[derive(Clone, Debug, Default)]
pub struct TouchedLately {
    /// Those of everybody.
    pub by_server: TouchedInstances,
    /// Those of the same client, and those of the same connection.
    pub by_connection: TouchedInstances,
}

/// Counts the instances of a call that was let through, until it is dropped and the log has been read.
pub struct Admission {
    book: TouchBook,
    store: Store,
    number: u64,
}

impl TouchBook {
    /// Lets `decide` say which instances may be changed, by those that were changed within `span` before `now`, and counts these from
    /// then on. Reads the log, so it runs where that delays nobody.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn admit<T>(
        &self,
        store: &Store,
        span: Duration,
        now: Timestamp,
        by: Option<&Principal>,
        decide: impl FnOnce(&mut TouchedLately) -> (Vec<String>, T),
    ) -> Result<(Option<Admission>, T), ReadError> {
        // Caps count what everybody changed.
        let store = &store.of_the_server();
        let mut read = self.0.read.lock();
        read.update(store, span, now)?;
        let mut admitted = self.0.admitted.lock();
        admitted.retain(|touch| touch.ended.is_none_or(|ended| ended >= read.next));
        let nothing = TouchedInstances { known_since: read.known_since, ..TouchedInstances::default() };
        let mut touched = TouchedLately { by_server: nothing.clone(), by_connection: nothing };
        for ((toucher, id), at) in &read.last {
            touched.add(toucher.as_ref(), by, id, *at);
        }
        for touch in admitted.iter() {
            for id in &touch.instances {
                touched.add(touch.by.as_ref(), by, id, touch.at);
            }
        }
        let (instances, decided) = decide(&mut touched);
        if instances.is_empty() {
            return Ok((None, decided));
        }
        let number = fastrand::u64(..);
        admitted.push(AdmittedTouch { number, by: by.map(unversioned), instances, at: now, ended: None });
        Ok((Some(Admission { book: self.clone(), store: store.clone(), number }), decided))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        // Where the log cannot be read now, the instances go on to count.
        let Ok(snapshot) = self.store.snapshot() else { return };
        let mut admitted = self.book.0.admitted.lock();
        if let Some(touch) = admitted.iter_mut().find(|touch| touch.number == self.number) {
            touch.ended = Some(snapshot.seq());
        }
    }
}

/// The same client in whatever version.
fn unversioned(by: &Principal) -> Principal {
    Principal { version: None, ..by.clone() }
}

impl TouchedLately {
    /// Counts a change by `toucher` for whom it counts, of those that `by` belongs to.
    fn add(&mut self, toucher: Option<&Principal>, by: Option<&Principal>, id: &str, at: Timestamp) {
        let is_theirs = match (toucher, by) {
            (Some(toucher), Some(by)) => toucher.is_same_client(by) || toucher.is_same_session(by),
            _ => true,
        };
        for (touched, counts) in [(&mut self.by_server, true), (&mut self.by_connection, is_theirs)] {
            if counts {
                let last = touched.last.entry(id.to_owned()).or_insert(at);
                *last = at.max(*last);
            }
        }
    }

    /// Counts a change that was let through.
    pub fn note(&mut self, id: &str, at: Timestamp) {
        self.add(None, None, id, at);
    }
}

impl ReadTouches {
    /// Reads what the log holds of the `span` before `now`.
    fn update(&mut self, store: &Store, span: Duration, now: Timestamp) -> Result<(), ReadError> {
        let snapshot = store.snapshot()?;
        let span = self.span.max(span);
        if self.log != Some(snapshot.log_id()) || now - span < self.from {
            let from = now - span - SLACK;
            let (next, known_since) = match snapshot.seq_at(from)? {
                Some(seq) => (seq.next(), Some(from)),
                None if snapshot.horizon() == Seq::ZERO => (Seq::ZERO.next(), None),
                None => (snapshot.horizon().next(), snapshot.earliest()?),
            };
            *self = ReadTouches { log: Some(snapshot.log_id()), span, from, next, known_since, last: BTreeMap::new() };
        }
        drop(snapshot);
        loop {
            // Each time a new one: none may live long.
            let snapshot = store.snapshot()?;
            let records = snapshot.records(self.next, CHUNK)?;
            let end = match records.last() {
                Some(last) => last.seq.next(),
                None => snapshot.seq().next().max(self.next),
            };
            let mut expected = self.next;
            for record in &records {
                if record.seq != expected {
                    self.known_since = self.known_since.max(Some(record.recorded_at));
                }
                expected = record.seq.next();
                if let Event::ActionRequested { targets, by, .. } = &record.event {
                    self.note(by.as_ref().map(unversioned).as_ref(), targets, record.recorded_at);
                }
            }
            if expected != end {
                // Records that cannot be read are left out, and could be of any action.
                self.known_since = self.known_since.max(Some(now));
            }
            self.next = end;
            if records.is_empty() {
                break;
            }
        }
        self.from = self.from.max(now - self.span - SLACK);
        self.last.retain(|_, at| *at > self.from);
        Ok(())
    }

    fn note(&mut self, by: Option<&Principal>, targets: &[ResourceId], at: Timestamp) {
        for target in targets {
            let last = self.last.entry((by.cloned(), target.id.to_string())).or_insert(at);
            *last = at.max(*last);
        }
    }
}

#[cfg(test)]
mod tests;
