//! Volumes, snapshots, network interfaces and addresses: what of them differs from the formula, and how both are read.
//!
//! Most of them are formulas of an instance: its disks, its interface, a backup, an Elastic IP of some. They follow it
//! without being told, because what becomes of them when it ends is worked out when somebody looks. What calls create
//! has numbers from [`CREATED`] on, so that listings have room for ever more instances before it.

use std::collections::{BTreeSet, HashMap};

use crate::simulator::address::Elastic;
use crate::simulator::ami::Ami;
use crate::simulator::clock::Moment;
use crate::simulator::estate::{Estate, Scene};
use crate::simulator::happening::What;
use crate::simulator::history::History;
use crate::simulator::ident::Kind;
use crate::simulator::instance::Instance;
use crate::simulator::interface::Interface;
use crate::simulator::internet_gateway::InternetGateway;
use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::network_acl::NetworkAcl;
use crate::simulator::plan::Plan;
use crate::simulator::route_table::RouteTable;
use crate::simulator::shot::Shot;
use crate::simulator::storage::Disk;
use crate::simulator::subnet::Subnet;
use crate::simulator::tags::Tags;

/// The first number of what calls create.
pub(crate) const CREATED: u64 = 1 << 40;

/// Everything of these kinds that differs from the formula.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) disks: Changes<Disk>,
    pub(crate) shots: Changes<Shot>,
    pub(crate) interfaces: Changes<Interface>,
    pub(crate) elastics: Changes<Elastic>,
    pub(crate) route_tables: Changes<RouteTable>,
    pub(crate) internet_gateways: Changes<InternetGateway>,
    pub(crate) nat_gateways: Changes<NatGateway>,
    pub(crate) network_acls: Changes<NetworkAcl>,
    pub(crate) amis: Changes<Ami>,
    /// The changed disks each instance has or had, its own by formula included.
    pub(crate) guests: HashMap<u64, BTreeSet<u64>>,
    /// The changed addresses each interface has or had, its own by formula included.
    pub(crate) bound: HashMap<u64, BTreeSet<u64>>,
    /// How many associations of addresses were made.
    associations: u64,
    /// Client tokens by action, with a fingerprint of what was asked and the number of what was made.
    tokens: HashMap<(&'static str, String), (u64, u64)>,
}

/// A client token was used for another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenTaken;

impl Holdings {
    /// The number of one more association.
    pub(crate) fn associate(&mut self) -> u64 {
        self.associations += 1;
        CREATED + self.associations
    }

    /// What an action that was asked before with the same token made. A token stands for one request: another one with it is
    /// refused as [`TokenTaken`].
    pub(crate) fn again(&self, action: &'static str, token: &str, asked: u64) -> Result<Option<u64>, TokenTaken> {
        match self.tokens.get(&(action, token.to_owned())) {
            Some((known, number)) if *known == asked => Ok(Some(*number)),
            Some(_) => Err(TokenTaken),
            None => Ok(None),
        }
    }

    /// Remembers what an action made.
    pub(crate) fn keep(&mut self, action: &'static str, token: &str, asked: u64, number: u64) {
        self.tokens.insert((action, token.to_owned()), (asked, number));
    }

    /// Lets nothing begin or be done later than it was when the clock, then at `from`, was put back to `to`.
    pub(crate) fn rewind(&mut self, to: Moment, from: Moment) {
        self.disks.rewind(to, from);
        self.shots.rewind(to, from);
        self.interfaces.rewind(to, from);
        self.elastics.rewind(to, from);
        self.route_tables.rewind(to, from);
        self.internet_gateways.rewind(to, from);
        self.nat_gateways.rewind(to, from);
        self.network_acls.rewind(to, from);
        self.amis.rewind(to, from);
    }
}

/// Something with moments of its own, which a clock that is put back moves along.
pub(crate) trait Timed {
    /// Moves each moment through `shift`; most things have none.
    fn shift(&mut self, _shift: impl Fn(Moment) -> Moment) {}
}

/// A kind whose things are a formula of their number, or what calls made of them.
pub(crate) trait Kept: Clone {
    const KIND: Kind;
    fn number(&self) -> u64;
    fn formula(plan: &Plan, number: u64) -> Option<Self>;
    fn changes(holdings: &Holdings) -> &Changes<Self>;
    fn changes_mut(holdings: &mut Holdings) -> &mut Changes<Self>;
    fn tags_mut(&mut self) -> &mut Tags;
}

