//! Which instances tools have changed lately, for the rules that cap their number.
//!
//! The log tells: each action is recorded before AWS is called. So a client that connects again, and a server that starts again,
//! find the same count. A call that was let through and is not recorded yet counts as well, until the log has been read up to a
//! record after its end; so calls at the same moment cannot pass a cap together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::{Event, LogId, ResourceId, Seq, Timestamp};
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
    last: BTreeMap<String, Timestamp>,
}

/// A call that was let through.
#[derive(Debug)]
struct AdmittedTouch {
    number: u64,
    instances: Vec<String>,
    at: Timestamp,
    /// The newest record when it had ended: once the log has been read up to that one, the log speaks for it.
    ended: Option<Seq>,
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
        decide: impl FnOnce(&mut TouchedInstances) -> (Vec<String>, T),
    ) -> Result<(Option<Admission>, T), ReadError> {
        let mut read = self.0.read.lock();
        read.update(store, span, now)?;
        let mut admitted = self.0.admitted.lock();
        admitted.retain(|touch| touch.ended.is_none_or(|ended| ended >= read.next));
        let mut touched = TouchedInstances { last: read.last.clone(), known_since: read.known_since };
        for touch in admitted.iter() {
            touched.last.extend(touch.instances.iter().map(|id| (id.clone(), touch.at)));
        }
        let (instances, decided) = decide(&mut touched);
        if instances.is_empty() {
            return Ok((None, decided));
        }
        let number = fastrand::u64(..);
        admitted.push(AdmittedTouch { number, instances, at: now, ended: None });
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
                if let Event::ActionRequested { targets, .. } = &record.event {
                    self.note(targets, record.recorded_at);
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

    fn note(&mut self, targets: &[ResourceId], at: Timestamp) {
        for target in targets {
            let last = self.last.entry(target.id.to_string()).or_insert(at);
            *last = at.max(*last);
        }
    }
}

#[cfg(test)]
mod tests;
