//! How the faults that are set decide about one call.

use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::simulator::clock::Moment;
use crate::simulator::dice::Dice;
use crate::simulator::faults::case::Case;
use crate::simulator::faults::fault::Fault;
use crate::simulator::faults::walk::{CallShape, WalkPage, WalkStep};
use crate::simulator::faults::{ActionName, Denial, FaultScopes, Faults, LossFault, Mangling, refuse};
use crate::simulator::ident::scope_seed;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::view::{self, View};

use super::{Begun, Board, Fate, Judgement, Set};

/// One call while the faults decide about it.
struct Passage<'a> {
    case: &'a Case<'a>,
    faults: &'a Faults,
    shape: CallShape,
    /// A hash of the seed, account, region and action.
    scope: u64,
    step: WalkStep,
}

impl Passage<'_> {
    /// The draws of `fault` for this call.
    fn dice(&self, fault: Fault) -> Dice {
        Dice::new(fault.below(self.scope), self.step.call)
    }

    fn is_at(&self, scopes: &FaultScopes) -> bool {
        scopes.hold(self.case.account, self.case.region)
    }

    fn struck(&self, fault: Fault, strike: &crate::simulator::faults::Strike) -> bool {
        let share = strike.of(self.case).get();
        share > 0.0 && self.dice(fault).chance(share)
    }
}

impl Board {
    /// Decides about a call. Every call must be judged exactly once, because this counts calls, pages and walks.
    pub(crate) fn judge(&self, case: &Case, now: Moment) -> Judgement {
        let set = Arc::clone(&self.set.read());
        let shape = CallShape::of(case.params);
        let scope = xxh3_64_with_seed(case.action.as_bytes(), scope_seed(self.seed, case.account, case.region));
        let describes = case.action.starts_with("Describe");
        let step = self.walks.lock().enter(scope, &shape, describes && !shape.by_id);
        let passage = Passage { case, faults: &set.faults, shape, scope, step };
        let fate = self.fate(&passage, now);
        let answered = fate == Fate::Answer(None);
        if !answered {
            self.walks.lock().failed(scope, &shape);
        }
        let view = self.view(&set, &passage, now);
        if answered {
            self.count_sights(&view, describes, case.action);
        }
        let heard = if answered { self.heard(&passage, describes) } else { None };
        Judgement { latency: self.latency(&passage), fate, view, heard }
    }

    /// The parameters that remain when a call ignores some; `None` when it ignores none.
    fn heard(&self, call: &Passage, describes: bool) -> Option<Params> {
        let Passage { case, faults, .. } = call;
        let is_among = |actions: &[ActionName]| actions.iter().any(|action| *action == *case.action);
        let (ids, dry_run) = (describes && is_among(&faults.ignored.ids), is_among(&faults.ignored.dry_run));
        let heard = case.params.but(|name| (ids && CallShape::is_id(name)) || (dry_run && name == "DryRun"));
        let heard = Some(heard).filter(|heard| heard != case.params)?;
        self.strike(Fault::Ignored);
        Some(heard)
    }

    /// Decides in the order of AWS's layers: network, region, limits, policy, service, and the way back.
    fn fate(&self, call: &Passage, now: Moment) -> Fate {
        let Passage { case, faults, .. } = call;
        let dead = &faults.dead_regions;
        if dead.hold(case) {
            self.strike(Fault::DeadRegions);
            return if dead.hang { Fate::Hang } else { Fate::Refuse(refuse::unavailable(case)) };
        }
        if call.struck(Fault::Cut, &faults.cut) {
            self.strike(Fault::Cut);
            return Fate::Cut;
        }
        if let Some(refusal) = self.refusal(call, now) {
            return Fate::Refuse(refusal);
        }
        for (fault, strike, mangling) in [
            (Fault::Truncate, &faults.truncate, Mangling::Truncate as fn(u64) -> Mangling),
            (Fault::Garble, &faults.garble, Mangling::Garble),
            (Fault::Alter, &faults.alter, Mangling::Alter),
        ] {
            if call.struck(fault, strike) {
                self.strike(fault);
                let mut dice = call.dice(fault);
                // The first draw decided that the fault strikes; the next one decides where.
                dice.next();
                return Fate::Answer(Some(mangling(dice.next())));
            }
        }
        Fate::Answer(None)
    }

