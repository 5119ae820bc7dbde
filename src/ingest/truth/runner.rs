//! Carries out a program, and checks after every step.

mod check;
mod event;
mod listing;
mod refresh;
mod tool;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::listing::RunningListing;
use self::refresh::PendingAnswer;
use super::aws::{AwsHistory, Millis, PendingEvent};
use super::program::ProgramStep;
use super::shelf::Backing;
use crate::ingest::tests::instances;
use crate::ingest::work::Record;
use crate::ingest::{Ingest, IngestHandle, Ledger, WantedReceiver};
use crate::kinds::INSTANCE;
use crate::model::fixtures::{SetClock, at_millis, kind, scope};
use crate::model::{
    ActionId, Cause, Clock, Current, Event, Observation, ResourceId, Seq, SweepMessage, SweepStep, Timestamp,
};
use crate::notify::ChangeHub;
use crate::source::refresh::queue::RefreshQueue;

/// The true time at which programs start.
const BEGIN: Millis = 1_000_000_000;
/// The maximum lag of an answer, in milliseconds.
const MAX_LAG: Millis = 5_000;
/// The number of resources that always existed.
const HERD: u32 = 56;

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the program so far")]
pub(super) struct Runner<'s, S: Backing> {
    shelf: &'s S,
    aws: AwsHistory,
    now: Millis,
    offset: Millis,
    /// Whether the clock was ever wrong: then times prove nothing any more.
    jumped: bool,
    mapping: u16,
    clock: Arc<SetClock>,
    ingest: Option<Ingest<S::Ledger>>,
    handle: IngestHandle,
    wanted: WantedReceiver,
    queue: RefreshQueue,
    /// A sweep was asked for in place of too many refreshes.
    due: bool,
    listing: Option<RunningListing>,
    refresh: Option<PendingAnswer>,
    tools: VecDeque<(ActionId, String, Timestamp, &'static str)>,
    slots: Vec<String>,
    seq: Seq,
    /// Delivered events, and the ids of the recorded ones.
    past: Vec<PendingEvent>,
    recorded: BTreeSet<String>,
    dead: BTreeSet<Arc<str>>,
    removed: BTreeSet<Arc<str>>,
    herd: bool,
    /// The last complete listing lacked some resources.
    hid: bool,
    /// Some resources lost their tags since the last complete listing that lost none.
    lost: bool,
}

type CheckResult = Result<(), String>;

impl<'s, S: Backing> Runner<'s, S> {
    pub(super) fn new(shelf: &'s S) -> Self {
        let clock = Arc::new(SetClock::new(at_millis(BEGIN)));
        let (ingest, handle, wanted) = start(shelf.open(), &clock, 1);
        Runner {
            shelf,
            aws: AwsHistory::default(),
            now: BEGIN,
            offset: 0,
            jumped: false,
            mapping: 1,
            clock,
            ingest: Some(ingest),
            handle,
            wanted,
            queue: RefreshQueue::new(INSTANCE.refreshes),
            due: false,
            listing: None,
            refresh: None,
            tools: VecDeque::new(),
            slots: Vec::new(),
            seq: Seq::ZERO,
            past: Vec::new(),
            recorded: BTreeSet::new(),
            dead: BTreeSet::new(),
            removed: BTreeSet::new(),
            herd: false,
            hid: false,
            lost: false,
        }
    }

    pub(super) fn step(&mut self, step: ProgramStep) -> CheckResult {
        // No two things happen at the same moment, otherwise the state between them was never true.
        self.wait(1);
        match step {
            ProgramStep::Wait(seconds) => self.wait(Millis::from(seconds) * 1000 + 370),
            ProgramStep::Launch => {
                let id = self.aws.launch(self.now);
                if self.slots.len() < 4 {
                    self.slots.push(id);
                } else {
                    self.slots.remove(0);
                    self.slots.push(id);
                }
            }
            ProgramStep::Power { which, on } => self.with(which, |aws, id, now| {
                aws.power(id, on, now);
            }),
            ProgramStep::Terminate(which) => self.with(which, AwsHistory::terminate),
            ProgramStep::Delete(which) => self.with(which, AwsHistory::delete),
            ProgramStep::Retag { which, tags } => self.with(which, |aws, id, now| aws.retag(id, tags, now)),
            ProgramStep::Resize(which) => self.with(which, AwsHistory::resize),
            ProgramStep::DeleteMany if self.herd => {
                (0..HERD).for_each(|n| self.aws.delete(&format!("h-{n}"), self.now));
            }
            ProgramStep::DeleteMany => {
                // The first time it makes them, so that only programs that use them carry them along.
                self.herd = true;
                (0..HERD).for_each(|n| self.aws.found(format!("h-{n}")));
            }
            ProgramStep::Deliver { which, again } => {
                if let Some(notice) = self.notice(which, again) {
                    self.deliver(&notice)?;
                }
            }
            ProgramStep::Repeat(which) => {
                if let Some(notice) = self.past.get(usize::from(which) % self.past.len().max(1)).cloned() {
                    self.deliver(&notice)?;
                }
            }
            ProgramStep::Lose(which) => drop(self.notice(which, false)),
            ProgramStep::Sweep => self.sweep(),
            ProgramStep::Ask { lag, tagless, hide, blind } => self.ask(lag, tagless, hide, blind),
            ProgramStep::Land => self.land(),
            ProgramStep::Finish { lag } => self.finish(lag),
            ProgramStep::GiveUp => self.give_up(),
            ProgramStep::Refresh { lag, fails } => self.refresh(lag, fails),
            ProgramStep::Answer => self.answer(),
            ProgramStep::Tool { which, on } => self.tool(which, on),
            ProgramStep::ToolAnswer => self.tool_answer(),
            ProgramStep::Restart { kill } => self.restart(kill)?,
            ProgramStep::Jump(seconds) => self.jump(Millis::from(seconds) * 1000),
            ProgramStep::Remap => {
                self.mapping += 1;
                self.restart(false)?;
            }
        }
        self.check()
    }

