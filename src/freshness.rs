//! How fresh the copy is, scope by scope and kind by kind. Not event-sourced: an unchanged sweep writes nothing.

pub mod counts;
pub mod path;
pub mod unread;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::freshness::counts::EventCounts;
use crate::freshness::path::{EventPath, Listening, Unproved};
use crate::freshness::unread::Unread;
use crate::model::{
    Canary, Group, GroupEvidence, Kind, ResourceId, Scope, SharedClock, Timestamp, Trouble, UnreadableItem,
};
use crate::reconcile::guard::{HeldBack, Hold};
use crate::reconcile::{Lacked, Memory, credible};
use crate::store::Watermark;

/// A sweep that ended complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// When its first request was sent.
    pub started: Timestamp,
    /// When its last answer arrived.
    pub ended: Timestamp,
}

/// How events slow the sweeps of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relaxed {
    /// From one sweep's start to the next one's while events are proved to tell of every change; never below the kind's interval.
    pub every: Duration,
    /// The slugs of the rules that together do.
    pub told_by: &'static [&'static str],
    /// That of them through which calls come: it does only where a trail logs.
    pub trail: Option<&'static str>,
}

/// What events are to the sweeps of one (scope, kind) at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// From one sweep's start to the next one's while they are proved to arrive.
    pub every: Duration,
    /// From when until when they are proved to tell of every change, if they ever were; the end may have passed.
    pub cover: Option<(Timestamp, Timestamp)>,
    /// Why they are not proved to arrive; `None` while they are.
    pub unproved: Option<Unproved>,
}

/// The state of one (scope, kind).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeFreshness {
    /// Which scope.
    pub scope: Scope,
    /// Which kind.
    pub kind: Kind,
    /// Since when it is no longer watched, because the regions that are watched were chosen anew; `None` while it is.
    pub unwatched_since: Option<Timestamp>,
    /// From one sweep's start to the next one's, unless events allow it to be longer.
    pub interval: Duration,
    /// What events are to it; `None` where they are not listened to, or there are changes of the kind that no event tells of.
    pub told: Option<Told>,
    /// The last complete sweep, of this process or an earlier one.
    pub complete: Option<Swept>,
    /// Whether a sweep completed since this process started.
    pub swept_now: bool,
    /// When the running sweep started.
    pub running_since: Option<Timestamp>,
    /// How many resources the running or last sweep has shown.
    pub seen: u64,
    /// What the last attempt failed with, until one succeeds.
    pub trouble: Option<Trouble>,
    /// What the sweep under way failed with last: it goes on, and asks again.
    pub stumble: Option<Trouble>,
    /// The optional parameters that the last complete sweep was made without, because the endpoint does not know them.
    pub left_out: Vec<&'static str>,
    /// What is listed and cannot be read.
    pub unreadable: Arc<Unread>,
    /// Resources that the last complete sweep lacked, and that are not proved gone.
    pub missing: u64,
    /// Those that vanished all at once in the last complete sweep, and are not believed to be gone.
    pub held: Option<HeldBack>,
    /// When the last complete sweep started that lacked nothing and showed nothing doubtful: everything listed was known to be
    /// so at this time or later.
    pub settled: Option<Timestamp>,
}

impl ScopeFreshness {
    /// Until when answers from this scope are fresh if nothing more is seen; `None` when they never were in this process.
    ///
    /// Stale means: the last complete sweep started longer ago than one interval and twice its own duration. While events are proved
    /// to tell of every change since it started, the interval is the longer one; when the proof ends, the normal one holds at once.
    #[must_use]
    pub fn fresh_until(&self) -> Option<Timestamp> {
        let complete = self.complete.filter(|_| self.swept_now && self.unwatched_since.is_none())?;
        let until = |interval: Duration| complete.started + interval + 2 * complete.ended.since(complete.started);
        let told = self.told_since(complete).map(|(told, proved)| until(told.every).min(proved));
        Some(told.map_or_else(|| until(self.interval), |told| told.max(until(self.interval))))
    }