/// Implements [`Kept`] for the type of a table.
macro_rules! kept {
    ($type:ty, $kind:ident, $table:ident) => {
        impl Kept for $type {
            const KIND: Kind = Kind::$kind;

            fn number(&self) -> u64 {
                self.number
            }

            fn formula(plan: &Plan, number: u64) -> Option<Self> {
                Self::of(plan, number)
            }

            fn changes(holdings: &Holdings) -> &Changes<Self> {
                &holdings.$table
            }

            fn changes_mut(holdings: &mut Holdings) -> &mut Changes<Self> {
                &mut holdings.$table
            }

            fn tags_mut(&mut self) -> &mut Tags {
                &mut self.tags
            }
        }
    };
}

kept!(RouteTable, RouteTable, route_tables);
kept!(InternetGateway, InternetGateway, internet_gateways);
kept!(NatGateway, NatGateway, nat_gateways);
kept!(NetworkAcl, NetworkAcl, network_acls);
kept!(Ami, Image, amis);

impl Timed for RouteTable {}
impl Timed for InternetGateway {}
impl Timed for NetworkAcl {}

impl Timed for NatGateway {
    fn shift(&mut self, shift: impl Fn(Moment) -> Moment) {
        self.created = shift(self.created);
        self.ready = shift(self.ready);
        self.ended = self.ended.map(|(asked, ended)| (shift(asked), shift(ended)));
    }
}

impl Timed for Ami {
    fn shift(&mut self, shift: impl Fn(Moment) -> Moment) {
        self.created = shift(self.created);
        self.ready = shift(self.ready);
    }
}

/// The things of one kind that calls made or changed, by number.
#[derive(Debug)]
pub(crate) struct Changes<T> {
    changed: HashMap<u64, History<T>>,
    made: u64,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self { changed: HashMap::new(), made: 0 }
    }
}

impl<T> Changes<T> {
    pub(crate) fn get(&self, number: u64) -> Option<&History<T>> {
        self.changed.get(&number)
    }

    /// The numbers of everything that was made or changed, in no order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.changed.keys().copied().collect()
    }

    /// The numbers calls have made, from `from` on.
    pub(crate) fn made(&self, from: u64) -> impl Iterator<Item = u64> + use<T> {
        from.max(CREATED)..CREATED + self.made
    }

    /// The number of what is made next.
    pub(crate) const fn next(&self) -> u64 {
        CREATED + self.made
    }

    /// Adds what a call made at `now`, which has the number [`Changes::next`].
    pub(crate) fn make(&mut self, now: Moment, made: T) {
        self.changed.insert(self.next(), History::new(now, made));
        self.made += 1;
    }

    /// Makes one `next` from `now` on. `formula` is what it was until then if it was never changed before.
    pub(crate) fn change(&mut self, number: u64, now: Moment, formula: impl FnOnce() -> T, next: T) {
        let history = self.changed.entry(number).or_insert_with(|| History::new(Moment::NEVER, formula()));
        history.push(now, next);
    }
}

impl<T: Timed + Clone + PartialEq> Changes<T> {
    fn rewind(&mut self, to: Moment, from: Moment) {
        let back = from.0.saturating_sub(to.0);
        for history in self.changed.values_mut() {
            history.rewind(to);
            let mut moved = history.latest().clone();
            moved.shift(|moment| if moment > to { Moment(moment.0 - back).max(to) } else { moment });
            if moved != *history.latest() {
                history.push(to, moved);
            }
        }
    }
}

