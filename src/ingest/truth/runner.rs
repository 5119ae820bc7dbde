//! Carries out a program, and checks after every step.

mod check;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::aws::{AwsHistory, Millis, News, PendingEvent, state_value, tags_value};
use super::program::ProgramStep;
use super::shelf::{Backing, kind, scope};
use crate::ingest::ledger::LedgerView;
use crate::ingest::work::{Notifications, Record};
use crate::ingest::{Ingest, IngestHandle, KindEntry, Ledger, NotifyResult, WantedReceiver};
use crate::model::{
    ActionId, ActionOutcome, Cause, Clock, Current, ErrorClass, Event, Item, KindRules, Notification, Observation,
    Page, ResourceId, Seen, Seq, Source, SweepMessage, SweepStep, Timestamp, Trouble,
};
use crate::notify::ChangeHub;
use crate::source::refresh::queue::{Pushed, RefreshQueue};

/// The true time at which programs start.
const BEGIN: Millis = 1_000_000_000;
/// The maximum lag of an answer, in milliseconds.
const MAX_LAG: Millis = 5_000;
/// The number of resources that always existed.
const HERD: u32 = 56;

/// AWS's time as the process sees it: the true time, unless it is wrong.
struct ProcessClock {
    now: AtomicI64,
    steady: AtomicI64,
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    fn steady_since(&self) -> Timestamp {
        Timestamp::from_millis(self.steady.load(Ordering::Relaxed))
    }
}

/// An answer on its way: its request time by the process's clock, and its content.
struct PendingAnswer {
    page: Page,
    missing: Vec<Arc<str>>,
}

/// A listing under way: two pages, each with the ids of one parity.
#[derive(Default)]
struct RunningListing {
    asked: u8,
    landed: u8,
    hides: bool,
    loses: bool,
    page: Option<Page>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the program so far")]
pub(super) struct Runner<'s, S: Backing> {
    shelf: &'s S,
    aws: AwsHistory,
    now: Millis,
    offset: Millis,
    /// Whether the clock was ever wrong: then times prove nothing any more.
    jumped: bool,
    mapping: u16,
    clock: Arc<ProcessClock>,
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

fn entry(mapping: u16) -> KindEntry {
    let rules =
        KindRules { mapping, masked: &[], state_path: Some("State.Name"), gone_states: &["terminated"], made_by: &[] };
    KindEntry { kind: kind(), rules, interval: Duration::from_mins(1), event_rules: None }
}

fn resource(id: &str) -> ResourceId {
    ResourceId::new(&scope(), &kind(), id)
}

impl<'s, S: Backing> Runner<'s, S> {
    pub(super) fn new(shelf: &'s S) -> Self {
        let clock = Arc::new(ProcessClock { now: AtomicI64::new(BEGIN), steady: AtomicI64::new(0) });
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
                // The first use creates them, so that only programs that use them carry them along.
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

    /// Time passes, and wanted ids are described; each round takes three seconds.
    fn refreshes(&mut self, rounds: usize) -> CheckResult {
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

    fn with(&mut self, which: u8, act: impl FnOnce(&mut AwsHistory, &str, Millis)) {
        if let Some(id) = self.slots.get(usize::from(which) % self.slots.len().max(1)) {
            act(&mut self.aws, id, self.now);
        }
    }

    fn notice(&mut self, which: u8, again: bool) -> Option<PendingEvent> {
        let ready: Vec<usize> = (0..self.aws.notices.len()).filter(|n| self.aws.notices[*n].at <= self.now).collect();
        let chosen = *ready.get(usize::from(which) % ready.len().max(1))?;
        Some(if again { self.aws.notices[chosen].clone() } else { self.aws.notices.remove(chosen) })
    }

    fn deliver(&mut self, notice: &PendingEvent) -> CheckResult {
        // Events have a precision of seconds.
        let at = Timestamp::from_millis(notice.at / 1000 * 1000);
        let seen = match &notice.news {
            News::State(state) => Seen::StateAsserted(state_value(state)),
            News::Tags { tags, version } => Seen::TagsAsserted { tags: tags_value(tags), version: *version },
        };
        let observation = Observation { source: Source::Notification, at, id: resource(&notice.id), seen };
        // Nothing happens at the same moment, and a notice is about one group.
        let event_id = format!("{}-{}", notice.at, matches!(notice.news, News::State(_)));
        let before = self.ingest.as_ref().map(|ingest| ingest.ledger().view().map(|view| view.seq()));
        let before = before.and_then(Result::ok).unwrap_or_default();
        let (done, mut outcome) = oneshot::channel();
        let notification = Notification { event_id: event_id.clone(), observations: vec![observation], called: None };
        if let Some(ingest) = &mut self.ingest {
            // A queue may deliver the same event twice at once.
            let notifications = vec![notification.clone(), notification];
            ingest.notify(Notifications { notifications, done });
        }
        let taken = outcome.try_recv().expect("an outcome").expect("recorded");
        let known = self.recorded.contains(&event_id);
        match taken[..] {
            [NotifyResult::Repeated, NotifyResult::Repeated] if known => {}
            [NotifyResult::Applied(seq), NotifyResult::Repeated] if !known && seq > before => {
                self.recorded.insert(event_id);
            }
            // If deciding took too long for one commit, the second is decided again.
            [NotifyResult::Unchanged, NotifyResult::Repeated | NotifyResult::Unchanged] if !known => {}
            _ => return Err(format!("{event_id} was {taken:?}, and {} before", if known { "known" } else { "new" })),
        }
        self.past.push(notice.clone());
        Ok(())
    }

    fn sweep(&mut self) {
        self.due = false;
        self.listing = Some(RunningListing::default());
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
        // Two listings in a row that lack the same resource prove that it is gone: AWS never errs like that twice. But listings
        // that hide nearly everything may follow each other any number of times: the guard handles them.
        let hide = hide && !self.hid;
        // AWS also never loses all tags of a resource in two listings, which proves that they were removed.
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
            // A resource never seen with tags is taken to have none: rule 3 says so, and nobody could know better.
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
        let mut answer = PendingAnswer { page, missing: Vec::new() };
        for id in ids {
            match self.aws.at(&id, seen) {
                Some(version) => answer.page.items.push(Item::new(id, version.document(self.mapping))),
                None => answer.missing.push(id),
            }
        }
        self.refresh = Some(answer);
    }

    fn answer(&mut self) {
        let Some(PendingAnswer { page: Page { sent_at: at, items, .. }, missing }) = self.refresh.take() else {
            return;
        };
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
        let event = Event::ActionFinished { action, outcome: ActionOutcome::Succeeded { created: Vec::new() } };
        self.record(vec![(Cause::Tool { action }, event)], vec![observation], Cause::Tool { action });
    }

    fn restart(&mut self, kill: bool) -> CheckResult {
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

fn start<L: Ledger>(ledger: L, clock: &Arc<ProcessClock>, mapping: u16) -> (Ingest<L>, IngestHandle, WantedReceiver) {
    let hub = ChangeHub::new(Vec::new());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Ingest::new(ledger, hub, clock, vec![entry(mapping)], CancellationToken::new()).expect("a loop")
}
