//! The faults that are set, and their effect on each call.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
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

/// The faults that are set. They can change at any time; a call in progress keeps those it began with.
#[derive(Debug)]
pub struct Board {
    seed: u64,
    set: RwLock<Arc<Set>>,
    walks: Mutex<Walks>,
    buckets: Mutex<Shelf>,
    /// Actions that a test made fail, and the refusals they get.
    failing: Mutex<BTreeMap<String, Refusal>>,
    /// Replacements that a test made in the answers of an action: the action, the text to find and the new text.
    rewritten: Mutex<Vec<(String, String, String)>>,
    struck: Mutex<BTreeMap<&'static str, u64>>,
    /// In milliseconds, shared with the world's clock.
    skew: Arc<AtomicI64>,
    /// The faults of events, shared with the bus.
    events: Arc<RwLock<EventFaults>>,
}

#[derive(Debug, Default)]
struct Set {
    faults: Faults,
    hide: Begun,
    lose_tags: Begun,
}

/// How many walks of each question had begun when a loss was set.
type Begun = HashMap<(u64, u64), u64>;

/// What the faults decide about a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    /// How long the answer is delayed.
    pub(crate) latency: Duration,
    pub(crate) fate: Fate,
    /// How a Describe call sees the account.
    pub(crate) view: View,
    /// The parameters without those that the call ignores; `None` when it ignores none.
    pub(crate) heard: Option<Params>,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The call is carried out and answered, perhaps with a damaged body.
    Answer(Option<Mangling>),
    Refuse(Refusal),
    /// The connection closes without an answer.
    Cut,
    /// The connection stays open without an answer.
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

    /// The faults that are set now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.set.read().faults.clone()
    }

    /// Replaces all faults. Losses that are limited to some sweeps count them again from the start.
    pub fn set(&self, faults: Faults) {
        let begun = self.walks.lock().begun();
        self.put(&mut self.set.write(), Set { faults, hide: begun.clone(), lose_tags: begun });
    }

    /// Changes the parts that `patch` names, like [`Faults::patched`]. A loss among them counts its sweeps again from
    /// the start.
    ///
    /// # Errors
    /// As [`Faults::patched`]. Nothing changes then.
    pub fn patch(&self, patch: &Value) -> Result<(), Invalid> {
        let begun = self.walks.lock().begun();
        // Locked until the end, so that two patches at once both take effect.
        let mut set = self.set.write();
        let faults = set.faults.patched(patch)?;
        let counted =
            |name: &str, before: &Begun| if patch.get(name).is_some() { begun.clone() } else { before.clone() };
        let (hide, lose_tags) = (counted("hide", &set.hide), counted("lose_tags", &set.lose_tags));
        self.put(&mut set, Set { faults, hide, lose_tags });
        Ok(())
    }

    /// Replaces the faults of events and keeps all others.
    pub(crate) fn set_events(&self, events: EventFaults) {
        let mut set = self.set.write();
        let faults = Faults { events, ..set.faults.clone() };
        let next = Set { faults, hide: set.hide.clone(), lose_tags: set.lose_tags.clone() };
        self.put(&mut set, next);
    }

    /// How often each fault struck, by its name in [`Faults`]. Most count calls; `lag`, `hide`, `lose_tags` and
    /// `stuck_snapshots` count answered calls that could show their effect.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.struck.lock().clone()
    }

    /// The difference of AWS's time from the machine's, in milliseconds, shared with the world's clock.
    pub(crate) fn skew(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.skew)
    }

    /// The faults of events, shared with the bus.
    pub(crate) fn events(&self) -> Arc<RwLock<EventFaults>> {
        Arc::clone(&self.events)
    }

    /// Makes `action` fail with `refusal` from now on, whatever faults are set. `None` lets it work again.
    pub(crate) fn script(&self, action: &str, refusal: Option<Refusal>) {
        let mut failing = self.failing.lock();
        match refusal {
            Some(refusal) => failing.insert(action.to_owned(), refusal),
            None => failing.remove(action),
        };
    }

    /// Replaces every `find` by `put` in the answers of `action`, until [`Board::restore`].
    pub fn rewrite(&self, action: &str, find: &str, put: &str) {
        self.rewritten.lock().push((action.to_owned(), find.to_owned(), put.to_owned()));
    }

    /// Whether a role of an account can be assumed by a caller that gives this external id.
    pub(crate) fn trusts(&self, arn: &str, account: &str, external_id: Option<&str>) -> bool {
        let trusted = self.set.read().faults.roles.trusts(arn, account, external_id);
        if !trusted {
            self.strike(Fault::Roles);
        }
        trusted
    }

    /// The most seconds that a session of a role lasts, if they are limited.
    pub(crate) fn session_seconds(&self) -> Option<u32> {
        self.set.read().faults.roles.session_seconds.map(NonZeroU32::get)
    }

    /// Ends all replacements in answers.
    pub fn restore(&self) {
        self.rewritten.lock().clear();
    }

    /// The body of an answer of `action`, after the replacements.
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
