//! Carries out a program, and checks after every step.

mod check;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::aws::{Aws, Millis, News, Notice, state_value, tags_value};
use super::program::Step;
use super::shelf::{Shelf, kind, scope};
use crate::ingest::ledger::View;
use crate::ingest::work::{Notifications, Record};
use crate::ingest::{Handle, Ingest, KindEntry, Ledger, Taken, WantedReceiver};
use crate::model::{
    ActionId, Cause, Clock, Current, ErrorClass, Event, Item, KindRules, Notification, Observation, Outcome, Page,
    ResourceId, Seen, Seq, Source, SweepMessage, SweepStep, Timestamp, Trouble,
};
use crate::notify::ChangeHub;
use crate::source::refresh::queue::{Pushed, RefreshQueue};

/// The true time at which programs begin.
const BEGIN: Millis = 1_000_000_000;
/// No answer lags more, in milliseconds.
const MOST_LAG: Millis = 5_000;
/// Resources that were always there.
const HERD: u32 = 56;

/// AWS's time as the process tells it: the true time, unless it is wrong.
struct Watch {
    now: AtomicI64,
    steady: AtomicI64,
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    fn steady_since(&self) -> Timestamp {
        Timestamp::from_millis(self.steady.load(Ordering::Relaxed))
    }
}

/// An answer on its way: when it was asked for, by the process's clock, and what it says.
struct Described {
    page: Page,
    missing: Vec<Arc<str>>,
}

/// A listing under way: two pages, each of the ids of one parity.
#[derive(Default)]
struct Listing {
    asked: u8,
    landed: u8,
    hides: bool,
    loses: bool,
    page: Option<Page>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the program so far")]
pub(super) struct Runner<'s, S: Shelf> {
    shelf: &'s S,
    aws: Aws,
    now: Millis,
    offset: Millis,
    /// Whether the clock was ever wrong: then times say nothing any more.
    jumped: bool,
    mapping: u16,
    clock: Arc<Watch>,
    ingest: Option<Ingest<S::Ledger>>,
    handle: Handle,
    wanted: WantedReceiver,
    queue: RefreshQueue,
    /// A sweep was asked for in place of too many refreshes.
    due: bool,
    listing: Option<Listing>,
    refresh: Option<Described>,
    tools: VecDeque<(ActionId, String, Timestamp, &'static str)>,
    slots: Vec<String>,
    seq: Seq,
    /// Events that were delivered, and the ids of those that were recorded.
    past: Vec<Notice>,
    recorded: BTreeSet<String>,
    dead: BTreeSet<Arc<str>>,
    removed: BTreeSet<Arc<str>>,
    herd: bool,
    /// The last complete listing lacked some.
    hid: bool,
    /// Some lost their tags since the last complete listing that lost none.
    lost: bool,
}

type Checked = Result<(), String>;

fn entry(mapping: u16) -> KindEntry {
    let rules =
        KindRules { mapping, masked: &[], state_path: Some("State.Name"), gone_states: &["terminated"], made_by: &[] };
    KindEntry { kind: kind(), rules, interval: Duration::from_mins(1), event_rules: None }
}

fn resource(id: &str) -> ResourceId {
    ResourceId::new(&scope(), &kind(), id)
}

impl<'s, S: Shelf> Runner<'s, S> {
    pub(super) fn new(shelf: &'s S) -> Self {
        let clock = Arc::new(Watch { now: AtomicI64::new(BEGIN), steady: AtomicI64::new(0) });
        let (ingest, handle, wanted) = start(shelf.open(), &clock, 1);
        Runner {
            shelf,
            aws: Aws::default(),
            now: BEGIN,
            offset: 0,
            jumped: false,
            mapping: 1,
            clock,
            ingest: Some(ingest),
            handle,
            wanted,
            queue: RefreshQueue::default(),
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

    pub(super) fn step(&mut self, step: Step) -> Checked {
        // No two things happen at the same moment, or what was true between them never was.
        self.wait(1);
        match step {
            Step::Wait(seconds) => self.wait(Millis::from(seconds) * 1000 + 370),
            Step::Launch => {
                let id = self.aws.launch(self.now);
                if self.slots.len() < 4 {
                    self.slots.push(id);
                } else {
                    self.slots.remove(0);
                    self.slots.push(id);
                }
            }
            Step::Power { which, on } => self.with(which, |aws, id, now| {
                aws.power(id, on, now);
            }),
            Step::Terminate(which) => self.with(which, Aws::terminate),
            Step::Delete(which) => self.with(which, Aws::delete),
            Step::Retag { which, tags } => self.with(which, |aws, id, now| aws.retag(id, tags, now)),
            Step::Resize(which) => self.with(which, Aws::resize),
            Step::DeleteMany if self.herd => (0..HERD).for_each(|n| self.aws.delete(&format!("h-{n}"), self.now)),
            Step::DeleteMany => {
                // The first time it makes them, so that only programs that use them carry them along.
                self.herd = true;
                (0..HERD).for_each(|n| self.aws.found(format!("h-{n}")));
            }
            Step::Deliver { which, again } => {
                if let Some(notice) = self.notice(which, again) {
                    self.deliver(&notice)?;
                }
            }
            Step::Repeat(which) => {
                if let Some(notice) = self.past.get(usize::from(which) % self.past.len().max(1)).cloned() {
                    self.deliver(&notice)?;
                }
            }
            Step::Lose(which) => drop(self.notice(which, false)),
            Step::Sweep => self.sweep(),
            Step::Ask { lag, tagless, hide, blind } => self.ask(lag, tagless, hide, blind),
            Step::Land => self.land(),
            Step::Finish { lag } => self.finish(lag),
            Step::GiveUp => self.give_up(),
            Step::Refresh { lag, fails } => self.refresh(lag, fails),
            Step::Answer => self.answer(),
            Step::Tool { which, on } => self.tool(which, on),
            Step::ToolAnswer => self.tool_answer(),
            Step::Restart { kill } => self.restart(kill)?,
            Step::Jump(seconds) => self.jump(Millis::from(seconds) * 1000),
            Step::Remap => {
                self.mapping += 1;
                self.restart(false)?;
            }
        }
        self.check()
    }

    /// Ends all faults; after two complete sweeps and 90 s what is served is what AWS holds.
    pub(super) fn settle(&mut self) -> Checked {
        if self.offset != 0 {
            self.jump(0);
        }
        self.aws.notices.clear();
        self.listing = None;
        let calm = self.now;
        // What was dated by a clock that ran ahead counts as recent for as much longer.
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
                // What AWS forgot since then goes a minute after it was seen last.
                (None, Some(known)) if self.aws.at(id, calm).is_none() => {
                    return Err(format!("in the end {id} is served as {known:?}, and AWS does not hold it"));
                }
                _ => {}
            }
        }
        self.restart(true)?;
        self.check()
    }