    /// From one sweep's start to the next one's, as things are.
    #[must_use]
    pub fn pace(&self) -> Duration {
        let complete = self.complete.filter(|_| self.swept_now);
        let told = complete.and_then(|complete| self.told_since(complete)).filter(|(told, _)| told.unproved.is_none());
        told.map_or(self.interval, |(told, _)| told.every)
    }

    /// Until when events are proved to tell of every change since a sweep; may have passed.
    fn told_since(&self, swept: Swept) -> Option<(&Told, Timestamp)> {
        let told = self.told.as_ref()?;
        let (since, until) = told.cover?;
        (since <= swept.started).then_some((told, until))
    }

    /// When the last complete sweep started that left nothing open, as far as that can be said at `now`.
    #[must_use]
    pub fn settled_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.settled.filter(|settled| credible(*settled, now) == *settled)
    }

    /// What is failing: the last attempt, or the one under way.
    #[must_use]
    pub fn failing(&self) -> Option<&Trouble> {
        self.stumble.as_ref().or(self.trouble.as_ref())
    }

    /// Why answers from this scope may be out of date at `now`; `None` while they are fresh.
    #[must_use]
    pub fn stale(&self, now: Timestamp) -> Option<String> {
        if let Some(since) = self.unwatched_since {
            return Some(format!("no longer watched since {since}"));
        }
        let Some(complete) = self.complete else {
            return Some(match self.failing() {
                Some(trouble) => format!("never swept: {}", trouble.what),
                None if self.running_since.is_some() => format!("first sweep under way, {} seen", self.seen),
                None => "never swept to the end".to_owned(),
            });
        };
        if credible(complete.started, now) != complete.started {
            return Some("the last complete sweep is dated ahead of now, by a clock that was wrong".to_owned());
        }
        if self.fresh_until().is_some_and(|until| now <= until) {
            return None;
        }
        let age = now.since(complete.started).as_secs();
        if let (Some(unproved), None, true) =
            (self.told.as_ref().and_then(|told| told.unproved.as_ref()), self.failing(), self.swept_now)
        {
            return Some(format!("events are not proved to arrive: {unproved}; last complete sweep {age} s ago"));
        }
        Some(match (self.failing(), self.swept_now) {
            (Some(trouble), _) => format!("last complete sweep {age} s ago: {}", trouble.what),
            (None, false) => format!("not swept since the start; last complete sweep {age} s ago"),
            (None, true) => format!("last complete sweep {age} s ago, later than expected"),
        })
    }
}

/// What one (scope, kind) keeps in memory.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) state: ScopeFreshness,
    pub(crate) memory: Memory,
    /// How many the last complete sweep lacked too soon after other evidence of them.
    spared: u64,
    /// When the first complete sweep of this run started: a run is interrupted when a sweep comes later than expected.
    since: Option<Timestamp>,
    /// What the sweep under way shows and cannot be read.
    unread: Unread,
}

/// What the end of a sweep means for the run of watching that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// The scope was never swept before.
    First,
    /// Nobody looked for a while before it: the run before it ended so.
    Broken(Watermark),
    /// It is one more of its run.
    GoesOn,
}

/// When a resource was last seen as it is known, apart from its evidence. Taken before its body is read, so that a change
/// in between makes the answer look older, never newer, than it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenAt {
    /// The newest describe of this process that showed exactly what was known.
    confirmed: Option<Timestamp>,
    /// The start of an earlier process's last complete sweep, while this one has not looked.
    swept: Option<Timestamp>,
    /// When this was asked: what is dated ahead of it comes from a clock that was wrong, and counts as unknown.
    now: Timestamp,
}