    fn refusal(&self, call: &Passage, now: Moment) -> Option<Refusal> {
        let Passage { case, faults, shape, .. } = call;
        let struck = |fault: Fault, refusal: Refusal| {
            self.strike(fault);
            Some(refusal)
        };
        if faults.buckets.on {
            let scale = faults.buckets.scale.get();
            if !self.buckets.lock().admit(case.service, case.action, call.scope, shape, scale, now) {
                return struck(Fault::Buckets, refuse::throttled(case));
            }
        }
        if call.struck(Fault::Throttle, &faults.throttle) {
            return struck(Fault::Throttle, refuse::throttled(case));
        }
        if let Some(refusal) = self.failing.lock().get(case.action) {
            return Some(refusal.clone());
        }
        let denies = |denial: &&Denial| denial.holds(case.action, case.account, case.region);
        if let Some(denial) = faults.denied.iter().find(denies) {
            return struck(Fault::Denied, refuse::denied(case, denial.by));
        }
        if faults.no_capacity.iter().any(|action| *action == *case.action) {
            return struck(Fault::NoCapacity, refuse::full());
        }
        let page = call.step.page?;
        if let Some(token) = shape.token {
            let mut dice = Dice::new(Fault::ExpiredTokens.below(call.scope) ^ token, page.walk);
            if dice.chance(faults.expired_tokens.of(case).get()) {
                let token = case.params.get("NextToken").unwrap_or_default();
                return struck(Fault::ExpiredTokens, refuse::expired(token, &mut dice));
            }
        }
        if fails(call, page) {
            let mut dice = call.dice(Fault::FailingPages);
            dice.next();
            return struck(Fault::FailingPages, refuse::broken(case, &mut dice));
        }
        None
    }

    fn latency(&self, call: &Passage) -> Duration {
        let latency = &call.faults.latency;
        if !latency.actions.hold(call.case.action) || !call.is_at(&latency.at) {
            return Duration::ZERO;
        }
        let jitter = u64::try_from(latency.jitter.get().as_micros()).unwrap_or(u64::MAX);
        let drawn = call.dice(Fault::Latency).below(jitter.saturating_add(1));
        let whole = latency.fixed.get().saturating_add(Duration::from_micros(drawn));
        if !whole.is_zero() {
            self.strike(Fault::Latency);
        }
        whole
    }

    fn view(&self, set: &Set, call: &Passage, now: Moment) -> View {
        let Passage { case, faults, .. } = call;
        // All actions share one lag, so that a resource is equally late in a listing and by its id.
        let place = scope_seed(self.seed, case.account, case.region);
        let lags = faults.lag.actions.hold(case.action) && call.is_at(&faults.lag.at);
        let lag = view::Lag {
            seed: Fault::Lag.below(place),
            most: if lags { view::most(faults.lag.most.get()) } else { 0 },
            call: faults.lag.jitter.then_some(call.step.call),
        };
        let hidden = loss(&faults.hide, Fault::Hide, call, &set.hide);
        let tagless = loss(&faults.lose_tags, Fault::LoseTags, call, &set.lose_tags);
        let stuck = view::Loss { seed: Fault::StuckSnapshots.below(place), share: faults.stuck_snapshots.share.get() };
        View::faulty(now, lag, hidden, tagless, stuck)
    }

    fn count_sights(&self, view: &View, describes: bool, action: &str) {
        let staleness = view.staleness();
        if describes {
            for (fault, blurred) in [
                (Fault::Lag, staleness.late),
                (Fault::Hide, staleness.hiding),
                (Fault::LoseTags, staleness.losing_tags),
            ] {
                if blurred {
                    self.strike(fault);
                }
            }
        } else if staleness.sticking && action.starts_with("CreateSnapshot") {
            self.strike(Fault::StuckSnapshots);
        }
    }
}

fn fails(call: &Passage, page: WalkPage) -> bool {
    let failing = &call.faults.failing_pages;
    if !failing.actions.hold(call.case.action) || !call.is_at(&failing.at) {
        return false;
    }
    let marked = failing.page.is_some_and(|number| number.get() == page.number)
        && failing.attempts.is_none_or(|attempts| page.attempt <= attempts.get());
    marked || call.dice(Fault::FailingPages).chance(failing.share.get())
}

fn loss(loss: &LossFault, fault: Fault, call: &Passage, begun: &Begun) -> view::Loss {
    let seed = fault.below(call.scope);
    let share = loss.share.get();
    if share == 0.0 || !loss.actions.hold(call.case.action) || !call.is_at(&loss.at) {
        return view::Loss::NONE;
    }
    let Some(page) = call.step.page else {
        return if loss.by_id {
            view::Loss { seed: Dice::new(seed, call.step.call).next(), share }
        } else {
            view::Loss::NONE
        };
    };
    let before = begun.get(&(call.scope, call.shape.question)).copied().unwrap_or(0);
    let since = page.walk.saturating_sub(before);
    // A walk that had begun when the loss was set loses nothing.
    let counts = since >= 1 && loss.sweeps.is_none_or(|sweeps| since <= u64::from(sweeps.get()));
    if counts { view::Loss { seed: Dice::new(seed, page.walk).next(), share } } else { view::Loss::NONE }
}
