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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::{Cause, Current, Kind, Observation, ResourceId, Scope, Seen, SharedClock, Source, Timestamp};
use crate::notify::{ChangeHub, Topic};
use crate::reconcile::absence::{self, Candidates, Unseen};
use crate::reconcile::{KindRules, Moment, credible};
use crate::store::{Batch, CommitError, ReadError, Store, Writer};

mod draft;
pub mod freshness;
mod lanes;
#[cfg(test)]
mod tests;

pub use freshness::{Freshness, ScopeFreshness, SeenAt, Swept, Trouble};
pub use lanes::{Handle, IngestError, Lane, SweepMessage, SweepStep};

use draft::Draft;
use lanes::{Lanes, Record, Work};

/// A commit holds at most this many changed rows.
pub const MAX_ROWS: usize = 200;

/// Deciding for one commit takes at most this long (it may overrun by one observation).
pub const MAX_WORK: Duration = Duration::from_millis(20);

/// What the loop has to know of a kind.
#[derive(Clone, Debug)]
pub struct KindEntry {
    /// The kind.
    pub kind: Kind,
    /// What the rules have to know of it.
    pub rules: KindRules,
    /// Where the lifecycle state stands in a document of this kind.
    pub state_path: Option<&'static str>,
    /// States after which a resource ages out without proof.
    pub gone_states: &'static [&'static str],
    /// How often it is swept by default.
    pub interval: Duration,
}