impl SeenAt {
    /// The newest time at which everything served of the resource was known to be so.
    ///
    /// Never later than the truth: from the group with the oldest evidence, the newest describe that changed nothing, or
    /// the start of an earlier process's last sweep. That sweep says nothing of a resource with later evidence, nor of one
    /// recorded after it (`changed_at`) by an answer that came late, nor of a `provisional` one, which it may have contradicted.
    #[must_use]
    pub fn as_of(&self, evidence: &GroupEvidence, provisional: bool, changed_at: Timestamp) -> Timestamp {
        let at = |group| self.group_as_of(group, evidence, provisional, changed_at);
        Group::ALL.into_iter().map(at).min().unwrap_or_default()
    }

    /// The same of one group: never earlier than that of everything.
    #[must_use]
    pub fn group_as_of(
        &self,
        group: Group,
        evidence: &GroupEvidence,
        provisional: bool,
        changed_at: Timestamp,
    ) -> Timestamp {
        credible(evidence.of(group).at, self.now).max(self.whole(evidence, provisional, changed_at))
    }

    /// When all groups were known to be so at once.
    fn whole(&self, evidence: &GroupEvidence, provisional: bool, changed_at: Timestamp) -> Timestamp {
        match (self.confirmed, self.swept) {
            (Some(confirmed), _) => credible(confirmed, self.now),
            (None, Some(swept)) if !provisional && evidence.newest().max(changed_at) <= swept => {
                credible(swept, self.now)
            }
            (None, _) => Timestamp::EPOCH,
        }
    }
}

/// The shared view of freshness: written by the ingest loop, read by everybody. Clones share it.
#[derive(Clone)]
pub struct Freshness(Arc<Inner>);

struct Inner {
    scopes: RwLock<BTreeMap<(Scope, Kind), Watched>>,
    trouble: RwLock<Option<Trouble>>,
    /// How events reach each scope.
    paths: RwLock<BTreeMap<Scope, EventPath>>,
    /// The kinds whose every change events tell of.
    relaxed: HashMap<Kind, Relaxed>,
    clock: SharedClock,
    counts: EventCounts,
    /// Goes before what keeps AWS from being reached: without the store nothing else can be told.
    store_trouble: RwLock<Option<Trouble>>,
    version: watch::Sender<u64>,
    /// Counts how often somebody asked for what failed to be tried at once.
    tries: watch::Sender<u64>,
}

impl Freshness {
    /// `held` are the scopes that the store holds anything of: without a watermark they were never swept completely. `retired`
    /// are those that are no longer watched, and since when.
    pub(crate) fn new(
        watermarks: Vec<Watermark>,
        held: impl IntoIterator<Item = (Scope, Kind)>,
        intervals: &dyn Fn(&Kind) -> Duration,
        relaxed: HashMap<Kind, Relaxed>,
        retired: &BTreeMap<Scope, Timestamp>,
        clock: SharedClock,
    ) -> Self {
        let scopes = watermarks.into_iter().filter(|mark| mark.complete).map(|mark| {
            let complete = Some(Swept { started: mark.started, ended: mark.ended });
            let interval = intervals(&mark.kind);
            ((mark.scope.clone(), mark.kind.clone()), Watched::new(mark.scope, mark.kind, interval, complete))
        });
        let mut scopes: BTreeMap<(Scope, Kind), Watched> = scopes.collect();
        for (scope, kind) in held {
            let interval = intervals(&kind);
            let key = (scope.clone(), kind.clone());
            scopes.entry(key).or_insert_with(|| Watched::new(scope, kind, interval, None));
        }
        mark_unwatched(&mut scopes, retired);
        let scopes = RwLock::new(scopes);
        let (trouble, store_trouble) = (RwLock::new(None), RwLock::new(None));
        // Not from 0: a server may open its store a second time, and an answer kept of the first is none of the second.
        let version = watch::Sender::new(fastrand::u64(..u64::MAX / 2));
        let paths = RwLock::default();
        let counts = EventCounts::default();
        let tries = watch::Sender::new(0);
        Freshness(Arc::new(Inner { scopes, trouble, paths, relaxed, clock, counts, store_trouble, version, tries }))
    }

