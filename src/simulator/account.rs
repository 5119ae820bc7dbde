//! The resources of one account in one region: those that the formula ([`Plan`]) gives, plus the changes.
//!
//! Every change goes through [`Edit`], which holds the account's lock and works at one moment, so a request sees either
//! all changes of another request or none. Changes are kept as versions
//! ([`History`](crate::simulator::history::History)), so a [`Reading`] can answer as of any moment; lag, the journal
//! and the oracle all use this.
//!
//! The clock may be set back. The next read or change notices this and rewinds the account: the state just before the
//! jump holds from the new time on. Nothing that a client was shown vanishes, and a moment that passes twice shows what
//! was true the second time.

mod differences;
mod edit;
mod foretold;
mod pace;
mod reading;
mod scene;
mod share;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;

use crate::simulator::clock::{Clock, Moment};
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Check, Instance, ScheduledEvent};
use crate::simulator::network::GROUPS;
use crate::simulator::outbox::Outbox;
use crate::simulator::plan::Plan;
use crate::simulator::snapshot::Snapshot;
use crate::simulator::tags::Tags;

use differences::Differences;
pub(crate) use edit::{Again, Edit, Launch};
pub(crate) use pace::Pace;
pub(crate) use reading::Reading;
pub(crate) use scene::Scene;
pub(crate) use share::{SharedVpc, SubnetPlace};

/// The account holds no resource with this id in this region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the simulated account has no resource {id}; take ids from Account::instance_ids or a Describe call")]
pub struct UnknownId {
    /// The id as it was given.
    pub id: String,
}

impl UnknownId {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.to_owned() }
    }
}

/// A snapshot that a call took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenSnapshot {
    /// `snap-...`.
    pub id: String,
    /// The volume that the snapshot was taken of.
    pub volume_id: String,
    /// The instance the volume was attached to.
    pub instance_id: String,
    /// The description given when it was taken, or empty.
    pub description: String,
    /// The snapshot's tags.
    pub tags: Vec<(String, String)>,
}

/// One account in one region. Its public methods change the account directly, without the checks of the API; tests use
/// them.
#[derive(Debug)]
pub struct Account {
    plan: Arc<Plan>,
    pace: Pace,
    clock: Clock,
    outbox: Arc<Outbox>,
    /// The latest moment at which the account was read or changed, in milliseconds.
    seen: AtomicI64,
    differences: RwLock<Differences>,
}

/// Two threads that read the clock may disagree by less than this; a larger step back means that the clock was set
/// back.
const STEP_BACK: i64 = 1_000;

impl Account {
    pub(crate) fn new(plan: Plan, pace: Pace, clock: Clock, outbox: Arc<Outbox>) -> Self {
        Self {
            plan: Arc::new(plan),
            pace,
            clock,
            outbox,
            seen: AtomicI64::new(i64::MIN),
            differences: RwLock::default(),
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn reading(&self) -> Reading<'_> {
        let differences = self.differences.read();
        // The clock is read under the lock, so no change is newer than `now` unless the clock was set back.
        let now = self.clock.moment();
        let seen = self.seen.fetch_max(now.0, Ordering::Relaxed);
        if differences.behind(now) || seen > now.0.saturating_add(STEP_BACK) {
            drop(differences);
            let now = self.edit().now();
            return Reading::new(&self.plan, now, self.differences.read());
        }
        Reading::new(&self.plan, now, differences)
    }

    pub(crate) fn edit(&self) -> Edit<'_> {
        let mut differences = self.differences.write();
        let now = self.clock.moment();
        let seen = self.seen.swap(now.0, Ordering::Relaxed);
        if differences.behind(now) || seen > now.0.saturating_add(STEP_BACK) {
            differences.rewind(now, Moment(seen), self.pace, self.plan.retention);
        }
        differences.reach(now);
        Edit::new(&self.plan, self.pace, &self.outbox, now, differences)
    }

    /// Lists a VPC that another account shares, and its subnets, among those of this account.
    pub(crate) fn accept(&self, owner: &Self, vpc: u64) {
        let plan = Arc::clone(&owner.plan);
        self.edit().accept(|from| SharedVpc { plan, vpc, from });
    }

    /// The ids of all instances that EC2 lists now, including recently terminated ones.
    #[must_use]
    pub fn instance_ids(&self) -> Vec<String> {
        self.instance_ids_where(|_, _| true)
    }

    /// The ids of all instances that are in `state` now (`running`, `stopped`, ...).
    #[must_use]
    pub fn instance_ids_in(&self, state: &str) -> Vec<String> {
        self.instance_ids_where(|instance, now| instance.state(now).name() == state)
    }

