//! What one account holds in one region: the formula, and over it only what was changed.
//!
//! Every change goes through [`Edit`], under one lock, so that a request sees all of another's changes or none.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::simulator::clock::{Clock, Moment};
use crate::simulator::holdings::{Holdings, Hosts, Scene};
use crate::simulator::ident::{Kind, Malformed};
use crate::simulator::instance::{Check, Instance, Life, ScheduledEvent, State};
use crate::simulator::network::{GROUPS, SecurityGroup, Vpc};
use crate::simulator::plan::Plan;
use crate::simulator::shot::Shot;
use crate::simulator::tags::Tags;

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) start: Duration,
    pub(crate) stop: Duration,
    pub(crate) initializing: Duration,
    /// How long a volume is creating, attaching, detaching or deleting.
    pub(crate) volume: Duration,
    pub(crate) snapshot: Duration,
}

/// The id names nothing this account holds in this region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the simulated account holds no {id}; take ids from Estate::instance_ids or a describe call")]
pub struct UnknownId {
    /// The id as it was given.
    pub id: String,
}

/// A snapshot somebody took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `snap-...`.
    pub id: String,
    /// The volume it is of.
    pub volume_id: String,
    /// The instance the volume was attached to.
    pub instance_id: String,
    /// As given, or empty.
    pub description: String,
    /// The snapshot's tags.
    pub tags: Vec<(String, String)>,
}

/// One account in one region. Its public methods change the world directly, past the API's checks: they are the hands
/// of tests and of churn.
#[derive(Debug)]
pub struct Estate {
    plan: Plan,
    pace: Pace,
    clock: Clock,
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Instances that differ from the formula, by number.
    changed: HashMap<u64, Instance>,
    /// How many instances exist beyond the formula's count.
    launched: u64,
    /// Public addresses given out since the start.
    addresses: u64,
    /// Tags of VPCs and security groups that differ from the formula.
    tags: HashMap<(Kind, u64), Tags>,
    holdings: Holdings,
}

impl UnknownId {
    pub(crate) fn of(id: &str) -> Self {
        Self { id: id.to_owned() }
    }
}

impl Held {
    /// One beyond the last instance's number.
    fn end(&self, plan: &Plan) -> u64 {
        plan.count + self.launched
    }

    fn instance(&self, plan: &Plan, number: u64) -> Cow<'_, Instance> {
        match self.changed.get(&number) {
            Some(changed) => Cow::Borrowed(changed),
            None => Cow::Owned(plan.instance(number)),
        }
    }

    fn moved(&self, plan: &Plan, at: Moment) -> HashMap<u64, i64> {
        let mut moved = HashMap::new();
        for (&number, instance) in &self.changed {
            let here = i64::from(instance.state(at) != State::Terminated);
            let there = i64::from(number < plan.count);
            *moved.entry(Plan::subnet(instance)).or_default() += here - there;
        }
        moved
    }
}

impl Estate {
    pub(crate) fn new(plan: Plan, pace: Pace, clock: Clock) -> Self {
        Self { plan, pace, clock, held: RwLock::default() }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.moment()
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { plan: &self.plan, held: self.held.read() }
    }

