//! The single writer: observations in, records out.
//!
//! One loop owns every change. It takes work from lanes in the order tools, notifications, refreshes, pages, decides
//! what each observation means, commits, publishes, and only then acknowledges: whoever was told "done" finds it after
//! any crash. A commit ends at [`MAX_ROWS`] changed rows or [`MAX_WORK`] of deciding, and the lanes are looked at again
//! between commits, so a tool never waits for a whole page. A page that shows nothing new opens no write transaction.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::{
    Cause, Document, Kind, Observation, ResourceId, Scope, Seen, Seq, SharedClock, Source, Timestamp, Wanted,
};
use crate::notify::{ChangeHub, Topic};
use crate::reconcile::absence::{Absence, Unseen};
use crate::reconcile::memory::{How, Note};
use crate::reconcile::{KindRules, Memory, Moment};
use crate::store::{Batch, CommitError, ReadError, Writer};

mod draft;
pub mod freshness;
mod lanes;
pub mod ledger;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth;

pub use freshness::{Freshness, ScopeFreshness, SeenAt, Swept, Trouble};
pub use lanes::{Handle, IngestError, Lane, Observed, SweepMessage, SweepStep};
pub use ledger::Ledger;

use draft::{Draft, Grounds};
use freshness::Run;
use lanes::{Lanes, Record, Work};
use ledger::View;

/// A commit holds at most this many changed rows.
pub const MAX_ROWS: usize = 200;

/// Deciding for one commit takes at most this long (it may overrun by one observation).
pub const MAX_WORK: Duration = Duration::from_millis(20);

/// More candidates than this are left to the next sweep instead of asked for by id.
const MAX_ASKED: usize = 2_000;

/// How long how far sweeps had come may stay unsaved while something is committed anyway.
const SAVED_EVERY: Duration = Duration::from_mins(1);

/// What the loop has to know of a kind.
#[derive(Clone, Debug)]
pub struct KindEntry {
    /// The kind.
    pub kind: Kind,
    /// What the rules have to know of it.
    pub rules: KindRules,
    /// How often it is swept by default.
    pub interval: Duration,
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
    sweeps: HashMap<(Scope, Kind), Sweep>,
    started: Timestamp,
    /// When how far sweeps had come was saved last.
    saved: Timestamp,
    /// The disk failed: nothing more can be read or written until the store is opened again.
    broken: bool,
}

