//! The single writer: observations in, records out.
//!
//! One loop owns every change. It takes work from lanes in the order choices of regions, tools, notifications, refreshes, pages, retention, decides
//! what each observation means, commits, publishes, and only then acknowledges: whoever was told "done" finds it after
//! any crash. A commit ends at [`MAX_ROWS`] changed rows or [`MAX_WORK`] of deciding, and the lanes are looked at again
//! between commits, so a tool never waits for a whole page. Notifications that wait are committed together. A page that shows nothing new opens no write transaction.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::freshness::{EventRules, Freshness, Signal};
use crate::model::{
    Cause, Event, Kind, KindRules, Observation, ResourceId, Scope, Seen, Seq, SharedClock, Source, Timestamp, Wanted,
};
use crate::notify::{ChangeHub, Topic};
use crate::reconcile::DecisionTime;
use crate::reconcile::memory::{How, Note};
use crate::store::{Batch, CommitError, ReadError, Retention, Writer};

mod calls;
mod draft;
mod error;
mod handle;
mod keeper;
mod kept;
mod lanes;
pub mod ledger;
mod notified;
mod outage;
mod retention;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth;
mod under_way;
mod work;

pub use error::IngestError;
pub use handle::Handle;
pub use ledger::Ledger;
pub use work::{Lane, Observed, Taken};

pub use crate::reconcile::Lacked;

use calls::Calls;
use draft::{Draft, Grounds};
use keeper::Keeper;
use kept::{KeptRecords, Spare};
use lanes::Lanes;
use ledger::View;
use under_way::SweepUnderWay;
use work::{Parking, Record, RegionChoice, Work};

/// A commit holds at most this many changed rows.
pub const MAX_ROWS: usize = 200;

/// Deciding for one commit takes at most this long (it may overrun by one observation).
pub const MAX_WORK: Duration = Duration::from_millis(20);

/// More candidates than this are left to the next sweep instead of asked for by id.
const MAX_ASKED: usize = 2_000;

/// How long how far sweeps had come may stay unsaved while something is committed anyway.
const SAVED_EVERY: Duration = Duration::from_mins(1);

/// How long the first commit of a process waits for AWS to tell its time.
const ANCHORED_WITHIN: Duration = Duration::from_secs(10);

/// How often it looks meanwhile.
const ANCHOR_LOOK: Duration = Duration::from_millis(20);

/// What the loop has to know of a kind.
#[derive(Clone, Debug)]
pub struct KindEntry {
    /// The kind.
    pub kind: Kind,
    /// What the rules have to know of it.
    pub rules: KindRules,
    /// How often it is swept by default.
    pub interval: Duration,
    /// The rules whose events together tell of its every change; `None` where some of its changes cause no event.
    pub event_rules: Option<EventRules>,
}

/// Resources that a describe of their own would tell more about. Read it to the end: it is not bounded.
pub type WantedReceiver = mpsc::UnboundedReceiver<Wanted>;

/// The writer loop. Runs on a thread of its own.
pub struct Ingest<L: Ledger = Writer> {
    ledger: L,
    hub: ChangeHub,
    clock: SharedClock,
    kinds: HashMap<Kind, KindEntry>,
    freshness: Freshness,
    lanes: Lanes,
    wanted: mpsc::UnboundedSender<Wanted>,
    sweeps: HashMap<(Scope, Kind), SweepUnderWay>,
    keeper: Keeper,
    started: Timestamp,
    /// When how far sweeps had come was saved last.
    saved: Timestamp,
    /// Whether something was served: the first work waits for AWS's time.
    is_dated: bool,
    /// What tools have to record once the store is open again.
    kept: KeptRecords,
    /// Who called AWS of late.
    calls: Calls,
}

/// What a commit left behind.
struct Chunk {
    /// Holds everything decided so far.
    seq: Seq,
    unsettled: Vec<ResourceId>,
}