    /// Announces that (scope, kind) is going to be swept every `interval`. Until its first complete sweep every answer
    /// that depends on it is incomplete.
    pub fn expect(&self, scope: &Scope, kind: &Kind, interval: Duration) {
        let mut scopes = self.0.scopes.write();
        let watched = scopes
            .entry((scope.clone(), kind.clone()))
            .or_insert_with(|| Watched::new(scope.clone(), kind.clone(), interval, None));
        watched.state.interval = interval;
        drop(scopes);
        self.bump();
    }

    /// From now on exactly these scopes are no longer watched, each since then.
    pub(crate) fn retire(&self, retired: &BTreeMap<Scope, Timestamp>) {
        mark_unwatched(&mut self.0.scopes.write(), retired);
        self.bump();
    }

    /// Sets what keeps AWS as a whole from being reached (no credentials, no network), or clears it.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        *self.0.trouble.write() = trouble;
        self.bump();
    }

    /// Sets what keeps the store from being read and written, or clears it.
    pub(crate) fn set_store_trouble(&self, trouble: Option<Trouble>) {
        *self.0.store_trouble.write() = trouble;
        self.bump();
    }

    /// Notes that events are listened to in `scope`.
    pub fn listen(&self, scope: &Scope, listening: Listening) {
        let trouble = self.0.counts.read().troubles.remove(&*listening.queue);
        self.on_path(scope, |path| {
            path.listen(listening);
            path.receiving(trouble);
        });
        self.bump();
    }

    /// Notes why there is no queue to listen to in `scope`.
    pub fn miss(&self, scope: &Scope, why: Trouble) {
        self.on_path(scope, |path| path.miss(why));
        self.bump();
    }

    /// Notes that canaries that bear the date `at` are about to be put on the bus of `scope`.
    pub fn canaries_put(&self, scope: &Scope, at: Timestamp) {
        self.on_path(scope, |path| path.canaries_put(at, Instant::now()));
    }

    /// Notes what keeps canaries from being put on the bus of `scope`, or that nothing does.
    pub fn putting(&self, scope: &Scope, trouble: Option<Trouble>) {
        self.on_path(scope, |path| path.putting(trouble));
    }

    /// Notes what keeps the events of a queue from being received, or that nothing does.
    pub fn receiving(&self, queue: &str, trouble: Option<Trouble>) {
        for path in self.0.paths.write().values_mut() {
            if path.listening().is_some_and(|listening| *listening.queue == *queue) {
                path.receiving(trouble.clone());
            }
        }
        self.0.counts.set_trouble(queue, trouble);
        self.bump();
    }

    /// Notes that a canary came back, `at` in AWS time.
    pub fn canary_seen(&self, canary: &Canary, at: Timestamp) {
        if self.on_path(&canary.scope, |path| path.canary_seen(canary, at, Instant::now())) {
            self.bump();
        }
    }

    /// Notes that an event came of a call that a trail recorded, whatever became of the call; it was made `at`.
    pub fn call_seen(&self, scope: &Scope, at: Timestamp) {
        let ago = self.0.clock.now().since(at);
        if self.on_path(scope, |path| path.call_seen(at, ago, Instant::now())) {
            self.bump();
        }
    }

    /// Notes that a call, made `at`, may have changed a resource of `kind` without naming it.
    pub fn untold(&self, scope: &Scope, kind: Kind, at: Timestamp) {
        let at = at.min(self.0.clock.now());
        self.on_path(scope, |path| path.untold(kind, at));
        self.bump();
    }

    fn on_path<T>(&self, scope: &Scope, change: impl FnOnce(&mut EventPath) -> T) -> T {
        change(self.0.paths.write().entry(scope.clone()).or_default())
    }

    /// What became of the messages that were received. Clones count together.
    #[must_use]
    pub fn event_counts(&self) -> &EventCounts {
        &self.0.counts
    }

    /// How events reach each scope that they are listened to for.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<Scope, EventPath> {
        self.0.paths.read().clone()
    }

    /// How events reach one scope; `None` where they are not listened to.
    #[must_use]
    pub fn path(&self, scope: &Scope) -> Option<EventPath> {
        self.0.paths.read().get(scope).cloned()
    }

    /// From one sweep's start of (scope, kind) to the next one's, as things are.
    #[must_use]
    pub fn pace(&self, scope: &Scope, kind: &Kind) -> Duration {
        self.of(scope, kind).map_or(Duration::ZERO, |state| state.pace())
    }

    /// When what is proved of a scope's events turns next, if nothing comes any more.
    #[must_use]
    pub fn turns(&self, scope: &Scope) -> Option<Instant> {
        self.0.paths.read().get(scope)?.turns(Instant::now())
    }

    /// Asks whoever sweeps to try at once what failed.
    pub fn try_now(&self) {
        self.0.tries.send_modify(|count| *count += 1);
    }

    /// Changes when somebody asks for that.
    #[must_use]
    pub fn tries(&self) -> watch::Receiver<u64> {
        self.0.tries.subscribe()
    }

    /// What is wrong with a resource that is listed and cannot be read; `None` when it can be, or is not listed.
    #[must_use]
    pub fn unreadable(&self, id: &ResourceId) -> Option<(UnreadableItem, Timestamp)> {
        let scopes = self.0.scopes.read();
        let watched = scopes.get(&(id.scope(), id.kind.clone()))?;
        watched.state.unreadable.of(&id.id).map(|(item, since)| (item.clone(), since))
    }

    /// Announces that what is proved of events has turned with time.
    pub fn turned(&self) {
        self.bump();
    }

    /// What events are to the sweeps of (scope, kind) now.
    fn told(&self, scope: &Scope, kind: &Kind) -> Option<Told> {
        let relaxed = self.0.relaxed.get(kind)?;
        let paths = self.0.paths.read();
        let path = paths.get(scope).filter(|path| path.is_meant())?;
        let now = Instant::now();
        let dated = |at: Instant| {
            let today = self.0.clock.now();
            if at >= now { today + at.duration_since(now) } else { today - now.duration_since(at) }
        };
        let cover = path.cover(relaxed.told_by, relaxed.trail, now);
        let cover = cover.map(|cover| (cover.since.max(path.shows(kind)), dated(cover.until)));
        Some(Told { every: relaxed.every, cover, unproved: path.unproved(relaxed.told_by, relaxed.trail, now) })
    }

    /// A state as it is seen at this moment.
    fn current(&self, state: &ScopeFreshness) -> ScopeFreshness {
        ScopeFreshness { told: self.told(&state.scope, &state.kind), ..state.clone() }
    }

    /// What keeps everything from being seen: the store cannot be written, or AWS as a whole not be reached.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let store = self.0.store_trouble.read().clone();
        store.or_else(|| self.0.trouble.read().clone())
    }

    /// Every (scope, kind) that is watched, or was until the server stopped, in order; without those that are no longer
    /// watched.
    #[must_use]
    pub fn scopes(&self) -> Vec<ScopeFreshness> {
        self.those(|state| state.unwatched_since.is_none())
    }

    /// Every (scope, kind) that is no longer watched, in order.
    #[must_use]
    pub fn unwatched(&self) -> Vec<ScopeFreshness> {
        self.those(|state| state.unwatched_since.is_some())
    }

    fn those(&self, are_wanted: impl Fn(&ScopeFreshness) -> bool) -> Vec<ScopeFreshness> {
        let scopes = self.0.scopes.read();
        scopes
            .values()
            .filter(|watched| are_wanted(&watched.state))
            .map(|watched| self.current(&watched.state))
            .collect()
    }

    /// Whether a (scope, kind) is no longer watched: what is said of it changes nothing.
    pub(crate) fn is_unwatched(&self, scope: &Scope, kind: &Kind) -> bool {
        self.view(scope, kind, |watched| watched.is_some_and(|watched| watched.state.unwatched_since.is_some()))
    }

    /// The state of one (scope, kind); `None` when it was never watched.
    #[must_use]
    pub fn of(&self, scope: &Scope, kind: &Kind) -> Option<ScopeFreshness> {
        self.0.scopes.read().get(&(scope.clone(), kind.clone())).map(|watched| self.current(&watched.state))
    }

    /// When a resource was last seen as it is known, asked at `now`. Ask before reading its body: see [`SeenAt`].
    #[must_use]
    pub fn seen(&self, id: &ResourceId, now: Timestamp) -> SeenAt {
        let scopes = self.0.scopes.read();
        let unwatched = SeenAt { now, ..SeenAt::default() };
        let Some(watched) = scopes.get(&(id.scope(), id.kind.clone())) else { return unwatched };
        let confirmed = watched.memory.confirmed(&id.id);
        // A watermark is saved only for sweeps that lacked nothing and left no doubt.
        let swept = watched.state.complete.filter(|_| !watched.state.swept_now).map(|swept| swept.started);
        SeenAt { confirmed, swept, now }
    }

    /// What complete sweeps say about a resource that the last of them lacked; `None` when it showed it.
    #[must_use]
    pub fn lacked(&self, id: &ResourceId) -> Option<Lacked> {
        self.0.scopes.read().get(&(id.scope(), id.kind.clone()))?.memory.lacked(&id.id)
    }

    /// Since when any resource of a (scope, kind) has been lacked by complete sweeps.
    #[must_use]
    pub fn lacked_since(&self, scope: &Scope, kind: &Kind) -> Option<Timestamp> {
        self.0.scopes.read().get(&(scope.clone(), kind.clone()))?.memory.lacked_since()
    }

    /// Changes whenever anything here does; for waiting until a first sweep is complete.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// The watermarks worth saving: this process's complete sweeps, where the last one left nothing open.
    pub(crate) fn watermarks(&self) -> Vec<Watermark> {
        let scopes = self.0.scopes.read();
        scopes.values().filter_map(Watched::watermark).collect()
    }

    /// The runs of watching that go on now, by what this process saw itself: from the start of the first complete sweep to the end of
    /// the last. The store has those that ended.
    #[must_use]
    pub fn runs(&self) -> Vec<Watermark> {
        self.0.scopes.read().values().filter_map(Watched::run).collect()
    }

    pub(crate) fn update<T>(&self, scope: &Scope, kind: &Kind, change: impl FnOnce(&mut Watched) -> T) -> T {
        let mut scopes = self.0.scopes.write();
        let watched = scopes
            .entry((scope.clone(), kind.clone()))
            .or_insert_with(|| Watched::new(scope.clone(), kind.clone(), Duration::ZERO, None));
        watched.state.told = self.told(scope, kind);
        change(watched)
    }

    pub(crate) fn view<T>(&self, scope: &Scope, kind: &Kind, look: impl FnOnce(Option<&Watched>) -> T) -> T {
        look(self.0.scopes.read().get(&(scope.clone(), kind.clone())))
    }

    pub(crate) fn bump(&self) {
        self.0.version.send_modify(|version| *version += 1);
    }
}