    pub(crate) fn edit(&self) -> Edit<'_> {
        Edit { plan: &self.plan, pace: self.pace, held: self.held.write() }
    }

    /// The ids of all instances EC2 would list now, the recently terminated included.
    #[must_use]
    pub fn instance_ids(&self) -> Vec<String> {
        let (view, now) = (self.view(), self.clock.moment());
        (0..view.end())
            .map(|number| view.instance(number))
            .filter(|instance| instance.visible(now, self.plan.retention))
            .map(|instance| self.plan.id(&instance))
            .collect()
    }

    /// The ids of all instances whose state is now `state` (`running`, `stopped`, ...).
    #[must_use]
    pub fn instance_ids_in(&self, state: &str) -> Vec<String> {
        let (view, now) = (self.view(), self.clock.moment());
        (0..view.end())
            .map(|number| view.instance(number))
            .filter(|instance| instance.visible(now, self.plan.retention) && instance.state(now).name() == state)
            .map(|instance| self.plan.id(&instance))
            .collect()
    }

    /// The ids of the region's VPCs, the default one first.
    #[must_use]
    pub fn vpc_ids(&self) -> Vec<String> {
        (0..self.plan.vpcs).map(|number| self.plan.idents.text(Kind::Vpc, number)).collect()
    }

    /// The ids of the region's security groups.
    #[must_use]
    pub fn security_group_ids(&self) -> Vec<String> {
        let numbers = 0..self.plan.vpcs * GROUPS;
        numbers.map(|number| self.plan.idents.text(Kind::SecurityGroup, number)).collect()
    }

    /// The state of an instance now; `None` when EC2 would say it does not exist.
    #[must_use]
    pub fn state(&self, id: &str) -> Option<&'static str> {
        let (view, now) = (self.view(), self.clock.moment());
        let number = view.number(id).ok()??;
        let instance = view.instance(number);
        instance.visible(now, self.plan.retention).then(|| instance.state(now).name())
    }

    /// The value of a tag of an instance, VPC or security group.
    #[must_use]
    pub fn tag(&self, id: &str, key: &str) -> Option<String> {
        let resource = self.resource(id).ok()?;
        let view = self.view();
        let tags = match resource {
            (Kind::Vpc, number) => view.vpc(number).tags,
            (Kind::SecurityGroup, number) => view.group(number).tags,
            (_, number) => view.instance(number).into_owned().tags,
        };
        tags.get(key).map(str::to_owned)
    }

    /// Begins a start, whatever the state: pending now, running after the start delay.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn start(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().start(number, self.clock.moment());
        Ok(())
    }

    /// Begins a stop, whatever the state: stopping now, stopped after the stop delay.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn stop(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().stop(number, self.clock.moment());
        Ok(())
    }

    /// Begins a termination: shutting down now, terminated after the stop delay, forgotten after the retention.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn terminate(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().terminate(number, self.clock.moment());
        Ok(())
    }

    /// Makes an instance vanish at once, as one terminated more than the retention ago.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn forget(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        let gone = Life::Gone { asked: Moment::NEVER, terminated: Moment::NEVER };
        self.edit().change(number, |instance| instance.life = gone);
        Ok(())
    }

    /// Launches one more instance, drawn from the formula: pending now, running after the start delay. Returns its id.
    pub fn launch(&self) -> String {
        let mut edit = self.edit();
        let number = edit.launch(self.clock.moment());
        self.plan.idents.text(Kind::Instance, number)
    }

    /// Puts a tag on an instance, VPC or security group.
    ///
    /// # Errors
    /// When there is no such resource.
    pub fn set_tag(&self, id: &str, key: &str, value: &str) -> Result<(), UnknownId> {
        self.retag(id, |tags| tags.put(key.to_owned(), value.to_owned()))
    }

    /// Takes a tag off an instance, VPC or security group; a tag it has not is no error.
    ///
    /// # Errors
    /// When there is no such resource.
    pub fn remove_tag(&self, id: &str, key: &str) -> Result<(), UnknownId> {
        self.retag(id, |tags| tags.remove(key))
    }

    /// Makes a status check fail from now on, or pass again.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn set_impaired(&self, id: &str, check: Check, impaired: bool) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        let now = self.clock.moment();
        self.edit().change(number, |instance| {
            let health = instance.health_mut();
            health.impaired.retain(|(other, _)| *other != check);
            if impaired {
                health.impaired.push((check, now));
            }
        });
        Ok(())
    }

    /// Replaces the scheduled events of an instance; an empty list clears them.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn schedule(&self, id: &str, events: Vec<ScheduledEvent>) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().change(number, |instance| instance.health_mut().events = events);
        Ok(())
    }

    /// All snapshots taken so far, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let (view, now) = (self.view(), self.clock.moment());
        let scene = view.scene();
        let id = |kind, number| self.plan.idents.text(kind, number);
        let public = |shot: Shot| Snapshot {
            id: id(Kind::Snapshot, shot.number),
            volume_id: id(Kind::Volume, shot.volume),
            instance_id: shot.instance.map(|number| id(Kind::Instance, number)).unwrap_or_default(),
            description: shot.description.clone().into_owned(),
            tags: {
                let tags = scene.tags(Kind::Snapshot, shot.number, now, &shot.tags);
                tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
            },
        };
        scene.taken(now).map(public).collect()
    }

    fn retag(&self, id: &str, with: impl FnOnce(&mut Tags)) -> Result<(), UnknownId> {
        let (kind, number) = self.resource(id)?;
        let mut edit = self.edit();
        match kind {
            Kind::Instance => edit.change(number, |instance| with(&mut instance.tags)),
            _ => edit.retag(kind, number, with),
        }
        Ok(())
    }

    pub(crate) fn instance(&self, id: &str) -> Result<u64, UnknownId> {
        match self.resource(id)? {
            (Kind::Instance, number) => Ok(number),
            _ => Err(UnknownId { id: id.to_owned() }),
        }
    }

    fn resource(&self, id: &str) -> Result<(Kind, u64), UnknownId> {
        let ends = [
            (Kind::Instance, self.view().end()),
            (Kind::Vpc, self.plan.vpcs),
            (Kind::SecurityGroup, self.plan.vpcs * GROUPS),
        ];
        ends.into_iter()
            .find_map(|(kind, end)| {
                let number = self.plan.idents.number(kind, id).ok()??;
                (number < end).then_some((kind, number))
            })
            .ok_or_else(|| UnknownId { id: id.to_owned() })
    }
}

