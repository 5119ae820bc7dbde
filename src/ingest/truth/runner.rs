//! Carries out a program, and checks after every step.

mod check;
mod event;
mod listing;
mod refresh;
mod reload;
mod tool;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::aws::{AwsHistory, Millis};
use super::place::{PLACES, Place};
use super::program::ProgramStep;
use super::shelf::Backing;
use super::tally::Tally;
use crate::ingest::tests::instances;
use crate::ingest::work::Record;
use crate::ingest::{Ingest, IngestHandle, Ledger, WantedReceiver};
use crate::model::fixtures::{SetClock, at_millis, kind};
use crate::model::{Cause, Clock, Current, Event, Observation, ResourceId, Seq, SweepMessage, SweepStep};
use crate::notify::{ChangeHub, ChangeTopic, Subscription};

/// The true time at which programs start.
const BEGIN: Millis = 1_000_000_000;
/// The maximum lag of an answer, in milliseconds.
const MAX_LAG: Millis = 5_000;
/// The number of resources that always existed.
const HERD: u32 = 56;

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the program so far")]
pub(super) struct Runner<'s, S: Backing> {
    shelf: &'s S,
    places: Vec<Place>,
    /// The place of the current step.
    here: usize,
    now: Millis,
    offset: Millis,
    /// Whether the clock was ever wrong: then times prove nothing any more.
    jumped: bool,
    mapping: u16,
    clock: Arc<SetClock>,
    ingest: Option<Ingest<S::Ledger>>,
    handle: IngestHandle,
    wanted: WantedReceiver,
    /// Subscribed to the instances of every place.
    told: Subscription,
    /// Whether the process ended in the step under way, and with it the subscription.
    deaf: bool,
    /// What the configuration file says of each place.
    file: Vec<bool>,
    /// Whether the file lists all accounts that there are.
    whole: bool,
    /// Whether this process has recorded which places are watched.
    chosen: bool,
    seq: Seq,
    tally: Tally,
}

type CheckResult = Result<(), String>;

/// A writer with its ends.
type Started<L> = (Ingest<L>, IngestHandle, WantedReceiver, Subscription);

impl<'s, S: Backing> Runner<'s, S> {
    pub(super) fn new(shelf: &'s S) -> Self {
        let clock = Arc::new(SetClock::new(at_millis(BEGIN)));
        let places: Vec<Place> = (0..PLACES).map(Place::new).collect();
        let (ingest, handle, wanted, told) = start(shelf.open(), &clock, 1, &places);
        Runner {
            shelf,
            file: vec![true; places.len()],
            places,
            here: 0,
            now: BEGIN,
            offset: 0,
            jumped: false,
            mapping: 1,
            clock,
            ingest: Some(ingest),
            handle,
            wanted,
            told,
            deaf: false,
            whole: true,
            chosen: false,
            seq: Seq::ZERO,
            tally: Tally::default(),
        }
    }