impl Watched {
    /// Notes the end of a complete sweep, after its absences were judged. `spared` are missing too soon to say anything.
    pub(crate) fn completed(&mut self, swept: Swept, spared: u64) -> Run {
        let run = match (self.state.complete, self.since, self.state.fresh_until()) {
            (None, ..) => Run::First,
            (Some(_), Some(_), Some(until)) if swept.started > until => match self.watermark() {
                Some(ended) => Run::Broken(ended),
                None => Run::GoesOn,
            },
            _ => Run::GoesOn,
        };
        if run != Run::GoesOn {
            self.since = None;
        }
        self.since.get_or_insert(swept.started);
        self.spared = spared;
        self.show_missing();
        if self.state.missing == 0 && self.memory.doubtful() == 0 {
            self.state.settled = Some(swept.started);
        }
        self.state.complete = Some(swept);
        self.state.swept_now = true;
        self.state.running_since = None;
        self.state.trouble = None;
        self.state.stumble = None;
        let unread = std::mem::take(&mut self.unread).since(&self.state.unreadable);
        if unread != *self.state.unreadable {
            self.state.unreadable = Arc::new(unread);
        }
        run
    }

    /// Notes a resource that the sweep under way listed at `at` and that cannot be read.
    pub(crate) fn unread(&mut self, item: UnreadableItem, at: Timestamp) {
        Arc::make_mut(&mut self.state.unreadable).notice(&item, at);
        self.unread.add(item, at);
    }

