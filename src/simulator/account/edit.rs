//! Changes to an account. Every change that AWS sends an event for pushes its happenings to the outbox, including those
//! that lie in the future.

mod gateways;

use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::RwLockWriteGuard;

use crate::simulator::account::differences::{Differences, Hosts, Idempotent, Touched};
use crate::simulator::account::pace::Pace;
use crate::simulator::account::scene::Scene;
use crate::simulator::account::share::{SharedVpc, SubnetPlace};
use crate::simulator::clock::Moment;
use crate::simulator::happening::{Happening, What};
use crate::simulator::history::History;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, Life, Phase, ScriptedChecks, State};
use crate::simulator::nat_gateway::NAT_HOST;
use crate::simulator::network::Permission;
use crate::simulator::outbox::Outbox;
use crate::simulator::plan::{Plan, address, ipv6};
use crate::simulator::tables::Tables;
use crate::simulator::tags::{Tagged, Tags};

/// The positions in a subnet that launches use: the lowest and one past the highest. They are used from the highest
/// down, because the formula's instances grow from the lowest up. NAT gateways use the position above. An account that
/// launches into a shared subnet uses lower positions than the subnet's owner.
const OWN_HOSTS: (u64, u64) = (8_192, NAT_HOST);
const SHARED_HOSTS: (u64, u64) = (4_096, 8_192);

/// The only way to change an account. It holds the account's lock, and everything it does happens at one moment.
pub(crate) struct Edit<'a> {
    plan: &'a Plan,
    pace: Pace,
    outbox: &'a Outbox,
    now: Moment,
    differences: RwLockWriteGuard<'a, Differences>,
}

/// What `RunInstances` launches.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The instance as number 0, with everything the call decides. Its number, addresses and times are set at the
    /// launch.
    pub(crate) model: Instance,
    pub(crate) place: SubnetPlace,
    /// The call's client token, and a hash of everything the call asked for.
    pub(crate) token: Option<(Arc<str>, u64)>,
}

/// What a client token that was used before stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The same call, which launched these instances.
    Same(Vec<u64>),
    /// A different call.
    Different,
}

impl<'a> Edit<'a> {
    pub(super) const fn new(
        plan: &'a Plan,
        pace: Pace,
        outbox: &'a Outbox,
        now: Moment,
        differences: RwLockWriteGuard<'a, Differences>,
    ) -> Self {
        Self { plan, pace, outbox, now, differences }
    }

    /// The moment at which this edit happens.
    pub(crate) const fn now(&self) -> Moment {
        self.now
    }

    pub(crate) const fn pace(&self) -> Pace {
        self.pace
    }