    fn instance_ids_where(&self, keep: impl Fn(&Instance, Moment) -> bool) -> Vec<String> {
        let (reading, now) = (self.reading(), self.clock.moment());
        (0..reading.end())
            .filter_map(|number| reading.listed(number, now))
            .filter(|instance| keep(instance, now))
            .map(|instance| self.plan.id(&instance))
            .collect()
    }

    /// The ids of the account's own VPCs in the region, the default one first.
    #[must_use]
    pub fn vpc_ids(&self) -> Vec<String> {
        (0..self.plan.vpcs).map(|number| self.plan.idents.text(Kind::Vpc, number)).collect()
    }

    /// The ids of the region's security groups.
    #[must_use]
    pub fn security_group_ids(&self) -> Vec<String> {
        let (reading, now) = (self.reading(), self.clock.moment());
        let numbers = (0..reading.vpcs() * GROUPS).filter(|number| reading.group(*number, now).is_some());
        numbers.map(|number| self.plan.idents.text(Kind::SecurityGroup, number)).collect()
    }

    /// The state of an instance now; `None` when EC2 does not list it.
    #[must_use]
    pub fn state(&self, id: &str) -> Option<&'static str> {
        let (reading, now) = (self.reading(), self.clock.moment());
        let number = reading.number(id).ok()??;
        reading.listed(number, now).map(|instance| instance.state(now).name())
    }

    /// The value of a tag on a resource of any kind.
    #[must_use]
    pub fn tag(&self, id: &str, key: &str) -> Option<String> {
        let (kind, number) = self.resource(id).ok()?;
        let tagged = self.reading().tagged(kind, number, Moment::LAST)?;
        tagged.tags.get(key).map(str::to_owned)
    }

    /// Starts an instance in any state: pending now, running after the start delay.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn start(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().start(number);
        Ok(())
    }

    /// Stops an instance in any state: stopping now, stopped after the stop delay.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn stop(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().stop(number);
        Ok(())
    }

    /// Terminates an instance: shutting down now, terminated after the stop delay, no longer listed after the
    /// retention.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn terminate(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().terminate(number);
        Ok(())
    }

    /// Makes an instance disappear at once, as if its retention after termination had passed.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn forget(&self, id: &str) -> Result<(), UnknownId> {
        let number = self.instance(id)?;
        self.edit().forget(number);
        Ok(())
    }

    /// Launches one more instance, with properties from the formula: pending now, running after the start delay.
    /// Returns its id.
    pub fn launch(&self) -> String {
        let number = self.edit().launch();
        self.plan.idents.text(Kind::Instance, number)
    }

    /// Puts a tag on a resource of any kind.
    ///
    /// # Errors
    /// When there is no such resource.
    pub fn set_tag(&self, id: &str, key: &str, value: &str) -> Result<(), UnknownId> {
        self.retag(id, |tags| tags.put(key.to_owned(), value.to_owned()))
    }

    /// Removes a tag from a resource of any kind. A tag that the resource does not have is no error.
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
        let mut edit = self.edit();
        let now = edit.now();
        edit.mend(number, |health| {
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
        self.edit().mend(number, |health| health.events = events);
        Ok(())
    }

    /// All snapshots that calls took and that still exist, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<TakenSnapshot> {
        let reading = self.reading();
        let (scene, now) = (reading.scene(), reading.now());
        let id = |kind, number| self.plan.idents.text(kind, number);
        let public = |snapshot: Snapshot| TakenSnapshot {
            id: id(Kind::Snapshot, snapshot.number),
            volume_id: id(Kind::Volume, snapshot.volume),
            instance_id: snapshot.instance.map(|number| id(Kind::Instance, number)).unwrap_or_default(),
            description: snapshot.description.clone().into_owned(),
            tags: scene.retagged(Kind::Snapshot, snapshot.number, now).unwrap_or(&snapshot.tags).pairs(),
        };
        scene.taken(now).map(public).collect()
    }

    fn retag(&self, id: &str, with: impl FnOnce(&mut Tags)) -> Result<(), UnknownId> {
        let (kind, number) = self.resource(id)?;
        self.edit().retag(kind, number, with);
        Ok(())
    }

    pub(crate) fn instance(&self, id: &str) -> Result<u64, UnknownId> {
        let known = self.reading().number(id).ok().flatten();
        known.ok_or_else(|| UnknownId::new(id))
    }

    /// The kind and number that an id encodes; instances that EC2 no longer lists count too.
    pub(crate) fn resource(&self, id: &str) -> Result<(Kind, u64), UnknownId> {
        let reading = self.reading();
        reading.resource(id).ok().flatten().ok_or_else(|| UnknownId::new(id))
    }
}