    /// Ends all faults; after two complete sweeps and 90 s, what is served equals what AWS holds.
    pub(super) fn settle(&mut self) -> CheckResult {
        if self.offset != 0 {
            self.jump(0);
        }
        self.aws.notices.clear();
        self.listing = None;
        let calm = self.now;
        // What a clock dated ahead counts as recent for that much longer.
        for _ in 0..if self.jumped { 4 } else { 1 } {
            self.sweep();
            self.finish(0);
            self.refreshes(22)?;
        }
        self.sweep();
        self.finish(0);
        self.refreshes(8)?;
        let served: BTreeMap<Arc<str>, Current> =
            self.all().into_iter().map(|(id, current)| (id.id, current)).collect();
        for id in self.aws.ids() {
            let held = self.aws.at(id, self.now).map(|version| version.document(self.mapping));
            let known = served.get(id.as_str());
            match (held, known) {
                (Some(held), Some(known)) if known.document != held || known.provisional.is_some() => {
                    return Err(format!("in the end {id} is served as {known:?}, and AWS holds {held:?}"));
                }
                (Some(held), None) => return Err(format!("in the end {id} is not served, and AWS holds {held:?}")),
                // What AWS forgot since then is removed a minute after it was last seen.
                (None, Some(known)) if self.aws.at(id, calm).is_none() => {
                    return Err(format!("in the end {id} is served as {known:?}, and AWS does not hold it"));
                }
                _ => {}
            }
        }
        self.restart(true)?;
        self.check()
    }

    fn wait(&mut self, by: Millis) {
        self.now += by;
        self.clock.set(at_millis(self.now + self.offset));
    }

    fn jump(&mut self, offset: Millis) {
        if offset == self.offset {
            return;
        }
        self.offset = offset;
        self.jumped = true;
        self.wait(0);
        self.clock.jumped();
    }

    fn with(&mut self, which: u8, act: impl FnOnce(&mut AwsHistory, &str, Millis)) {
        if let Some(id) = self.slots.get(usize::from(which) % self.slots.len().max(1)) {
            act(&mut self.aws, id, self.now);
        }
    }

    fn restart(&mut self, kill: bool) -> CheckResult {
        let Some(mut ingest) = self.ingest.take() else { return Err("no writer".to_owned()) };
        if !kill {
            ingest.close().map_err(|error| error.to_string())?;
        }
        let ledger = self.shelf.reopen(ingest.into_ledger())?;
        let (ingest, handle, wanted) = start(ledger, &self.clock, self.mapping);
        (self.ingest, self.handle, self.wanted) = (Some(ingest), handle, wanted);
        (self.queue, self.listing, self.refresh) = (RefreshQueue::new(INSTANCE.refreshes), None, None);
        self.tools.clear();
        Ok(())
    }

    fn message(&mut self, step: SweepStep) {
        if let Some(ingest) = &mut self.ingest {
            ingest.sweep(SweepMessage { scope: scope(), kind: kind(), step });
        }
    }

    fn record(
        &mut self,
        entries: Vec<(Cause, Event)>,
        observations: Vec<Observation>,
        cause: Cause,
    ) -> Vec<ResourceId> {
        let (done, mut outcome) = oneshot::channel();
        if let Some(ingest) = &mut self.ingest {
            ingest.record(Record { entries, observations, cause, done });
        }
        outcome.try_recv().expect("an outcome").expect("recorded").unsettled
    }

    fn all(&self) -> Vec<(ResourceId, Current)> {
        self.ingest.as_ref().map(|ingest| self.shelf.all(ingest.ledger())).unwrap_or_default()
    }
}

fn start<L: Ledger>(ledger: L, clock: &Arc<SetClock>, mapping: u16) -> (Ingest<L>, IngestHandle, WantedReceiver) {
    let hub = ChangeHub::new(Vec::new());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Ingest::new(ledger, hub, clock, vec![instances(mapping)], CancellationToken::new()).expect("a loop")
}