    /// The resources around the instances.
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene::new(self.plan, &self.differences)
    }

    pub(crate) fn tables(&mut self) -> &mut Tables {
        &mut self.differences.tables
    }

    pub(crate) fn end(&self) -> u64 {
        self.differences.end(self.plan)
    }

    /// An instance as it is now, even if EC2 no longer lists it.
    pub(crate) fn instance(&self, number: u64) -> Option<Instance> {
        self.differences.instance(self.plan, number, Moment::LAST)
    }

    /// Starts an instance.
    pub(crate) fn start(&mut self, number: u64) {
        let Some(instance) = self.instance(number) else { return };
        let address = instance.public.then(|| self.fresh_address());
        self.enter(number, Phase::started(self.now, self.pace.start, address));
    }

    /// Stops an instance.
    pub(crate) fn stop(&mut self, number: u64) {
        let Some(instance) = self.instance(number) else { return };
        self.enter(number, instance.phase.stopped(self.now, self.pace.stop));
    }

    /// Terminates an instance.
    pub(crate) fn terminate(&mut self, number: u64) {
        let Some(instance) = self.instance(number) else { return };
        let phase = instance.phase.terminated(self.now, self.pace.stop);
        self.enter(number, phase);
        self.tell_ended_disks(number, phase.settles().0);
    }

    /// Makes an instance look terminated long ago. AWS sends no event for this.
    pub(crate) fn forget(&mut self, number: u64) {
        let Some(instance) = self.instance(number) else { return };
        let now = self.now;
        self.touch(number).phases.push(now, instance.phase.forgotten());
    }

    /// Launches an instance with properties from the formula.
    pub(crate) fn launch(&mut self) -> u64 {
        let mut instance = self.plan.instance(self.end());
        // It gets a reservation of its own, because its neighbours in the formula were launched at another time.
        instance.lead = instance.number;
        self.bear(instance)
    }

    /// Launches `least` to `most` instances in one reservation; `None` when the subnet has no room for `least`. A token
    /// is remembered with the instances, so that the same call can be recognized later.
    pub(crate) fn run(&mut self, launch: &Launch, least: u64, most: u64) -> Option<Vec<u64>> {
        let lead = self.end();
        let numbers: Vec<u64> = (lead..lead.saturating_add(most)).collect();
        let hosts = self.take_hosts(&launch.place, &numbers);
        if u64::try_from(hosts.len()).unwrap_or(0) < least {
            return None;
        }
        let mut launched = Vec::with_capacity(hosts.len());
        for host in hosts {
            let SubnetPlace { network, zone, base, shared, .. } = launch.place;
            let mut instance = launch.model.clone();
            instance.number = self.end();
            instance.lead = lead;
            instance.private_ip = address(base, zone, host);
            instance.ipv6 = if shared { None } else { ipv6(network, zone, host) };
            launched.push(self.bear(instance));
        }
        if let Some((token, asked)) = &launch.token {
            let made = Idempotent { asked: *asked, numbers: launched.clone() };
            self.differences.tokens.insert(token.to_string(), made);
        }
        Some(launched)
    }

    /// What an earlier launch with this client token was, if there was one.
    pub(crate) fn again(&self, token: &str, asked: u64) -> Option<Again> {
        let known = self.differences.tokens.get(token)?;
        Some(if known.asked == asked { Again::Same(known.numbers.clone()) } else { Again::Different })
    }

    /// Changes the tags of a resource of any kind. If the tags stay the same, nothing changes and no event is sent.
    pub(crate) fn retag(&mut self, kind: Kind, number: u64, with: impl FnOnce(&mut Tags)) {
        let before = self.scene().tagged(kind, number, Moment::LAST);
        let mut tags = before.tags.clone();
        with(&mut tags);
        let changed = before.tags.differing(&tags);
        if changed.is_empty() {
            return;
        }
        let next = Tagged { version: before.version + 1, tags };
        self.tell_tags(kind, number, changed, &next);
        let history =
            self.differences.tags.entry((kind, number)).or_insert_with(|| History::new(Moment::NEVER, before));
        history.push(self.now, next);
    }

    /// Gives a new resource its first tags. Instances get theirs at launch.
    pub(crate) fn tag_new(&mut self, kind: Kind, number: u64, tags: Tags) {
        if !tags.is_empty() {
            let first = Tagged { version: 1, tags };
            self.tell_tags(kind, number, first.tags.differing(&Tags::default()), &first);
            self.differences.tags.insert((kind, number), History::new(self.now, first));
        }
    }

    /// The tags that a resource has now.
    pub(crate) fn tags(&self, kind: Kind, number: u64) -> Tags {
        self.scene().tagged(kind, number, Moment::LAST).tags
    }

    /// Changes the scripted status checks of an instance.
    pub(crate) fn mend(&mut self, number: u64, with: impl FnOnce(&mut ScriptedChecks)) {
        let now = self.now;
        let touched = self.touch(number);
        let well = || Box::new(History::new(Moment::NEVER, ScriptedChecks::default()));
        touched.health.get_or_insert_with(well).change(now, with);
    }

    /// The inbound rules of a security group.
    pub(crate) fn ingress(&self, group: u64) -> Vec<Permission> {
        match self.differences.ingress.get(&group) {
            Some(rules) => rules.latest().clone(),
            None => self.differences.group(self.plan, group).ingress,
        }
    }

    /// Replaces the inbound rules of a security group.
    pub(crate) fn set_ingress(&mut self, group: u64, rules: Vec<Permission>) {
        let before = self.ingress(group);
        let history = self.differences.ingress.entry(group).or_insert_with(|| History::new(Moment::NEVER, before));
        history.push(self.now, rules);
    }

    /// Lists a VPC of another account from now on. Accepting the same VPC twice has no further effect.
    pub(crate) fn accept(&mut self, share: impl FnOnce(Moment) -> SharedVpc) {
        let share = share(self.now);
        let same = |known: &SharedVpc| known.plan.account == share.plan.account && known.vpc == share.vpc;
        if !self.differences.shares.iter().any(same) {
            self.differences.shares.push(share);
        }
    }

    /// Pushes a happening that takes place at `at`, which may lie in the future.
    pub(crate) fn tell(&self, at: Moment, what: What) {
        let (account, region) = (self.plan.account.clone(), self.plan.region.clone());
        self.outbox.push(Happening { at, account, region, what });
    }

    fn tell_tags(&self, kind: Kind, number: u64, changed: Vec<String>, tagged: &Tagged) {
        let Some(resource_type) = kind.resource_type() else { return };
        let (version, tags) = (tagged.version, tagged.tags.pairs());
        let resource = self.plan.idents.text(kind, number);
        self.tell(self.now, What::Tags { resource, resource_type, changed, version, tags });
    }

    /// Puts an instance into a phase that begins now, and announces the states it passes through.
    fn enter(&mut self, number: u64, phase: Phase) {
        let now = self.now;
        self.touch(number).phases.push(now, phase);
        self.tell_states(number, phase);
    }

    fn tell_states(&self, number: u64, phase: Phase) {
        let begins = match phase.life {
            Life::Up { .. } => State::Pending,
            Life::Down { .. } => State::Stopping,
            Life::Gone { .. } => State::ShuttingDown,
        };
        for (at, state) in [(self.now, begins), phase.settles()] {
            let id = self.plan.idents.text(Kind::Instance, number);
            self.tell(at, What::InstanceState { id, state: state.name() });
        }
    }

    /// Adds an instance, which must have the next unused number.
    fn bear(&mut self, mut instance: Instance) -> u64 {
        let address = instance.public.then(|| self.fresh_address());
        let phase = Phase::started(self.now, self.pace.start, address);
        instance.created = self.now;
        instance.phase = phase;
        let number = instance.number;
        let first = Tagged { version: 1, tags: instance.tags.clone() };
        let touched = Touched { born: Some(Box::new(instance)), phases: History::new(self.now, phase), health: None };
        self.differences.touched.insert(number, touched);
        self.differences.launched += 1;
        self.tell_states(number, phase);
        self.tell_born_disks(number);
        if !first.tags.is_empty() {
            self.tell_tags(Kind::Instance, number, first.tags.differing(&Tags::default()), &first);
        }
        number
    }

    fn fresh_address(&mut self) -> Ipv4Addr {
        self.differences.addresses += 1;
        Plan::fresh_address(self.differences.addresses)
    }

    fn touch(&mut self, number: u64) -> &mut Touched {
        let plan = self.plan;
        self.differences.touched.entry(number).or_insert_with(|| {
            let phase = plan.instance(number).phase;
            Touched { born: None, phases: History::new(Moment::NEVER, phase), health: None }
        })
    }

    /// Takes free positions in a subnet, one for each of `numbers` while there are any. The position of a terminated
    /// instance is free again.
    pub(crate) fn take_hosts(&mut self, place: &SubnetPlace, numbers: &[u64]) -> Vec<u64> {
        let (low, high) = if place.shared { SHARED_HOSTS } else { OWN_HOSTS };
        let low = if place.shared { low } else { low.max(self.plan.host(self.end()) + 8) };
        let span = high.saturating_sub(low);
        let (now, plan) = (self.now, self.plan);
        let mut hosts = self.differences.hosts.remove(&place.subnet).unwrap_or_default();
        let Hosts { given, taken } = &mut hosts;
        let mut found = Vec::with_capacity(numbers.len());
        let mut tried = 0;
        let mut wanted = numbers.iter();
        let mut want = wanted.next();
        while let Some(number) = want.filter(|_| tried < span) {
            let host = high - 1 - *given % span;
            *given += 1;
            tried += 1;
            let ended = |number: &u64| !Scene::new(plan, &self.differences).exists(Kind::Interface, *number, now);
            if taken.get(&host).is_none_or(ended) {
                taken.insert(host, *number);
                found.push(host);
                want = wanted.next();
            }
        }
        self.differences.hosts.insert(place.subnet, hosts);
        found
    }
}
