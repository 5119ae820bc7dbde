//! Volumes, snapshots, network interfaces and addresses: what of them differs from the formula, and how both are read.
//!
//! Most of them are formulas of an instance: its disks, its interface, a backup, an Elastic IP of some. They follow it
//! without being told, because what becomes of them when it ends is worked out when somebody looks. What calls create
//! has numbers from [`CREATED`] on, so that listings have room for ever more instances before it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use crate::simulator::address::Elastic;
use crate::simulator::clock::Moment;
use crate::simulator::history::History;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, Life};
use crate::simulator::interface::Interface;
use crate::simulator::plan::Plan;
use crate::simulator::shot::Shot;
use crate::simulator::storage::Disk;
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
    /// Disks an instance has or had that the formula gives to another or to none.
    pub(crate) guests: HashMap<u64, BTreeSet<u64>>,
    /// The addresses each interface has or had by a call.
    pub(crate) bound: HashMap<u64, BTreeSet<u64>>,
    /// How many associations of addresses were made.
    pub(crate) associations: u64,
    /// Client tokens by action, with a fingerprint of what was asked and the number of what was made.
    pub(crate) tokens: HashMap<(&'static str, String), (u64, u64)>,
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

    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// The numbers calls have made, from `from` on.
    pub(crate) fn made(&self, from: u64) -> impl Iterator<Item = u64> + use<T> {
        from.max(CREATED)..CREATED + self.made
    }

    /// Adds what a call made at `now`.
    pub(crate) fn make(&mut self, now: Moment, make: impl FnOnce(u64) -> T) -> u64 {
        let number = CREATED + self.made;
        self.made += 1;
        self.changed.insert(number, History::new(now, make(number)));
        number
    }

    /// Makes one `next` from `now` on. `formula` is what it was until then if it was never changed before.
    pub(crate) fn change(&mut self, number: u64, now: Moment, formula: impl FnOnce() -> T, next: T) {
        let history = self.changed.entry(number).or_insert_with(|| History::new(Moment::NEVER, formula()));
        history.push(now, next);
    }
}

/// What the formula and the changes over it say together. Cheap to copy; made by a view and by an edit of an estate.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) holdings: &'a Holdings,
    pub(crate) hosts: &'a dyn Hosts,
}

/// Where a scene finds the instances and tags its own kinds hang on.
pub(crate) trait Hosts {
    /// One beyond the last instance's number.
    fn end(&self) -> u64;

    /// The instance as it was at `at`; `None` before it was launched. One that EC2 has forgotten is terminated.
    fn host(&self, number: u64, at: Moment) -> Option<Cow<'_, Instance>>;

    /// How many more instances hold an address of each subnet at `at` than the formula says.
    fn moved(&self, at: Moment) -> HashMap<u64, i64>;

    /// The tags of a resource at `at`, where they were changed since it was born.
    fn retagged(&self, kind: Kind, number: u64, at: Moment) -> Option<&Tags>;
}

impl<'a> Scene<'a> {
    /// One beyond the last instance's number.
    pub(crate) fn end(self) -> u64 {
        self.hosts.end()
    }

    pub(crate) fn host(self, number: u64, at: Moment) -> Option<Cow<'a, Instance>> {
        self.hosts.host(number, at)
    }

    /// When an instance terminates, if that is under way or done at `at`.
    fn terminated(self, number: u64, at: Moment) -> Option<Moment> {
        match self.host(number, at)?.life {
            Life::Gone { terminated, .. } => Some(terminated),
            _ => None,
        }
    }

    /// Whether an instance had terminated by `at`.
    pub(crate) fn ended(self, number: u64, at: Moment) -> bool {
        self.terminated(number, at).is_some_and(|terminated| terminated <= at)
    }

    /// When an instance came to be and when it terminated, as far as `now` knows.
    pub(crate) fn end_of(self, number: u64, now: Moment) -> Vec<Moment> {
        let created = self.host(number, now).map(|host| host.created);
        [created, self.terminated(number, now)].into_iter().flatten().collect()
    }

    /// The tags of something at `at`, which was born with `born`.
    pub(crate) fn tags<'t>(self, kind: Kind, number: u64, at: Moment, born: &'t Tags) -> &'t Tags
    where
        'a: 't,
    {
        self.hosts.retagged(kind, number, at).unwrap_or(born)
    }
}

/// What a thing of `tags` passes on: `aws:` tags stay where AWS put them.
pub(crate) fn inherited(tags: &Tags) -> Tags {
    let mut own = Tags::default();
    for (key, value) in tags.iter().filter(|(key, _)| !key.starts_with("aws:")) {
        own.put(key.to_owned(), value.to_owned());
    }
    own
}