/// A consistent look at an estate.
pub(crate) struct View<'a> {
    plan: &'a Plan,
    held: RwLockReadGuard<'a, Held>,
}

impl View<'_> {
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { plan: self.plan, holdings: &self.held.holdings, hosts: self }
    }

    /// One beyond the last instance's number.
    pub(crate) fn end(&self) -> u64 {
        self.held.end(self.plan)
    }

    /// An instance by number, which must be below [`View::end`].
    pub(crate) fn instance(&self, number: u64) -> Cow<'_, Instance> {
        self.held.instance(self.plan, number)
    }

    /// The number of an instance that has ever existed.
    pub(crate) fn number(&self, id: &str) -> Result<Option<u64>, Malformed> {
        let number = self.plan.idents.number(Kind::Instance, id)?;
        Ok(number.filter(|number| *number < self.end()))
    }

    pub(crate) fn vpc(&self, number: u64) -> Vpc {
        let mut vpc = Vpc::of(number);
        if let Some(tags) = self.held.tags.get(&(Kind::Vpc, number)) {
            vpc.tags = tags.clone();
        }
        vpc
    }

    pub(crate) fn group(&self, number: u64) -> SecurityGroup {
        let mut group = SecurityGroup::of(number);
        if let Some(tags) = self.held.tags.get(&(Kind::SecurityGroup, number)) {
            group.tags = tags.clone();
        }
        group
    }
}

impl Hosts for View<'_> {
    fn end(&self) -> u64 {
        self.held.end(self.plan)
    }

    fn host(&self, number: u64, _at: Moment) -> Option<Cow<'_, Instance>> {
        Some(self.held.instance(self.plan, number))
    }

    fn moved(&self, at: Moment) -> HashMap<u64, i64> {
        self.held.moved(self.plan, at)
    }

    fn retagged(&self, kind: Kind, number: u64, _at: Moment) -> Option<&Tags> {
        self.held.tags.get(&(kind, number))
    }
}

impl Hosts for Edit<'_> {
    fn end(&self) -> u64 {
        self.held.end(self.plan)
    }

    fn host(&self, number: u64, _at: Moment) -> Option<Cow<'_, Instance>> {
        Some(self.held.instance(self.plan, number))
    }

    fn moved(&self, at: Moment) -> HashMap<u64, i64> {
        self.held.moved(self.plan, at)
    }

    fn retagged(&self, kind: Kind, number: u64, _at: Moment) -> Option<&Tags> {
        self.held.tags.get(&(kind, number))
    }
}

/// The only way to change an estate; holds its lock.
pub(crate) struct Edit<'a> {
    plan: &'a Plan,
    pace: Pace,
    held: RwLockWriteGuard<'a, Held>,
}

impl Edit<'_> {
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { plan: self.plan, holdings: &self.held.holdings, hosts: self }
    }

    pub(crate) fn holdings(&mut self) -> &mut Holdings {
        &mut self.held.holdings
    }

    pub(crate) fn plan(&self) -> &Plan {
        self.plan
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) fn end(&self) -> u64 {
        self.held.end(self.plan)
    }

    pub(crate) fn instance(&self, number: u64) -> Cow<'_, Instance> {
        self.held.instance(self.plan, number)
    }

    pub(crate) fn change(&mut self, number: u64, with: impl FnOnce(&mut Instance)) {
        with(self.held.changed.entry(number).or_insert_with(|| self.plan.instance(number)));
    }

    pub(crate) fn start(&mut self, number: u64, now: Moment) {
        self.held.addresses += 1;
        let (fresh, delay) = (Plan::fresh_address(self.held.addresses), self.pace.start);
        self.change(number, |instance| {
            instance.start(now, delay);
            instance.public_ip = instance.role.public.then_some(fresh);
        });
    }

    pub(crate) fn stop(&mut self, number: u64, now: Moment) {
        let delay = self.pace.stop;
        self.change(number, |instance| instance.stop(now, delay));
    }

    pub(crate) fn terminate(&mut self, number: u64, now: Moment) {
        let delay = self.pace.stop;
        self.change(number, |instance| instance.terminate(now, delay));
    }

    pub(crate) fn launch(&mut self, now: Moment) -> u64 {
        let number = self.end();
        self.held.launched += 1;
        self.change(number, |instance| {
            // A reservation of its own: the formula's neighbours were launched at another time.
            instance.lead = number;
            instance.created = now;
        });
        self.start(number, now);
        number
    }

    fn retag(&mut self, kind: Kind, number: u64, with: impl FnOnce(&mut Tags)) {
        let formula = || match kind {
            Kind::Vpc => Vpc::of(number).tags,
            _ => SecurityGroup::of(number).tags,
        };
        with(self.held.tags.entry((kind, number)).or_insert_with(formula));
    }
}