    /// Time passes, and whoever is wanted is asked for; each round takes three seconds.
    fn refreshes(&mut self, rounds: usize) -> Checked {
        for _ in 0..rounds {
            self.wait(3_000);
            for _ in 0..3 {
                self.refresh(0, false);
                self.answer();
            }
            self.check()?;
        }
        Ok(())
    }

    fn wait(&mut self, by: Millis) {
        self.now += by;
        self.clock.now.store(self.now + self.offset, Ordering::Relaxed);
    }

    fn jump(&mut self, offset: Millis) {
        if offset == self.offset {
            return;
        }
        self.offset = offset;
        self.jumped = true;
        self.wait(0);
        self.clock.steady.store(self.now + offset, Ordering::Relaxed);
    }

    fn with(&mut self, which: u8, act: impl FnOnce(&mut Aws, &str, Millis)) {
        if let Some(id) = self.slots.get(usize::from(which) % self.slots.len().max(1)) {
            act(&mut self.aws, id, self.now);
        }
    }

    fn notice(&mut self, which: u8, again: bool) -> Option<Notice> {
        let ready: Vec<usize> = (0..self.aws.notices.len()).filter(|n| self.aws.notices[*n].at <= self.now).collect();
        let chosen = *ready.get(usize::from(which) % ready.len().max(1))?;
        Some(if again { self.aws.notices[chosen].clone() } else { self.aws.notices.remove(chosen) })
    }