impl Scene<'_> {
    /// Whether EC2 would list a thing at `at`.
    pub(crate) fn exists(self, kind: Kind, number: u64, at: Moment) -> bool {
        match kind {
            Kind::Volume => self.disk(number, at).is_some(),
            Kind::Snapshot => self.shot(number, at).is_some(),
            Kind::Interface => self.interface(number, at).is_some(),
            Kind::Allocation => self.elastic(number, at).is_some(),
            Kind::RouteTable => self.route_table(number, at).is_some(),
            Kind::InternetGateway => self.internet_gateway(number, at).is_some(),
            Kind::NatGateway => self.nat_gateway(number, at).is_some(),
            Kind::NetworkAcl => self.network_acl(number, at).is_some(),
            Kind::Image => self.ami(number, at).is_some(),
            _ => false,
        }
    }

    /// Whether there ever was such a thing.
    pub(crate) fn ever(self, kind: Kind, number: u64) -> bool {
        let holdings = self.holdings();
        match kind {
            Kind::Volume => holdings.disks.get(number).is_some() || self.formula_disk(number).is_some(),
            Kind::Snapshot => holdings.shots.get(number).is_some() || self.formula_shot(number).is_some(),
            Kind::Interface => {
                holdings.interfaces.get(number).is_some() || number < self.end() || self.nat_of(number).is_some()
            }
            Kind::Allocation => holdings.elastics.get(number).is_some() || self.formula_elastic(number).is_some(),
            Kind::RouteTable => self.ever_kept::<RouteTable>(number),
            Kind::InternetGateway => self.ever_kept::<InternetGateway>(number),
            Kind::NatGateway => self.ever_kept::<NatGateway>(number),
            Kind::NetworkAcl => self.ever_kept::<NetworkAcl>(number),
            Kind::Image => self.ever_kept::<Ami>(number),
            _ => false,
        }
    }

    /// The tags a thing of the formula was born with. What calls make gets its tags as changes.
    pub(crate) fn born_tags(self, kind: Kind, number: u64) -> Option<Tags> {
        match kind {
            Kind::Subnet => Some(Subnet::of(number).tags),
            Kind::Volume => self.formula_disk(number).map(|(disk, _)| disk.tags),
            Kind::Snapshot => self.formula_shot(number).map(|shot| shot.tags),
            Kind::Allocation => self.formula_elastic(number).map(|elastic| elastic.tags),
            Kind::RouteTable => RouteTable::of(self.plan, number).map(|table| table.tags),
            Kind::InternetGateway => InternetGateway::of(self.plan, number).map(|gateway| gateway.tags),
            Kind::NatGateway => NatGateway::of(self.plan, number).map(|gateway| gateway.tags),
            Kind::NetworkAcl => NetworkAcl::of(self.plan, number).map(|acl| acl.tags),
            Kind::Image => Ami::of(self.plan, number).map(|ami| ami.tags),
            _ => None,
        }
    }

    /// Gives an instance the disks and the address it has at `at`, where they are not those it was born with.
    pub(crate) fn furnish(self, mut host: Instance, at: Moment) -> Instance {
        if self.holdings().guests.contains_key(&host.number) {
            host.disks = Some(self.disks_of(&host, at).collect());
        }
        if self.holdings().bound.contains_key(&host.number) {
            host.elastic = self.elastic_of(host.number, at).map(|elastic| elastic.ip);
        }
        host
    }

    /// The moments, also those to come, at which a describe begins to show something else of a thing; of an instance, another
    /// disk or address.
    pub(crate) fn moments(self, kind: Kind, number: u64) -> Vec<Moment> {
        match kind {
            Kind::Instance => {
                let disks = self.holdings().guests.get(&number).into_iter().flatten();
                let elastics = self.holdings().bound.get(&number).into_iter().flatten();
                let disks = disks.flat_map(|disk| self.disk_moments(*disk));
                disks.chain(elastics.flat_map(|elastic| self.elastic_moments(*elastic))).collect()
            }
            Kind::Subnet => self.subnet_moments(number),
            Kind::Volume => self.disk_moments(number),
            Kind::Snapshot => self.shot_moments(number),
            Kind::Interface => self.interface_moments(number),
            Kind::Allocation => self.elastic_moments(number),
            Kind::RouteTable => self.route_table_moments(number),
            Kind::InternetGateway => self.kept_moments::<InternetGateway>(number),
            Kind::NatGateway => self.nat_gateway_moments(number),
            Kind::NetworkAcl => self.kept_moments::<NetworkAcl>(number),
            Kind::Image => self.ami_moments(number),
            _ => Vec::new(),
        }
    }
}

impl Estate {
    /// Whether something foretold of volumes and snapshots for `at` came true: a later call may have overtaken it.
    pub(crate) fn came_true(&self, what: &What, at: Moment) -> bool {
        let view = self.view();
        let scene = view.scene();
        // What was never here is somebody else's to foretell.
        let number = |kind, id: &str| {
            let number = self.plan().idents.number(kind, id).ok().flatten();
            number.filter(|number| scene.ever(kind, *number))
        };
        let completed = |id: &str| {
            let shot = |number| scene.shot(number, at).is_some_and(|shot: Shot| shot.completed(at));
            number(Kind::Snapshot, id).is_none_or(shot)
        };
        match what {
            What::Volume { id, event, .. } => {
                let Some(number) = number(Kind::Volume, id) else { return true };
                match (*event, scene.disk(number, at)) {
                    ("deleteVolume", disk) => disk.is_none(),
                    (_, None) => false,
                    ("attachVolume", Some(disk)) => {
                        disk.attachment.is_some_and(|attachment| attachment.status(at) == "attached")
                    }
                    (_, Some(disk)) => at >= disk.ready,
                }
            }
            What::Snapshot { id, .. } => completed(id),
            What::Snapshots { snapshots, .. } => snapshots.iter().all(|(id, ..)| completed(id)),
            _ => true,
        }
    }
}

/// What an instance's tags pass on to what was made with it: `aws:` tags stay where AWS put them.
pub(crate) fn inherited(tags: &Tags) -> Tags {
    let mut own = tags.clone();
    own.keep(|key, _| !key.starts_with("aws:"));
    own
}