impl<L: Ledger> Ingest<L> {
    /// Connects the writer with its lanes. `stop` ends the loop after what waits in the lanes of tools, notifications and
    /// refreshes.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn new(
        ledger: L,
        hub: ChangeHub,
        clock: SharedClock,
        kinds: Vec<KindEntry>,
        stop: CancellationToken,
    ) -> Result<(Ingest<L>, Handle, WantedReceiver), ReadError> {
        let kinds: HashMap<Kind, KindEntry> = kinds.into_iter().map(|entry| (entry.kind.clone(), entry)).collect();
        let interval = |kind: &Kind| kinds.get(kind).map_or(Duration::ZERO, |entry| entry.interval);
        let view = ledger.view()?;
        let rules = kinds.values().filter_map(|entry| Some((entry.kind.clone(), entry.event_rules?))).collect();
        let freshness =
            Freshness::new(view.watermarks()?, view.held()?, &interval, rules, &view.retired(), Arc::clone(&clock));
        let (lanes, handle) = lanes::connect(freshness.clone(), hub.clone(), Arc::clone(&clock), stop);
        let (wanted, receiver) = mpsc::unbounded_channel();
        let started = clock.now();
        let ingest = Ingest {
            ledger,
            hub,
            clock,
            kinds,
            freshness,
            lanes,
            wanted,
            sweeps: HashMap::new(),
            keeper: Keeper::new(Retention::default()),
            started,
            saved: started,
            is_dated: false,
            kept: KeptRecords::default(),
            calls: Calls::default(),
        };
        Ok((ingest, handle, receiver))
    }

    /// Runs until stopped, then saves how far sweeps had come. When the disk fails under the store, opens it again and goes on.
    /// Blocks its thread; waits on `runtime`.
    ///
    /// # Errors
    ///
    /// When what was found on opening it again is not the store, or it was stopped before it was open. When the watermarks could
    /// not be saved. Everything acknowledged is durable all the same.
    pub fn run(mut self, runtime: &runtime::Handle) -> Result<(), CommitError> {
        loop {
            if self.ledger.is_failed() && !self.recover(runtime) {
                return Err(CommitError::Latched { path: self.ledger.path() });
            }
            let wake = self.keeper.wake();
            let (lanes, ledger) = (&mut self.lanes, &self.ledger);
            let next = runtime.block_on(async {
                tokio::select! {
                    biased;
                    work = lanes.next(wake) => Some(work),
                    () = ledger.failed() => None,
                }
            });
            match next {
                Some(Some(work)) => {
                    if !self.is_dated && work.may_commit() {
                        runtime.block_on(self.anchored());
                        self.is_dated = true;
                    }
                    self.serve(work);
                }
                Some(None) => break,
                None => {}
            }
        }
        self.close()
    }

    /// Waits until AWS told its time, at most [`ANCHORED_WITHIN`]: what is committed before that would be dated by this machine's
    /// clock, however wrong. Nothing that tells the time waits for the writer. Without AWS the local clock has to do.
    async fn anchored(&self) {
        let begun = Instant::now();
        while !self.clock.is_anchored() && begun.elapsed() < ANCHORED_WITHIN && !self.lanes.is_stopped() {
            self.lanes.stopped_within(ANCHOR_LOOK).await;
        }
        if !self.clock.is_anchored() {
            tracing::warn!("AWS has not told its time yet: what is recorded is dated by this machine's clock");
        }
    }

    /// Saves how far sweeps had come.
    fn close(&mut self) -> Result<(), CommitError> {
        let watermarks = self.freshness.watermarks();
        if watermarks.is_empty() { Ok(()) } else { self.save(Batch { watermarks, ..Batch::default() }) }
    }

    /// The ledger, to read.
    #[cfg(test)]
    fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Ends without saving anything, as a crash would.
    #[cfg(test)]
    fn into_ledger(self) -> L {
        self.ledger
    }

    fn save(&mut self, batch: Batch) -> Result<(), CommitError> {
        self.ledger.commit(batch).map(drop)
    }

    fn serve(&mut self, work: Work) {
        match work {
            Work::Choose(choice) => self.choose(choice),
            Work::Record(record) => self.record(record),
            Work::Notify(first) => self.notify(first),
            Work::Park(parking) => self.park(parking),
            Work::Sweep(message) => self.sweep(message),
            Work::Retain => self.retain(),
        }
    }

    /// Notes which regions are watched from now on.
    fn choose(&mut self, RegionChoice { regions, done }: RegionChoice) {
        let noted = self.ledger.watch_only(&regions, self.clock.now()).map_err(IngestError::from);
        let noted = noted.and_then(|()| Ok(self.ledger.view()?));
        if let Ok(view) = &noted {
            self.freshness.signal(Signal::Retired(view.retired()));
            self.hub.mark([Topic::Freshness, Topic::Summary], self.clock.now());
        }
        // The asker may have gone: what is noted stays.
        drop(done.send(noted.map(drop)));
    }

    /// Keeps messages that cannot be read.
    fn park(&mut self, Parking { messages, done }: Parking) {
        let batch = Batch { recorded_at: self.clock.now(), parked: messages, ..Batch::default() };
        // The asker may have gone: what is kept stays, and a message that comes again replaces itself.
        drop(done.send(self.save(batch).map_err(IngestError::from)));
    }

    /// Serves what waits in the lanes above the pages, but not so much that the page under way stands still.
    fn serve_urgent(&mut self) {
        for _ in 0..lanes::STREAK {
            let Some(work) = self.lanes.urgent() else { return };
            self.serve(work);
        }
    }

    fn record(&mut self, record: Record) {
        let mut spare = Spare::of(&record);
        let Record { entries, observations, cause, done } = record;
        let mut queue = VecDeque::from(observations);
        let mut draft = Draft::of(entries);
        let mut unsettled = Vec::new();
        let outcome = loop {
            // Whoever waits is told the seq of the last commit: all of it is durable then.
            match self.commit_chunk(draft, &mut queue, &cause) {
                Ok(chunk) => {
                    if let Some(spare) = &mut spare {
                        spare.entries.clear();
                    }
                    unsettled.extend(chunk.unsettled);
                    if queue.is_empty() {
                        break Ok(Observed { seq: chunk.seq, unsettled });
                    }
                    draft = Draft::default();
                }
                Err(error) => break Err(error),
            }
        };
        match (outcome, spare) {
            (Err(error), Some(spare)) if self.ledger.is_failed() => self.kept.push(spare, cause, done, &error),
            // The asker may have gone: the fact stands all the same.
            (outcome, _) => drop(done.send(outcome)),
        }
        self.share();
    }

    /// Decides from the front of `queue` until a commit is full, and commits it.
    fn commit_chunk(
        &mut self,
        mut draft: Draft,
        queue: &mut VecDeque<Observation>,
        cause: &Cause,
    ) -> Result<Chunk, IngestError> {
        let begun = Instant::now();
        let view = self.ledger.view()?;
        while let Some(observation) = queue.pop_front() {
            let id = observation.id.clone();
            let shown = matches!(observation.seen, Seen::Described(_));
            let (at, swept) = (observation.at, observation.source == Source::Sweep);
            match self.decide(&mut draft, &view, observation, cause) {
                Ok(_) => {}
                // The others do not wait for somebody to mend it. It was seen, so it is not missing.
                Err(ReadError::Damaged(error)) => {
                    tracing::warn!(%id, %error, "what is stored of a resource is damaged: what was seen of it is not recorded");
                    if shown {
                        let at = crate::reconcile::credible(at, self.clock.now());
                        draft.notes.push((id, Note::Shown { at, how: How::Partly, swept, gone: false }));
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if draft.entries.len() >= MAX_ROWS || begun.elapsed() >= MAX_WORK {
                break;
            }
        }
        let seq = view.seq();
        drop(view);
        self.conclude(draft, seq, Vec::new())
    }

    /// Commits what was decided, publishes it, and remembers what is to be remembered. `seq` shows what was decided on;
    /// `notified` are the notifications that were.
    fn conclude(&mut self, draft: Draft, mut seq: Seq, notified: Vec<String>) -> Result<Chunk, IngestError> {
        let Draft { entries, notes, wanted, unsettled, .. } = draft;
        if !entries.is_empty() {
            let batch = Batch { notified, ..self.batch(entries) };
            let committed = self.ledger.commit(batch)?;
            self.keeper.appended((committed.last.0 + 1).saturating_sub(committed.first.0));
            seq = committed.last;
            self.hub.publish(&committed, self.clock.now());
        }
        for (id, note) in notes {
            let scope = id.scope();
            let released = self.take(&scope, &id.kind, &id.id, note);
            self.ask(&scope, &id.kind, released);
        }
        for wanted in wanted {
            self.want(wanted);
        }
        Ok(Chunk { seq, unsettled })
    }

    /// Entries to commit, with how far sweeps had come when that has not been saved for a while.
    fn batch(&mut self, entries: Vec<(Cause, Event)>) -> Batch {
        let now = self.clock.now();
        let due = now.since(self.saved) >= SAVED_EVERY || now < self.saved;
        let watermarks = if due { self.freshness.watermarks() } else { Vec::new() };
        if due {
            self.saved = now;
        }
        Batch { recorded_at: now, entries, watermarks, ..Batch::default() }
    }

    /// Decides one observation. Whether it is [too early](Draft::decide).
    fn decide(
        &self,
        draft: &mut Draft,
        view: &L::View,
        observation: Observation,
        cause: &Cause,
    ) -> Result<bool, ReadError> {
        let (scope, kind) = (observation.id.scope(), observation.id.kind.clone());
        // Durably so: what readers are answered until the account is known does not count.
        if self.freshness.is_unwatched(&scope, &kind) || view.is_noted_unwatched(&scope) {
            return Ok(false);
        }
        let rules = self.rules(&kind);
        // Looked up before the store is read: nobody waits for the disk to ask how fresh something is.
        let grounds = self.freshness.view(&scope, &kind, |watched| Grounds {
            remembered: watched.map(|watched| watched.memory.known(&observation.id.id, None, None)).unwrap_or_default(),
            tag_questions: watched.map_or(0, |watched| watched.memory.tag_questions()),
            rules,
            moment: self.moment(watched.is_some_and(|watched| watched.state.swept_now)),
            calls: self.calls.of(&observation.id),
        });
        draft.decide(view, observation, cause, &grounds)
    }

    fn moment(&self, swept: bool) -> DecisionTime {
        DecisionTime { now: self.clock.now(), started: self.started, steady: self.clock.steady_since(), swept }
    }

    fn rules(&self, kind: &Kind) -> KindRules {
        self.kinds.get(kind).map(|entry| entry.rules).unwrap_or_default()
    }

    fn take(&self, scope: &Scope, kind: &Kind, id: &Arc<str>, note: Note) -> Vec<Arc<str>> {
        let now = self.clock.now();
        self.freshness.update(scope, kind, |watched| {
            // An answer that came late: what it shows was not there when the last sweep claimed to have seen everything.
            if let Note::Shown { at, swept: false, .. } = note
                && watched.state.settled.is_some_and(|settled| at < settled)
                && !watched.memory.is_shown(id)
            {
                watched.state.settled = None;
            }
            if let Note::Shown { .. } | Note::Removed = note {
                watched.read(id);
            }
            let released = watched.memory.take(id, note, now);
            if watched.state.missing > 0 {
                watched.show_missing();
            }
            released
        })
    }

    /// Asks for ids whose absence a describe could prove, unless there are so many that the next sweep is cheaper.
    fn ask(&self, scope: &Scope, kind: &Kind, ids: Vec<Arc<str>>) {
        if ids.len() <= MAX_ASKED {
            for id in ids {
                self.want(Wanted { id: ResourceId::new(scope, kind, id), expects: None });
            }
        }
    }

    fn want(&self, wanted: Wanted) {
        // Nobody listens when nothing refreshes; then the sweeps have to do.
        drop(self.wanted.send(wanted));
    }
}