    fn deliver(&mut self, notice: &Notice) -> Checked {
        // Events know seconds.
        let at = Timestamp::from_millis(notice.at / 1000 * 1000);
        let seen = match &notice.news {
            News::State(state) => Seen::StateAsserted(state_value(state)),
            News::Tags { tags, version } => Seen::TagsAsserted { tags: tags_value(tags), version: *version },
        };
        let observation = Observation { source: Source::Notification, at, id: resource(&notice.id), seen };
        // Nothing happens at the same moment, and a notice is of one group.
        let event_id = format!("{}-{}", notice.at, matches!(notice.news, News::State(_)));
        let before = self.ingest.as_ref().map(|ingest| ingest.ledger().view().map(|view| view.seq()));
        let before = before.and_then(Result::ok).unwrap_or_default();
        let (done, mut outcome) = oneshot::channel();
        let notification = Notification { event_id: event_id.clone(), observations: vec![observation], called: None };
        if let Some(ingest) = &mut self.ingest {
            // A queue may give the same event twice at once.
            let notifications = vec![notification.clone(), notification];
            ingest.notify(Notifications { notifications, done });
        }
        let taken = outcome.try_recv().expect("an outcome").expect("recorded");
        let known = self.recorded.contains(&event_id);
        match taken[..] {
            [Taken::Repeated, Taken::Repeated] if known => {}
            [Taken::Applied(seq), Taken::Repeated] if !known && seq > before => {
                self.recorded.insert(event_id);
            }
            // Where deciding took too long for one commit, the second is decided again.
            [Taken::Unchanged, Taken::Repeated | Taken::Unchanged] if !known => {}
            _ => return Err(format!("{event_id} was {taken:?}, and {} before", if known { "known" } else { "new" })),
        }
        self.past.push(notice.clone());
        Ok(())
    }

    fn sweep(&mut self) {
        self.due = false;
        self.listing = Some(Listing::default());
        self.message(SweepStep::Started { at: self.clock.now() });
    }

    fn ask(&mut self, lag: u8, tagless: bool, hide: bool, blind: bool) {
        let Some(asked) = self.listing.as_ref().filter(|listing| listing.page.is_none()).map(|listing| listing.asked)
        else {
            return;
        };
        if asked > 1 {
            return;
        }
        let parity = usize::from(asked);
        let seen = self.now - Millis::from(lag) * 1000;
        // Two listings in a row that lack the same resource are the proof that it is gone: AWS never errs twice so. But a
        // listing that is blind to most may come any number of times: the guard is there for it.
        let hide = hide && !self.hid;
        // Nor does it lose all tags of a resource in two listings, which is the proof that they were taken off.
        let tagless = tagless && !self.lost;
        self.lost |= tagless;
        let blind = blind && (0..HERD).all(|n| self.aws.at(&format!("h-{n}"), self.now).is_some());
        let mut items = Vec::new();
        for (n, id) in self.aws.ids_at(seen).enumerate() {
            let number = id.bytes().fold(0_usize, |sum, byte| sum * 31 + usize::from(byte));
            if number % 2 != parity || (hide && number % 4 < 2 && n % 2 == 0) || (blind && number % 16 > 1) {
                continue;
            }
            let Some(version) = self.aws.at(id, seen) else { continue };
            let mut version = version.clone();
            // What was never seen with tags is believed to have none: rule 3 says so, and nobody could tell.
            if tagless && number % 3 > 0 && self.is_tagged(id) {
                version.tags.clear();
            }
            items.push(Item::new(id.as_str(), version.document(self.mapping)));
        }
        let page = Page { sent_at: self.clock.now(), items, ..Page::default() };
        if let Some(listing) = &mut self.listing {
            listing.hides |= hide;
            listing.loses |= tagless;
            listing.asked += 1;
            listing.page = Some(page);
        }
    }

    fn is_tagged(&self, id: &str) -> bool {
        let view = self.ingest.as_ref().and_then(|ingest| ingest.ledger().view().ok());
        let current = view.and_then(|view| view.current(&resource(id)).ok()).flatten();
        current.is_some_and(|current| current.document.tags().next().is_some())
    }

    fn land(&mut self) {
        let Some(listing) = &mut self.listing else { return };
        let Some(page) = listing.page.take() else { return };
        listing.landed += 1;
        self.message(SweepStep::Page(page));
    }

    fn finish(&mut self, lag: u8) {
        if self.listing.is_none() {
            self.sweep();
        }
        while self.listing.as_ref().is_some_and(|listing| listing.landed < 2) {
            self.ask(lag, false, false, false);
            self.land();
        }
        let listing = self.listing.take().unwrap_or_default();
        self.hid = listing.hides;
        self.lost = listing.loses;
        self.message(SweepStep::Completed { ended: self.clock.now() });
    }