    /// Whether the sweep under way listed resources without an id.
    pub(crate) fn lists_nameless(&self) -> bool {
        self.unread.nameless() > 0
    }

    /// Begins to note what a sweep lists and cannot be read.
    pub(crate) fn begin_unread(&mut self) {
        self.unread = Unread::default();
    }

    /// Notes that a resource was read, or is gone.
    pub(crate) fn read(&mut self, id: &str) {
        self.unread.remove(id);
        if self.state.unreadable.of(id).is_some() {
            Arc::make_mut(&mut self.state.unreadable).remove(id);
        }
    }

    /// When somebody had looked last before a sweep that starts at `at`, when nobody did for a while; `None` while watching goes
    /// on, and before anybody ever looked.
    pub(crate) fn unwatched_since(&self, at: Timestamp) -> Option<Timestamp> {
        let complete = self.state.complete?;
        let goes_on = self.state.fresh_until().is_some_and(|until| at <= until);
        (!goes_on).then_some(complete.started)
    }

    /// Brings what is shown of missing resources up to what is remembered of them.
    pub(crate) fn show_missing(&mut self) {
        self.state.missing = self.memory.missing() as u64 + self.spared;
        self.state.held = self.memory.hold().map(Hold::shown);
    }

    /// The watermark worth saving: that of this process's complete sweeps, where the last one left nothing open.
    fn watermark(&self) -> Option<Watermark> {
        self.run().filter(|run| self.state.settled == Some(run.started))
    }

