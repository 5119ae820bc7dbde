//! The single writer: turns observations into records.
//!
//! One loop makes every change. It takes work from lanes in this order: choices of regions, tools, notifications, refreshes, pages,
//! retention. It decides what each observation means, commits, publishes, and only then acknowledges, so that everything
//! acknowledged survives a crash. A commit ends at [`MAX_ROWS`] changed rows or after deciding for [`MAX_WORK`], and the lanes are
//! checked between commits, so a tool never waits for a whole page. In a first sweep, a commit that nobody waits for is larger: see
//! [`FirstCommits`]. Waiting notifications are committed together. A page without news opens no write transaction.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::freshness::{EventRules, Freshness};
use crate::model::{
    Cause, Event, Kind, KindRules, KindSelection, Observation, ResourceId, Scope, Seen, Seq, SharedClock, Source,
    Timestamp, Wanted, WatchSelection,
};
use crate::notify::ChangeHub;
use crate::reconcile::DecisionTime;
use crate::reconcile::memory::{How, Note};
use crate::store::{CommitBatch, CommitError, ReadError, Retention, Writer};

mod attempts;
mod calls;
mod choice;
mod draft;
mod due_marks;
mod error;
mod first_commits;
mod handle;
mod ingest_tally;
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
pub use handle::IngestHandle;
pub use ingest_tally::{CommitLane, CountedSweeps, IngestTally};
pub use ledger::Ledger;
pub use work::{Lane, NotifyResult, ObserveResult};

pub use crate::reconcile::Lacked;

use attempts::AttemptBook;
use calls::RecentCalls;
use draft::{Draft, Grounds};
use due_marks::DueMarks;
use first_commits::FirstCommits;
use ingest_tally::CommitCount;
use keeper::Keeper;
use kept::{KeptRecords, Spare};
use lanes::Lanes;
use ledger::LedgerView;
use under_way::SweepUnderWay;
use work::{KeyKeeping, Parking, Record, WorkItem};

/// How many changed rows a commit holds at most.
pub const MAX_ROWS: usize = 200;

/// How long deciding for one commit takes at most (it may overrun by one observation). A first sweep's has [`FirstCommits`] instead.
/// Tests count commits, on however slow a machine.
pub const MAX_WORK: Duration = Duration::from_millis(if cfg!(test) { 60_000 } else { 20 });

/// How many bytes of documents a commit holds at most (it may overrun by one document).
const MAX_BYTES: usize = 2 << 20;

/// With more candidates than this, none is described by id: the next sweep decides.
const MAX_ASKED: usize = 2_000;

/// Other commits include the watermarks of sweeps if they were not saved for this long.
const SAVED_EVERY: Duration = Duration::from_mins(1);

/// How long the first commit of a process waits for AWS's time.
const ANCHORED_WITHIN: Duration = Duration::from_secs(10);

/// How often it checks meanwhile.
const ANCHOR_LOOK: Duration = Duration::from_millis(20);

/// What the loop needs to know about a kind.
#[derive(Clone, Debug)]
pub struct KindEntry {
    /// The kind.
    pub kind: Kind,
    /// The rules for its observations.
    pub rules: KindRules,
    /// How often it is swept by default.
    pub interval: Duration,
    /// The event rules that together cover all its changes; `None` if some of its changes cause no event.
    pub event_rules: Option<EventRules>,
}

/// Resources that should be described on their own. The channel is unbounded, so it must be read to its end.
pub type WantedReceiver = mpsc::UnboundedReceiver<Wanted>;

/// The writer loop. It runs on its own thread.
pub struct Ingest<L: Ledger = Writer> {
    ledger: L,
    hub: ChangeHub,
    clock: SharedClock,
    kinds: HashMap<Kind, KindEntry>,
    freshness: Freshness,
    lanes: Lanes,
    wanted: mpsc::UnboundedSender<Wanted>,
    sweeps: HashMap<(Scope, Kind), SweepUnderWay>,
    /// Which scopes are watched, as last recorded by this process; `None` before.
    selection: Option<WatchSelection>,
    /// Which kinds are watched, and whether that is recorded; `None` before anybody says.
    kinds_chosen: Option<(KindSelection, bool)>,
    keeper: Keeper,
    first_commits: FirstCommits,
    started: Timestamp,
    /// The ends of first sweeps that are to be saved.
    due_marks: DueMarks,
    /// When watermarks were last saved.
    saved: Timestamp,
    /// Whether anything was served: the first work waits for AWS's time.
    is_dated: bool,
    /// Records of tools to store once the store is open again.
    kept: KeptRecords,
    /// Recent calls of AWS's API.
    calls: RecentCalls,
    /// Refused calls of tools that are counted before they are recorded.
    attempts: AttemptBook,
    tally: Arc<IngestTally>,
}