    fn give_up(&mut self) {
        if self.listing.take().is_some() {
            let (what, fix) = ("made up".to_owned(), String::new());
            let trouble =
                Trouble { class: ErrorClass::Transient.into(), what, fix, since: self.clock.now(), retry_at: None };
            self.message(SweepStep::Failed { trouble });
        }
    }

    fn refresh(&mut self, lag: u8, fails: bool) {
        self.hear();
        let tick = self.tick();
        if self.refresh.is_some() {
            return;
        }
        let ids = self.queue.take(tick, 100);
        if fails {
            return self.queue.put_back(ids, tick + Duration::from_secs(1));
        }
        let seen = self.now - Millis::from(lag) * 1000;
        let page = Page { sent_at: self.clock.now(), ..Page::default() };
        let mut answer = Described { page, missing: Vec::new() };
        for id in ids {
            match self.aws.at(&id, seen) {
                Some(version) => answer.page.items.push(Item::new(id, version.document(self.mapping))),
                None => answer.missing.push(id),
            }
        }
        self.refresh = Some(answer);
    }

    fn answer(&mut self) {
        let Some(Described { page: Page { sent_at: at, items, .. }, missing }) = self.refresh.take() else { return };
        let saw = |id: &str, seen| Observation { source: Source::Refresh, at, id: resource(id), seen };
        let found = items.iter().map(|item| saw(&item.id, Seen::Described(Arc::clone(&item.document))));
        let lost = missing.iter().map(|id| saw(id, Seen::NotFound));
        let observations = found.chain(lost).collect();
        let unsettled = self.record(Vec::new(), observations, Cause::Refresh);
        let tick = self.tick();
        let shown = items.iter().map(|item| (&item.id, item.document.text("State.Name")));
        for (id, shown) in shown.chain(missing.iter().map(|id| (id, None))) {
            let settled = !unsettled.iter().any(|unsettled| unsettled.id == *id);
            self.queue.answered(id, settled, shown, tick);
        }
    }

    fn hear(&mut self) {
        let tick = self.tick();
        while let Ok(wanted) = self.wanted.try_recv() {
            self.due |= self.queue.push(wanted.id.id, wanted.expects, tick) == Pushed::Overflowed;
        }
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now - BEGIN).unwrap_or(0))
    }

    fn tool(&mut self, which: u8, on: bool) {
        let Some(id) = self.slots.get(usize::from(which) % self.slots.len().max(1)).cloned() else { return };
        let action = ActionId(self.seq.0);
        let event = Event::ActionRequested { action, tool: "t".to_owned(), targets: vec![resource(&id)] };
        self.record(vec![(Cause::Tool { action }, event)], Vec::new(), Cause::Tool { action });
        if let Some(state) = self.aws.power(&id, on, self.now) {
            self.tools.push_back((action, id, self.clock.now(), state));
        }
    }

    fn tool_answer(&mut self) {
        let Some((action, id, at, state)) = self.tools.pop_front() else { return };
        let seen = Seen::StateAsserted(state_value(state));
        let observation = Observation { source: Source::Tool, at, id: resource(&id), seen };
        let event = Event::ActionFinished { action, outcome: Outcome::Succeeded { created: Vec::new() } };
        self.record(vec![(Cause::Tool { action }, event)], vec![observation], Cause::Tool { action });
    }

    fn restart(&mut self, kill: bool) -> Checked {
        let Some(mut ingest) = self.ingest.take() else { return Err("no writer".to_owned()) };
        if !kill {
            ingest.close().map_err(|error| error.to_string())?;
        }
        let ledger = self.shelf.reopen(ingest.into_ledger())?;
        let (ingest, handle, wanted) = start(ledger, &self.clock, self.mapping);
        (self.ingest, self.handle, self.wanted) = (Some(ingest), handle, wanted);
        (self.queue, self.listing, self.refresh) = (RefreshQueue::default(), None, None);
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

fn start<L: Ledger>(ledger: L, clock: &Arc<Watch>, mapping: u16) -> (Ingest<L>, Handle, WantedReceiver) {
    let hub = ChangeHub::new(Vec::new());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Ingest::new(ledger, hub, clock, vec![entry(mapping)], CancellationToken::new()).expect("a loop")
}