/// A sweep under way.
struct Sweep {
    started: Timestamp,
    /// The scope's first ever: what it finds existed before Muster looked.
    baseline: bool,
    /// Why its completion proves nothing, when a page could not be stored.
    broken: Option<String>,
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
        let freshness = Freshness::new(view.watermarks()?, view.held()?, &interval);
        let (lanes, handle) = lanes::connect(freshness.clone(), stop);
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
            started,
            saved: started,
            broken: false,
        };
        Ok((ingest, handle, receiver))
    }

    /// Runs until stopped, then saves how far sweeps had come. Blocks its thread; waits on `runtime`.
    ///
    /// # Errors
    ///
    /// When the disk failed, at once: only opening the store again helps, and a process that lives on would answer nothing.
    /// When the watermarks could not be saved. Everything acknowledged is durable all the same.
    pub fn run(mut self, runtime: &runtime::Handle) -> Result<(), CommitError> {
        while let Some(work) = runtime.block_on(self.lanes.next()) {
            self.serve(work);
            if self.broken {
                return Err(CommitError::Latched { path: self.ledger.path() });
            }
        }
        self.close()
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

    /// Notes a failure of the disk, which ends the loop.
    fn watch<T>(&mut self, outcome: Result<T, IngestError>) -> Result<T, IngestError> {
        self.broken |= outcome.as_ref().is_err_and(IngestError::is_final);
        outcome
    }

    fn serve(&mut self, work: Work) {
        match work {
            Work::Record(record) => self.record(record),
            Work::Sweep(message) => self.sweep(message),
        }
    }

    /// Serves what waits in the lanes above the pages, but not so much that the page under way stands still.
    fn serve_urgent(&mut self) {
        for _ in 0..lanes::STREAK {
            let Some(record) = self.lanes.urgent() else { return };
            self.record(record);
        }
    }

    fn record(&mut self, record: Record) {
        let Record { entries, observations, cause, done } = record;
        let mut queue = VecDeque::from(observations);
        let mut draft = Draft::of(entries);
        let mut unsettled = Vec::new();
        let outcome = loop {
            // Whoever waits is told the seq of the last commit: all of it is durable then.
            let outcome = self.commit_chunk(draft, &mut queue, &cause);
            match self.watch(outcome) {
                Ok(chunk) => {
                    unsettled.extend(chunk.unsettled);
                    if queue.is_empty() {
                        break Ok(Observed { seq: chunk.seq, unsettled });
                    }
                    draft = Draft::default();
                }
                Err(error) => break Err(error),
            }
        };
        // The asker may have gone: the fact stands all the same.
        drop(done.send(outcome));
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
            self.decide(&mut draft, &view, observation, cause)?;
            if draft.entries.len() >= MAX_ROWS || begun.elapsed() >= MAX_WORK {
                break;
            }
        }
        let mut seq = view.seq();
        drop(view);
        let Draft { entries, notes, wanted, unsettled, .. } = draft;
        if !entries.is_empty() {
            let batch = self.batch(entries);
            let committed = self.ledger.commit(batch)?;
            seq = committed.last;
            self.hub.publish(&committed, self.clock.now());
        }
        for (id, note) in notes {
            let released = self.take(&id.scope(), &id.kind, &id.id, note);
            self.ask(&id.scope(), &id.kind, released);
        }
        for wanted in wanted {
            self.want(wanted);
        }
        Ok(Chunk { seq, unsettled })
    }

    /// Entries to commit, with how far sweeps had come when that has not been saved for a while.
    fn batch(&mut self, entries: Vec<(Cause, crate::model::Event)>) -> Batch {
        let now = self.clock.now();
        let due = now.since(self.saved) >= SAVED_EVERY || now < self.saved;
        let watermarks = if due { self.freshness.watermarks() } else { Vec::new() };
        if due {
            self.saved = now;
        }
        Batch { recorded_at: now, entries, watermarks }
    }

    fn decide(
        &self,
        draft: &mut Draft,
        view: &L::View,
        observation: Observation,
        cause: &Cause,
    ) -> Result<(), ReadError> {
        let (scope, kind) = (observation.id.scope(), observation.id.kind.clone());
        let rules = self.rules(&kind);
        // Looked up before the store is read: nobody waits for the disk to ask how fresh something is.
        let grounds = self.freshness.view(&scope, &kind, |watched| Grounds {
            remembered: watched.map(|watched| watched.memory.known(&observation.id.id, None, None)).unwrap_or_default(),
            tag_questions: watched.map_or(0, |watched| watched.memory.tag_questions()),
            rules,
            moment: self.moment(watched.is_some_and(|watched| watched.state.swept_now)),
        });
        draft.decide(view, observation, cause, &grounds)
    }

    fn moment(&self, swept: bool) -> Moment {
        Moment { now: self.clock.now(), started: self.started, steady: self.clock.steady_since(), swept }
    }

    fn rules(&self, kind: &Kind) -> KindRules {
        let unknown = KindRules { mapping: 0, masked: &[], state_path: None, gone_states: &[] };
        self.kinds.get(kind).map_or(unknown, |entry| entry.rules)
    }

    fn take(&self, scope: &Scope, kind: &Kind, id: &Arc<str>, note: Note) -> Vec<Arc<str>> {
        let now = self.clock.now();
        self.freshness.update(scope, kind, |watched| {
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

    fn sweep(&mut self, message: SweepMessage) {
        let SweepMessage { scope, kind, step } = message;
        let key = (scope.clone(), kind.clone());
        match step {
            SweepStep::Started { at } => {
                let baseline = self.freshness.update(&scope, &kind, |watched| {
                    watched.state.running_since = Some(at);
                    watched.state.seen = 0;
                    watched.memory.begin();
                    watched.state.complete.is_none()
                });
                self.sweeps.insert(key, Sweep { started: at, baseline, broken: None });
            }
            SweepStep::Page { sent_at, items } => {
                let count = items.len() as u64;
                let outcome = self.page(&scope, &kind, sent_at, items);
                if let Err(error) = self.watch(outcome)
                    && let Some(sweep) = self.sweeps.get_mut(&key)
                {
                    sweep.broken.get_or_insert(error.to_string());
                }
                self.freshness.update(&scope, &kind, |watched| watched.state.seen += count);
            }
            SweepStep::Completed { ended } => {
                let Some(sweep) = self.sweeps.remove(&key) else { return };
                let steady = self.clock.steady_since();
                if steady > sweep.started || sweep.started > ended {
                    let what = "the clock jumped while the listing was under way, so its times say nothing".to_owned();
                    let fix = "The next sweep repeats it; check what sets this machine's clock".to_owned();
                    self.fail(&scope, &kind, Trouble { class: "clock", what, fix, since: self.clock.now() });
                    return self.freshness.bump();
                }
                let outcome = if let Some(broken) = sweep.broken {
                    Err(broken)
                } else {
                    let outcome = self.complete(&scope, &kind, sweep.started, ended);
                    self.watch(outcome).map_err(|error| error.to_string())
                };
                if let Err(what) = outcome {
                    let fix = "free space or mend the disk that holds the data directory; the next sweep repeats it";
                    let since = self.clock.now();
                    self.fail(&scope, &kind, Trouble { class: "store", what, fix: fix.to_owned(), since });
                }
            }
            SweepStep::Failed { trouble } => {
                self.sweeps.remove(&key);
                self.fail(&scope, &kind, trouble);
            }
        }
        self.freshness.bump();
    }

    fn fail(&mut self, scope: &Scope, kind: &Kind, mut trouble: Trouble) {
        self.freshness.update(scope, kind, |watched| {
            watched.state.running_since = None;
            if let Some(earlier) = watched.state.trouble.take().filter(|earlier| earlier.class == trouble.class) {
                trouble.since = earlier.since;
            }
            watched.state.trouble = Some(trouble);
        });
        self.hub.mark([Topic::Freshness, Topic::Summary], self.clock.now());
    }

    /// Compares a page with the rows by digest, and decides only what differs.
    fn page(
        &mut self,
        scope: &Scope,
        kind: &Kind,
        at: Timestamp,
        items: Vec<(Arc<str>, Arc<Document>)>,
    ) -> Result<(), IngestError> {
        let baseline = self.sweeps.get(&(scope.clone(), kind.clone())).is_some_and(|sweep| sweep.baseline);
        let cause = if baseline { Cause::Baseline } else { Cause::Sweep };
        let rules = self.rules(kind);
        let (mut same, mut news) = (Vec::new(), VecDeque::new());
        let view = self.ledger.view()?;
        for (id, document) in items {
            let id = ResourceId::new(scope, kind, id);
            match view.fingerprint(&id)? {
                Some(row) if !row.provisional && row.digest == document.fingerprint(rules.mapping) => {
                    same.push((id.id, rules.is_gone(&document)));
                }
                _ => news.push_back(Observation { source: Source::Sweep, at, id, seen: Seen::Described(document) }),
            }
        }
        drop(view);
        let now = self.clock.now();
        let credible = crate::reconcile::credible(at, now);
        let released = self.freshness.update(scope, kind, |watched| {
            let mut released = Vec::new();
            for (id, gone) in &same {
                let note = Note::Shown { at: credible, how: How::Exactly, swept: true, gone: *gone };
                released.extend(watched.memory.take(id, note, now));
            }
            if watched.state.missing > 0 {
                watched.show_missing();
            }
            released
        });
        self.ask(scope, kind, released);
        while !news.is_empty() {
            self.commit_chunk(Draft::default(), &mut news, &cause)?;
            self.serve_urgent();
            if self.lanes.is_stopped() {
                return Err(IngestError::Stopped);
            }
        }
        Ok(())
    }

    /// Judges what a complete sweep lacked, and notes its end.
    fn complete(
        &mut self,
        scope: &Scope,
        kind: &Kind,
        started: Timestamp,
        ended: Timestamp,
    ) -> Result<(), IngestError> {
        let unseen = self.unseen(scope, kind)?;
        let (steady, now) = (self.clock.steady_since(), self.clock.now());
        let absence = self.freshness.update(scope, kind, |watched| {
            watched.memory.forget_undated(steady, now);
            watched.memory.complete(unseen, started, ended)
        });
        let Absence { removed, candidates, spared, held } = absence;
        let gone = removed.into_iter().map(|id| {
            let id = ResourceId::new(scope, kind, id);
            Observation { source: Source::Sweep, at: started, id, seen: Seen::Absent }
        });
        let mut gone: VecDeque<Observation> = gone.collect();
        while !gone.is_empty() {
            self.commit_chunk(Draft::default(), &mut gone, &Cause::Sweep)?;
            self.serve_urgent();
        }
        if let Some(hold) = &held {
            let shown = hold.shown();
            tracing::warn!(%scope, %kind, vanished = shown.vanished, of = shown.of, "held: too many vanished at once");
            self.ask(scope, kind, hold.sample().cloned().collect());
        }
        self.ask(scope, kind, candidates.into_keys().collect());
        let run = self.note_complete(scope, kind, Swept { started, ended }, spared);
        if run != Run::GoesOn {
            // From here on what appears is news, also after a crash: the end of the baseline is durable. And a run of
            // watching that was interrupted ends where it ended.
            let ended = match run {
                Run::Broken(ended) => Some(ended),
                Run::First | Run::GoesOn => None,
            };
            let watermarks = ended.into_iter().chain(self.freshness.watermarks()).collect();
            self.save(Batch { watermarks, ..Batch::default() })?;
        }
        Ok(())
    }

    /// What the end of a sweep means for the run of watching that it belongs to.
    fn note_complete(&mut self, scope: &Scope, kind: &Kind, swept: Swept, spared: u64) -> Run {
        let (run, turned) = self.freshness.update(scope, kind, |watched| {
            let held_before = watched.state.held.is_some();
            let turned = !watched.state.swept_now || watched.state.trouble.is_some();
            let run = watched.completed(swept, spared);
            (run, turned || held_before != watched.state.held.is_some())
        });
        if turned {
            self.hub.mark([Topic::Freshness, Topic::Summary], self.clock.now());
        }
        run
    }

    /// Known resources of the scope that the sweep under way has not shown.
    fn unseen(&mut self, scope: &Scope, kind: &Kind) -> Result<Vec<Unseen>, IngestError> {
        let shown = self.freshness.view(scope, kind, |watched| watched.map_or(0, |watched| watched.memory.shown()));
        let mut unseen = Vec::new();
        if self.ledger.view()?.count(kind, scope)? == shown as u64 {
            return Ok(unseen);
        }
        let mut after: Option<ResourceId> = None;
        loop {
            // A new view for each step: a long read would pin dead pages in the store.
            let mut ids = self.ledger.view()?.ids(kind, scope, after.as_ref(), 1000)?;
            let Some(last) = ids.last() else { return Ok(unseen) };
            after = Some(last.clone());
            self.freshness.view(scope, kind, |watched| {
                ids.retain(|id| !watched.is_some_and(|watched| watched.memory.is_shown(&id.id)));
            });
            for id in ids {
                unseen.extend(self.missed(id)?);
            }
            self.serve_urgent();
            if self.lanes.is_stopped() {
                // A sweep that was not judged to its end proves nothing.
                return Err(IngestError::Stopped);
            }
        }
    }

    /// What is known of a resource that was not shown, if it is still there.
    fn missed(&self, id: ResourceId) -> Result<Option<Unseen>, IngestError> {
        let Some(current) = self.ledger.view()?.current(&id)? else { return Ok(None) };
        let gone = self.rules(&id.kind).is_gone(&current.document);
        let moment = self.moment(true);
        let newest = self.freshness.view(&id.scope(), &id.kind, |watched| {
            let known = |memory: &Memory| memory.known(&id.id, Some(&current), None).newest(moment);
            watched.map_or(moment.steady, |watched| known(&watched.memory))
        });
        Ok(Some(Unseen { id: id.id, newest, gone }))
    }
}