/// The result of a commit.
struct Chunk {
    /// This record, or a later one, shows everything decided so far.
    seq: Seq,
    unsettled: Vec<ResourceId>,
    /// What is now stored exactly as the current sweep showed it.
    exact: Vec<Arc<str>>,
}

impl<L: Ledger> Ingest<L> {
    /// Connects the writer with its lanes. `stop` ends the loop once the waiting work of tools, notifications and refreshes is
    /// done.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn new(
        ledger: L,
        hub: ChangeHub,
        clock: SharedClock,
        kinds: Vec<KindEntry>,
        stop: CancellationToken,
    ) -> Result<(Ingest<L>, IngestHandle, WantedReceiver), ReadError> {
        let kinds: HashMap<Kind, KindEntry> = kinds.into_iter().map(|entry| (entry.kind.clone(), entry)).collect();
        let interval = |kind: &Kind| kinds.get(kind).map_or(Duration::ZERO, |entry| entry.interval);
        let view = ledger.view()?;
        let rules = kinds.values().filter_map(|entry| Some((entry.kind.clone(), entry.event_rules?))).collect();
        let freshness =
            Freshness::new(view.watermarks()?, view.held()?, &interval, rules, &view.retired(), Arc::clone(&clock));
        let tally = Arc::<IngestTally>::default();
        let (lanes, handle) = lanes::connect(freshness.clone(), hub.clone(), Arc::clone(&tally), stop);
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
            selection: None,
            kinds_chosen: None,
            keeper: Keeper::new(Retention::default()),
            first_commits: FirstCommits::new(MAX_ROWS),
            started,
            due_marks: DueMarks::default(),
            saved: started,
            is_dated: false,
            kept: KeptRecords::default(),
            calls: RecentCalls::default(),
            attempts: AttemptBook::default(),
            tally,
        };
        Ok((ingest, handle, receiver))
    }

    /// Runs until stopped, then saves watermarks. If the disk fails under the store, reopens it and continues. Blocks its thread;
    /// waits on `runtime`.
    ///
    /// # Errors
    ///
    /// If the reopened file is not the store, if the loop was stopped before the store was open again, or if the watermarks could
    /// not be saved. Everything acknowledged is durable even then.
    pub fn run(mut self, runtime: &runtime::Handle) -> Result<(), CommitError> {
        loop {
            if self.ledger.is_failed() && !self.recover(runtime) {
                return Err(CommitError::Latched { path: self.ledger.path() });
            }
            let wake = [self.keeper.wake(), self.attempts.wake()].into_iter().flatten().min();
            self.tally.rest();
            let (lanes, ledger) = (&mut self.lanes, &self.ledger);
            let next = runtime.block_on(async {
                tokio::select! {
                    biased;
                    work = lanes.next(wake) => Some(work),
                    () = ledger.failed() => None,
                }
            });
            self.tally.beat();
            match next {
                Some(Some(work)) => {
                    if !self.is_dated && work.may_commit() {
                        runtime.block_on(self.anchored());
                        self.is_dated = true;
                    }
                    self.serve(work);
                    let due = self.attempts.due(Instant::now());
                    self.record_attempts(due);
                    if let Err(error) = self.save_due_marks() {
                        // They are tried again with the next work.
                        tracing::warn!(%error, "the ends of first sweeps are not saved yet");
                    }
                }
                Some(None) => break,
                None => {}
            }
        }
        self.close()
    }

    /// Waits for AWS's time, at most [`ANCHORED_WITHIN`]: earlier commits would be dated by this machine's clock, however wrong.
    /// Learning the time does not depend on the writer. Without AWS, the local clock is used.
    async fn anchored(&self) {
        let begun = Instant::now();
        while !self.clock.is_anchored() && begun.elapsed() < ANCHORED_WITHIN && !self.lanes.is_stopped() {
            self.lanes.stopped_within(ANCHOR_LOOK).await;
        }
        if !self.clock.is_anchored() {
            tracing::warn!("AWS's time is not known yet: records are dated by this machine's clock");
        }
    }

    /// Records what is only counted so far, and saves watermarks.
    fn close(&mut self) -> Result<(), CommitError> {
        let counted = self.attempts.rest();
        self.record_attempts(counted);
        let watermarks = self.freshness.watermarks();
        if watermarks.is_empty() { Ok(()) } else { self.save(CommitBatch { watermarks, ..CommitBatch::default() }) }
    }

    /// The ledger, for reading.
    #[cfg(test)]
    fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Ends without saving anything, as a crash would.
    #[cfg(test)]
    fn into_ledger(self) -> L {
        self.ledger
    }

    fn save(&mut self, batch: CommitBatch) -> Result<(), CommitError> {
        self.ledger.commit(batch).map(drop)
    }

    fn serve(&mut self, work: WorkItem) {
        self.tally.beat();
        match work {
            WorkItem::Choose(choice) => self.choose(choice),
            WorkItem::Record(record) => self.record_new(record),
            WorkItem::Notify(first) => self.notify(first),
            WorkItem::Park(parking) => self.park(parking),
            WorkItem::Keep(keeping) => self.keep(*keeping),
            WorkItem::Sweep(message) => self.sweep(message),
            WorkItem::Retain => self.retain(),
        }
    }

    /// Keeps unreadable messages.
    fn park(&mut self, Parking { messages, done }: Parking) {
        let batch = CommitBatch { recorded_at: self.clock.now(), parked: messages, ..CommitBatch::default() };
        // The caller may have gone: what is kept stays, and a repeated message replaces itself.
        drop(done.send(self.save(batch).map_err(IngestError::from)));
    }

    /// Keeps a call with an idempotency key.
    fn keep(&mut self, KeyKeeping { call, done }: KeyKeeping) {
        let batch = CommitBatch { recorded_at: self.clock.now(), keyed: Some(call), ..CommitBatch::default() };
        drop(done.send(self.save(batch).map_err(IngestError::from)));
    }

    /// Serves the lanes above the pages, but lets the current page advance too.
    fn serve_urgent(&mut self) {
        for _ in 0..lanes::STREAK {
            let Some(work) = self.lanes.urgent() else { return };
            self.serve(work);
        }
    }

    /// Records what a tool or a describe brings, except attempts that are only counted.
    fn record_new(&mut self, mut record: Record) {
        if record.cause == Cause::Attempt {
            let (now, at) = (Instant::now(), self.clock.now());
            let entries = std::mem::take(&mut record.entries).into_iter();
            let taken = entries.filter_map(|(cause, event)| Some((cause, self.attempts.take(event, now, at)?)));
            record.entries = taken.collect();
        }
        self.record(record);
    }

    /// Records attempts that were counted.
    fn record_attempts(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let entries = events.into_iter().map(|event| (Cause::Attempt, event)).collect();
        // Nobody waits for it.
        let done = oneshot::channel().0;
        self.record(Record { entries, observations: Vec::new(), cause: Cause::Attempt, done });
    }

    fn record(&mut self, record: Record) {
        let mut spare = Spare::of(&record);
        let Record { entries, observations, cause, done } = record;
        let mut queue = VecDeque::from(observations);
        let mut draft = Draft::of(entries);
        let mut unsettled = Vec::new();
        let outcome = loop {
            // The answer has the seq of the last commit: all of it is durable then.
            match self.commit_chunk(draft, &mut queue, &cause) {
                Ok(chunk) => {
                    if let Some(spare) = &mut spare {
                        spare.entries.clear();
                    }
                    unsettled.extend(chunk.unsettled);
                    if queue.is_empty() {
                        break Ok(ObserveResult { seq: chunk.seq, unsettled });
                    }
                    draft = Draft::default();
                }
                Err(error) => break Err(error),
            }
        };
        match (outcome, spare) {
            (Err(error), Some(spare)) if self.ledger.is_failed() => self.kept.push(spare, cause, done, &error),
            // The caller may have gone: the record stays.
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
        self.tally.beat();
        let begun = Instant::now();
        let view = self.ledger.view()?;
        // Retention keeps up with commits of the usual size.
        let is_first = *cause == Cause::Baseline && self.keeper.target.is_none();
        let mut bytes = 0;
        while let Some(observation) = queue.pop_front() {
            if let Seen::Described(document) = &observation.seen {
                bytes += document.weight();
            }
            let id = observation.id.clone();
            let shown = matches!(observation.seen, Seen::Described(_));
            let (at, swept) = (observation.at, observation.source == Source::Sweep);
            match self.decide(&mut draft, &view, observation, cause) {
                Ok(_) => {}
                // The others do not wait for a repair. The resource was seen, so it is not missing.
                Err(ReadError::Damaged(error)) => {
                    tracing::warn!(%id, %error, "the stored record of a resource is damaged: observations of it are not recorded");
                    if shown {
                        let at = crate::reconcile::credible(at, self.clock.now());
                        draft.notes.push((id, Note::Shown { at, how: How::Partly, swept, gone: false }));
                    }
                }
                Err(error) => return Err(error.into()),
            }
            let rows = draft.entries.len();
            let is_full = rows >= MAX_ROWS || begun.elapsed() >= MAX_WORK;
            let goes_on = is_first && rows < self.first_commits.most() && !self.lanes.is_urgent();
            if bytes >= MAX_BYTES || (is_full && !goes_on) {
                break;
            }
        }
        let seq = view.seq();
        drop(view);
        let (rows, begun) = (draft.entries.len(), Instant::now());
        let chunk = self.conclude(draft, seq, Vec::new())?;
        if is_first {
            self.first_commits = self.first_commits.after(rows, begun.elapsed());
        }
        Ok(chunk)
    }

    /// Commits the decisions, publishes them, and updates the memory. `seq` is the record that the decisions are based on;
    /// `notified` are the ids of the notifications.
    fn conclude(&mut self, draft: Draft, mut seq: Seq, notified: Vec<String>) -> Result<Chunk, IngestError> {
        let exact = draft.exact();
        let Draft { entries, notes, wanted, unsettled, .. } = draft;
        if !entries.is_empty() {
            let counted: CommitCount = entries.iter().map(|(cause, _)| cause).collect();
            let batch = CommitBatch { notified, ..self.batch(entries) };
            self.tally.beat();
            let begun = Instant::now();
            let committed = self.ledger.commit(batch)?;
            self.tally.beat();
            self.tally.note_commit(&counted, begun.elapsed());
            self.keeper.appended((committed.last.0 + 1).saturating_sub(committed.first.0));
            seq = committed.last;
            self.hub.publish(&committed);
        }
        for (id, note) in notes {
            let scope = id.scope();
            let released = self.take(&scope, &id.kind, &id.id, note);
            self.ask(&scope, &id.kind, released);
        }
        for wanted in wanted {
            self.want(wanted);
        }
        Ok(Chunk { seq, unsettled, exact })
    }

    /// A batch of entries, with watermarks if they were not saved for a while.
    fn batch(&mut self, entries: Vec<(Cause, Event)>) -> CommitBatch {
        let now = self.clock.now();
        let due = now.since(self.saved) >= SAVED_EVERY || now < self.saved;
        let watermarks = if due { self.freshness.watermarks() } else { Vec::new() };
        if due {
            self.saved = now;
        }
        CommitBatch { recorded_at: now, entries, watermarks, ..CommitBatch::default() }
    }

    /// Decides one observation. Returns whether it is [too early](Draft::decide).
    fn decide(
        &self,
        draft: &mut Draft,
        view: &L::View,
        observation: Observation,
        cause: &Cause,
    ) -> Result<bool, ReadError> {
        let (scope, kind) = (observation.id.scope(), observation.id.kind.clone());
        if !self.hears(view, &scope, &kind) {
            return Ok(false);
        }
        let rules = self.rules(&kind);
        // Memory is read before the store: queries of freshness never wait for the disk.
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
            // A late answer: what it shows did not exist when the last sweep claimed to have seen everything.
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

    /// Requests describes of ids whose absence they could prove, unless so many that the next sweep is cheaper.
    fn ask(&self, scope: &Scope, kind: &Kind, ids: Vec<Arc<str>>) {
        if ids.len() <= MAX_ASKED {
            for id in ids {
                self.want(Wanted { id: ResourceId::new(scope, kind, id), expects: None, is_changing: false });
            }
        }
    }

    fn want(&self, wanted: Wanted) {
        // Without refreshes nobody receives this; then sweeps have to suffice.
        drop(self.wanted.send(wanted));
    }
}