    /// The run of watching that goes on, whether or not its last sweep left something open.
    fn run(&self) -> Option<Watermark> {
        let (swept, since) = (self.state.complete?, self.since?);
        let (scope, kind) = (self.state.scope.clone(), self.state.kind.clone());
        Some(Watermark { scope, kind, since, started: swept.started, ended: swept.ended, complete: true })
    }

    fn new(scope: Scope, kind: Kind, interval: Duration, complete: Option<Swept>) -> Self {
        Watched {
            state: ScopeFreshness {
                scope,
                kind,
                unwatched_since: None,
                interval,
                told: None,
                complete,
                swept_now: false,
                running_since: None,
                seen: 0,
                trouble: None,
                stumble: None,
                left_out: Vec::new(),
                unreadable: Arc::default(),
                missing: 0,
                held: None,
                settled: complete.map(|swept| swept.started),
            },
            memory: Memory::default(),
            spared: 0,
            since: None,
            unread: Unread::default(),
        }
    }
}

/// Marks exactly these scopes as no longer watched.
fn mark_unwatched(scopes: &mut BTreeMap<(Scope, Kind), Watched>, retired: &BTreeMap<Scope, Timestamp>) {
    for ((scope, _), watched) in scopes {
        watched.state.unwatched_since = retired.get(scope).copied();
    }
}

#[cfg(test)]
mod tests;