    /// What the program really did.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn step(&mut self, place: u8, step: ProgramStep) -> CheckResult {
        self.here = usize::from(place) % self.places.len();
        self.places.iter_mut().for_each(Place::begin_step);
        // No two things happen at the same moment, otherwise the state between them was never true.
        self.wait(1);
        match step {
            ProgramStep::Wait(seconds) => self.wait(Millis::from(seconds) * 1000 + 370),
            ProgramStep::Launch => {
                let now = self.now;
                let here = self.here();
                let id = here.aws.launch(now);
                if here.slots.len() >= 4 {
                    here.slots.remove(0);
                }
                here.slots.push(id);
                self.tally.count("launch");
            }
            ProgramStep::Power { which, on } => self.with("power", which, |aws, id, now| {
                aws.power(id, on, now);
            }),
            ProgramStep::Terminate(which) => self.with("terminate", which, AwsHistory::terminate),
            ProgramStep::Delete(which) => self.with("delete", which, AwsHistory::delete),
            ProgramStep::Retag { which, tags } => {
                self.with("retag", which, |aws, id, now| aws.retag(id, tags, now));
            }
            ProgramStep::Resize(which) => self.with("resize", which, AwsHistory::resize),
            ProgramStep::DeleteMany => {
                let now = self.now;
                let here = self.here();
                if here.herd {
                    (0..HERD).for_each(|n| here.aws.delete(&format!("h-{n}"), now));
                } else {
                    // The first time it makes them, so that only programs that use them carry them along.
                    here.herd = true;
                    (0..HERD).for_each(|n| here.aws.found(format!("h-{n}")));
                }
            }
            ProgramStep::Deliver { which, again } => {
                if let Some(notice) = self.notice(which, again) {
                    self.deliver(&notice)?;
                }
            }
            ProgramStep::Repeat(which) => {
                let past = &self.here().past;
                if let Some(notice) = past.get(usize::from(which) % past.len().max(1)).cloned() {
                    if self.here().left && self.here().watched {
                        self.tally.count("event repeated after a return");
                    }
                    self.deliver(&notice)?;
                }
            }
            ProgramStep::Lose(which) => drop(self.notice(which, false)),
            ProgramStep::Sweep => self.sweep()?,
            ProgramStep::Ask { lag, tagless, hide, blind } => self.ask(lag, tagless, hide, blind),
            ProgramStep::Land => self.land(),
            ProgramStep::Finish { lag } => self.finish(lag)?,
            ProgramStep::GiveUp => self.give_up(),
            ProgramStep::Refresh { lag, fails } => self.refresh(lag, fails),
            ProgramStep::Answer => self.answer(),
            ProgramStep::Tool { which, on } => self.tool(which, on)?,
            ProgramStep::ToolAnswer => self.tool_answer()?,
            ProgramStep::Restart { kill } => self.restart(kill)?,
            ProgramStep::Jump(seconds) => self.jump(Millis::from(seconds) * 1000),
            ProgramStep::Remap => {
                self.mapping += 1;
                self.restart(false)?;
            }
            ProgramStep::Reload { turned, whole, cut, within, fault } => {
                self.reload(turned, whole, cut, within, fault)?;
            }
        }
        self.check()
    }

    /// Ends all faults; after two complete sweeps and 90 s, what is served equals what AWS holds. Then what was given up comes back,
    /// and the same holds for it.
    pub(super) fn settle(&mut self) -> CheckResult {
        self.calm()?;
        let missing: Vec<bool> = self.places.iter().map(|place| place.is_used() && !place.watched).collect();
        if missing.contains(&true) {
            self.places.iter_mut().for_each(Place::begin_step);
            self.file.fill(true);
            self.choose()?;
            self.check()?;
            self.calm()?;
        }
        self.restart(true)?;
        self.check()
    }

    fn calm(&mut self) -> CheckResult {
        self.places.iter_mut().for_each(Place::begin_step);
        if self.offset != 0 {
            self.jump(0);
        }
        for place in &mut self.places {
            place.aws.notices.clear();
            place.listing = None;
            place.stray.clear();
        }
        self.chose()?;
        self.check()?;
        let calm = self.now;
        // What a clock dated ahead counts as recent for that much longer.
        for _ in 0..if self.jumped { 4 } else { 1 } {
            self.sweep_all()?;
            self.refreshes(22)?;
        }
        self.sweep_all()?;
        self.refreshes(8)?;
        for place in self.places.iter().filter(|place| place.watched) {
            self.check_end(place, calm)?;
        }
        Ok(())
    }

    fn sweep_all(&mut self) -> CheckResult {
        for here in 0..self.places.len() {
            if self.places[here].is_used() {
                self.places.iter_mut().for_each(Place::begin_step);
                self.here = here;
                self.sweep()?;
                self.finish(0)?;
                self.check()?;
            }
        }
        Ok(())
    }

    /// What is served of a place equals what AWS holds there, and held since it was calm.
    fn check_end(&self, place: &Place, calm: Millis) -> CheckResult {
        let known =
            self.ingest.as_ref().map(|ingest| self.shelf.all(ingest.ledger(), &place.scope)).unwrap_or_default();
        let served: BTreeMap<Arc<str>, Current> = known.into_iter().map(|(id, current)| (id.id, current)).collect();
        for id in place.aws.ids() {
            let held = place.aws.at(id, self.now).map(|version| version.document(self.mapping));
            let known = served.get(id.as_str());
            match (held, known) {
                (Some(held), Some(known)) if known.document != held || known.provisional.is_some() => {
                    return Err(format!("in the end {id} is served as {known:?}, and AWS holds {held:?}"));
                }
                (Some(held), None) => return Err(format!("in the end {id} is not served, and AWS holds {held:?}")),
                // What AWS forgot since then is removed a minute after it was last seen.
                (None, Some(known)) if place.aws.at(id, calm).is_none() => {
                    return Err(format!("in the end {id} is served as {known:?}, and AWS does not hold it"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn here(&mut self) -> &mut Place {
        &mut self.places[self.here]
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

    fn with(&mut self, what: &'static str, which: u8, act: impl FnOnce(&mut AwsHistory, &str, Millis)) {
        let now = self.now;
        let Place { slots, aws, .. } = self.here();
        if let Some(id) = slots.get(usize::from(which) % slots.len().max(1)) {
            act(aws, id, now);
            self.tally.count(what);
        }
    }

    fn restart(&mut self, kill: bool) -> CheckResult {
        let Some(mut ingest) = self.ingest.take() else { return Err("no writer".to_owned()) };
        if !kill {
            ingest.close().map_err(|error| error.to_string())?;
        }
        self.tally.count(if kill { "kill" } else { "restart" });
        if kill && self.places.iter().any(|place| !place.watched && place.is_used()) {
            self.tally.count("kill while a scope is given up");
        }
        if kill && self.places.iter().any(|place| place.watched && place.left && !place.begun) {
            self.tally.count("kill after a return and before its first sweep");
        }
        let ledger = self.shelf.reopen(ingest.into_ledger())?;
        let (ingest, handle, wanted, told) = start(ledger, &self.clock, self.mapping, &self.places);
        (self.ingest, self.handle, self.wanted, self.told) = (Some(ingest), handle, wanted, told);
        (self.deaf, self.chosen) = (true, false);
        self.places.iter_mut().for_each(Place::forget);
        self.check_begun()
    }

    fn message(&mut self, step: SweepStep) {
        let scope = self.here().scope.clone();
        if let Some(ingest) = &mut self.ingest {
            ingest.sweep(SweepMessage { scope, kind: kind(), step });
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
}

fn start<L: Ledger>(ledger: L, clock: &Arc<SetClock>, mapping: u16, places: &[Place]) -> Started<L> {
    let hub = ChangeHub::new(Vec::new());
    let instances_of = |place: &Place| ChangeTopic::Collection { scope: place.scope.clone(), kind: kind() };
    let topics = places.iter().map(|place| (instances_of(place), place.number.to_string().into()));
    let told = hub.register(false, topics.collect());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let (ingest, handle, wanted) =
        Ingest::new(ledger, hub, clock, vec![instances(mapping)], CancellationToken::new()).expect("a loop");
    (ingest, handle, wanted, told)
}
