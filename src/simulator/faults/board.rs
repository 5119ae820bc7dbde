//! The faults that are set, and what they do to each call.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use crate::simulator::bus::EventFaults;
use crate::simulator::dice::mix;
use crate::simulator::faults::bucket::Shelf;
use crate::simulator::faults::fault::Fault;
use crate::simulator::faults::walk::Walks;
use crate::simulator::faults::{Faults, Invalid, Mangling};
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::view::View;

mod judge;

/// The faults that are set. They can be changed at any time; calls under way keep those they began with.
#[derive(Debug)]
pub struct Board {
    seed: u64,
    set: RwLock<Arc<Set>>,
    walks: Mutex<Walks>,
    buckets: Mutex<Shelf>,
    /// Actions that a test told to fail.
    failing: Mutex<BTreeMap<String, Refusal>>,
    /// What a test told to be replaced in the answers of an action: one text by another.
    rewritten: Mutex<Vec<(String, String, String)>>,
    struck: Mutex<BTreeMap<&'static str, u64>>,
    /// In milliseconds; the world's clock reads it.
    skew: Arc<AtomicI64>,
    /// The bus reads them.
    events: Arc<RwLock<EventFaults>>,
}

#[derive(Debug, Default)]
struct Set {
    faults: Faults,
    hide: Begun,
    lose_tags: Begun,
}

/// How many walks of each question were begun when a loss was set.
type Begun = HashMap<(u64, u64), u64>;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    /// How long to wait first.
    pub(crate) latency: Duration,
    pub(crate) fate: Fate,
    /// What a describe sees.
    pub(crate) view: View,
    /// The parameters without those that the call ignores; `None` when it ignores none.
    pub(crate) heard: Option<Params>,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered, perhaps with a damaged body.
    Answer(Option<Mangling>),
    Refuse(Refusal),
    /// The connection closes without an answer.
    Cut,
    /// Nothing ever comes.
    Hang,
}

impl Board {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let board = Self {
            seed: mix(seed ^ 0x0066_6175_6c74_7300),
            set: RwLock::default(),
            walks: Mutex::default(),
            buckets: Mutex::default(),
            failing: Mutex::default(),
            rewritten: Mutex::default(),
            struck: Mutex::default(),
            skew: Arc::default(),
            events: Arc::default(),
        };
        board.set(faults);
        board
    }

    /// What is set now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.set.read().faults.clone()
    }

    /// Replaces all faults. Losses for some sweeps begin to count again.
    pub fn set(&self, faults: Faults) {
        let begun = self.walks.lock().begun();
        self.put(&mut self.set.write(), Set { faults, hide: begun.clone(), lose_tags: begun });
    }

    /// Changes the parts that `patch` names, as [`Faults::patched`] does; a loss among them begins to count its sweeps again.
    ///
    /// # Errors
    /// As [`Faults::patched`]; nothing is changed then.
    pub fn patch(&self, patch: &Value) -> Result<(), Invalid> {
        let begun = self.walks.lock().begun();
        // Held throughout: of two patches at once, both count.
        let mut set = self.set.write();
        let faults = set.faults.patched(patch)?;
        let counted =
            |name: &str, before: &Begun| if patch.get(name).is_some() { begun.clone() } else { before.clone() };
        let (hide, lose_tags) = (counted("hide", &set.hide), counted("lose_tags", &set.lose_tags));
        self.put(&mut set, Set { faults, hide, lose_tags });
        Ok(())
    }

    /// Sets what events suffer and leaves the rest.
    pub(crate) fn set_events(&self, events: EventFaults) {
        let mut set = self.set.write();
        let faults = Faults { events, ..set.faults.clone() };
        let next = Set { faults, hide: set.hide.clone(), lose_tags: set.lose_tags.clone() };
        self.put(&mut set, next);
    }

    /// How often each fault struck, by its name in [`Faults`]: calls, and for `lag`, `hide`, `lose_tags` and
    /// `stuck_snapshots` the answered calls that it could show in.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.struck.lock().clone()
    }

    /// How far AWS's time is from the machine's, in milliseconds, for a clock to share.
    pub(crate) fn skew(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.skew)
    }

    /// What events suffer, for the bus to share.
    pub(crate) fn events(&self) -> Arc<RwLock<EventFaults>> {
        Arc::clone(&self.events)
    }

    /// From now on `action` answers this, whatever is set; `None` lets it work again.
    pub(crate) fn script(&self, action: &str, refusal: Option<Refusal>) {
        let mut failing = self.failing.lock();
        match refusal {
            Some(refusal) => failing.insert(action.to_owned(), refusal),
            None => failing.remove(action),
        };
    }

    /// From now on every `find` in the answers of `action` reads `put`, until [`Board::restore`].
    pub fn rewrite(&self, action: &str, find: &str, put: &str) {
        self.rewritten.lock().push((action.to_owned(), find.to_owned(), put.to_owned()));
    }

    /// Answers are as they are again.
    pub fn restore(&self) {
        self.rewritten.lock().clear();
    }

    /// The body of an answer of `action` as it leaves.
    pub(crate) fn written(&self, action: &str, body: String) -> String {
        let rewritten = self.rewritten.lock();
        let of_action = rewritten.iter().filter(|(of, ..)| of == action);
        of_action.fold(body, |body, (_, find, put)| body.replace(find, put))
    }

    fn put(&self, held: &mut Arc<Set>, next: Set) {
        self.skew.store(next.faults.clock.skew.millis(), Ordering::SeqCst);
        *self.events.write() = next.faults.events.clone();
        *held = Arc::new(next);
    }

    fn strike(&self, fault: Fault) {
        *self.struck.lock().entry(fault.name()).or_default() += 1;
    }
}