/// The writer loop. Runs on a thread of its own.
pub struct Ingest {
    writer: Writer,
    store: Store,
    hub: ChangeHub,
    clock: SharedClock,
    kinds: HashMap<Kind, KindEntry>,
    freshness: Freshness,
    lanes: Lanes,
    sweeps: HashMap<(Scope, Kind), Sweep>,
    started: Timestamp,
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

impl Ingest {
    /// Connects the writer with its lanes. `stop` ends the loop after what waits in the lanes of tools, notifications and
    /// refreshes.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn new(
        writer: Writer,
        store: Store,
        hub: ChangeHub,
        clock: SharedClock,
        kinds: Vec<KindEntry>,
        stop: CancellationToken,
    ) -> Result<(Ingest, Handle), ReadError> {
        let kinds: HashMap<Kind, KindEntry> = kinds.into_iter().map(|entry| (entry.kind.clone(), entry)).collect();
        let interval = |kind: &Kind| kinds.get(kind).map_or(Duration::ZERO, |entry| entry.interval);
        let snapshot = store.snapshot()?;
        let held = snapshot.counts()?.into_iter().map(|(kind, scope, _)| (scope, kind));
        let freshness = Freshness::new(snapshot.watermarks()?, held, &interval);
        let (lanes, handle) = lanes::connect(freshness.clone(), stop);
        let started = clock.now();
        let sweeps = HashMap::new();
        let ingest = Ingest { writer, store, hub, clock, kinds, freshness, lanes, sweeps, started, broken: false };
        Ok((ingest, handle))
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
                return Err(CommitError::Latched { path: self.store.path().to_owned() });
            }
        }
        let watermarks = self.freshness.watermarks();
        if !watermarks.is_empty() {
            self.writer.save_watermarks(watermarks)?;
        }
        Ok(())
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

    /// Serves everything that waits in the lanes above the pages.
    fn serve_urgent(&mut self) {
        while let Some(record) = self.lanes.urgent() {
            self.record(record);
        }
    }

    fn record(&mut self, record: Record) {
        let Record { entries, observations, cause, done } = record;
        let mut queue = VecDeque::from(observations);
        let mut draft = Draft::of(entries);
        let outcome = loop {
            // Whoever waits is told the seq of the last commit: all of it is durable then.
            let outcome = self.commit_chunk(draft, &mut queue, &cause);
            match self.watch(outcome) {
                Ok(seq) if queue.is_empty() => break Ok(seq),
                Ok(_) => draft = Draft::default(),
                Err(error) => break Err(error),
            }
        };
        // The asker may have gone: the fact stands all the same.
        drop(done.send(outcome));
    }

    /// Decides from the front of `queue` until a commit is full, and commits it. The seq returned holds everything
    /// decided so far.
    fn commit_chunk(
        &mut self,
        mut draft: Draft,
        queue: &mut VecDeque<Observation>,
        cause: &Cause,
    ) -> Result<crate::model::Seq, IngestError> {
        let begun = Instant::now();
        let snapshot = self.store.snapshot()?;
        while let Some(observation) = queue.pop_front() {
            let (moment, rules, confirmed) = self.grounds(&observation.id);
            draft.decide(&snapshot, observation, cause, confirmed, rules, moment)?;
            if draft.entries.len() >= MAX_ROWS || begun.elapsed() >= MAX_WORK {
                break;
            }
        }
        let mut seq = snapshot.seq();
        drop(snapshot);
        let Draft { entries, noted, removed, .. } = draft;
        if !entries.is_empty() {
            let batch = Batch { recorded_at: self.clock.now(), entries, watermarks: Vec::new() };
            let committed = self.writer.commit(batch)?;
            seq = committed.last;
            self.hub.publish(&committed, self.clock.now());
        }
        let now = self.clock.now();
        for (id, at, exactly) in noted {
            self.freshness.update(&id.scope(), &id.kind, |watched| watched.note(&id.id, at, exactly, now));
        }
        for id in removed {
            self.freshness.update(&id.scope(), &id.kind, |watched| {
                watched.seen.remove(&id.id);
            });
        }
        Ok(seq)
    }

    /// What a decision on a resource rests on besides its state: the moment, its kind's rules, and the newest describe that
    /// showed it exactly as known.
    fn grounds(&self, id: &ResourceId) -> (Moment, KindRules, Option<Timestamp>) {
        let (swept, confirmed) = self.freshness.view(&id.scope(), &id.kind, |watched| match watched {
            Some(watched) => (watched.state.swept_now, watched.seen.get(&id.id).map(|seen| seen.confirmed)),
            None => (false, None),
        });
        let rules = self.kinds.get(&id.kind).map_or(KindRules { mapping: 0, masked: &[] }, |entry| entry.rules);
        (Moment { now: self.clock.now(), started: self.started, swept }, rules, confirmed)
    }

    fn sweep(&mut self, message: SweepMessage) {
        let SweepMessage { scope, kind, step } = message;
        let key = (scope.clone(), kind.clone());
        match step {
            SweepStep::Started { at } => {
                let baseline = self.freshness.update(&scope, &kind, |watched| {
                    watched.state.running_since = Some(at);
                    watched.state.seen = 0;
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
        items: Vec<(Arc<str>, Arc<crate::model::Document>)>,
    ) -> Result<(), IngestError> {
        let baseline = self.sweeps.get(&(scope.clone(), kind.clone())).is_some_and(|sweep| sweep.baseline);
        let cause = if baseline { Cause::Baseline } else { Cause::Sweep };
        let mapping = self.kinds.get(kind).map_or(0, |entry| entry.rules.mapping);
        let (mut same, mut news) = (Vec::new(), VecDeque::new());
        let snapshot = self.store.snapshot()?;
        for (id, document) in items {
            let id = ResourceId::new(scope, kind, id);
            match snapshot.digest_of(&id)? {
                Some(row) if !row.provisional && row.digest == document.fingerprint(mapping) => same.push(id.id),
                _ => news.push_back(Observation { source: Source::Sweep, at, id, seen: Seen::Described(document) }),
            }
        }
        drop(snapshot);
        let now = self.clock.now();
        self.freshness.update(scope, kind, |watched| {
            for id in &same {
                watched.note(id, at, true, now);
            }
        });
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
        let candidates = self.freshness.view(scope, kind, |w| w.map(|w| w.candidates.clone()).unwrap_or_default());
        let unseen = self.unseen(scope, kind, started)?;
        let absence = absence::judge(unseen, &candidates, started, ended);
        let gone = absence.removed.into_iter().map(|id| {
            let id = ResourceId::new(scope, kind, id);
            Observation { source: Source::Sweep, at: started, id, seen: Seen::Absent }
        });
        let mut gone: VecDeque<Observation> = gone.collect();
        while !gone.is_empty() {
            self.commit_chunk(Draft::default(), &mut gone, &Cause::Sweep)?;
            self.serve_urgent();
        }
        let missing = absence.candidates.len() as u64 + absence.spared;
        let first = self.note_complete(scope, kind, Swept { started, ended }, absence.candidates, missing);
        if first {
            // From here on what appears is news, also after a crash: the end of the baseline is durable.
            self.writer.save_watermarks(self.freshness.watermarks())?;
        }
        Ok(())
    }

    /// Whether it was the first one ever.
    fn note_complete(
        &mut self,
        scope: &Scope,
        kind: &Kind,
        swept: Swept,
        candidates: Candidates,
        missing: u64,
    ) -> bool {
        let (first, turned) = self.freshness.update(scope, kind, |watched| {
            let first = watched.state.complete.is_none();
            let turned = !watched.state.swept_now || watched.state.trouble.is_some();
            watched.state.missing = missing;
            if missing == 0 {
                watched.state.settled = Some(swept.started);
            }
            watched.candidates = candidates;
            watched.since.get_or_insert(swept.started);
            watched.state.complete = Some(swept);
            watched.state.swept_now = true;
            watched.state.running_since = None;
            watched.state.trouble = None;
            (first, turned)
        });
        if turned {
            self.hub.mark([Topic::Freshness, Topic::Summary], self.clock.now());
        }
        first
    }

    /// Known resources of the scope that no describe sent since `started` has shown.
    fn unseen(&mut self, scope: &Scope, kind: &Kind, started: Timestamp) -> Result<Vec<Unseen>, IngestError> {
        let listed = |watched: Option<&freshness::Watched>| {
            watched.map_or(0, |watched| watched.seen.values().filter(|seen| seen.listed >= started).count() as u64)
        };
        let mut unseen = Vec::new();
        if self.store.snapshot()?.count(kind, Some(scope))? == self.freshness.view(scope, kind, listed) {
            return Ok(unseen);
        }
        let mut after: Option<ResourceId> = None;
        loop {
            // A new snapshot for each step: a long read would pin dead pages in the store.
            let heads = self.store.snapshot()?.heads(kind, Some(scope), after.as_ref(), 1000)?;
            let Some(last) = heads.last() else { return Ok(unseen) };
            after = Some(last.id.clone());
            let missing: Vec<(ResourceId, Timestamp)> = self.freshness.view(scope, kind, |watched| {
                let seen = |id: &ResourceId| watched.and_then(|watched| watched.seen.get(&id.id));
                let listed = heads.into_iter().map(|head| {
                    let listed = seen(&head.id).map_or(Timestamp::EPOCH, |seen| seen.listed);
                    (head.id, listed)
                });
                listed.filter(|(_, listed)| *listed < started).collect()
            });
            for (id, listed) in missing {
                unseen.extend(self.missed(id, listed)?);
            }
            self.serve_urgent();
            if self.lanes.is_stopped() {
                // A sweep that was not judged to its end proves nothing.
                return Err(IngestError::Stopped);
            }
        }
    }

    /// What is known of a resource that was not shown, if it is still there.
    fn missed(&self, id: ResourceId, listed: Timestamp) -> Result<Option<Unseen>, IngestError> {
        let Some(current) = self.store.snapshot()?.current(&id)? else { return Ok(None) };
        let now = self.clock.now();
        let newest = credible(current.evidence.newest(), now).max(credible(listed, now));
        let gone = self.kinds.get(&id.kind).is_some_and(|kind| kind.is_gone(&current));
        Ok(Some(Unseen { id: id.id, newest, gone }))
    }
}

impl KindEntry {
    fn is_gone(&self, current: &Current) -> bool {
        let state = self.state_path.and_then(|path| current.document.text(path));
        state.is_some_and(|state| self.gone_states.contains(&state))
    }
}
