//! What an account remembers: only what differs from the formula, as versions.

mod shares;

use std::collections::HashMap;
use std::time::Duration;

use crate::simulator::account::pace::Pace;
use crate::simulator::account::share::SharedVpc;
use crate::simulator::clock::Moment;
use crate::simulator::history::History;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, Life, Phase, ScriptedChecks};
use crate::simulator::network::Permission;
use crate::simulator::plan::Plan;
use crate::simulator::tables::Tables;
use crate::simulator::tags::Tagged;

/// Everything that differs from the formula.
#[derive(Debug)]
pub(crate) struct Differences {
    /// Instances that were launched, or moved, or whose checks were scripted, by number.
    pub(super) touched: HashMap<u64, Touched>,
    /// How many instances exist beyond the formula's count.
    pub(super) launched: u64,
    /// Public addresses given out since the start.
    pub(super) addresses: u64,
    /// Tags that differ from the formula's, of things of any kind.
    pub(super) tags: HashMap<(Kind, u64), History<Tagged>>,
    /// The inbound rules of security groups that differ from the formula's.
    pub(super) ingress: HashMap<u64, History<Vec<Permission>>>,
    /// Other accounts' VPCs; their places follow the account's own.
    pub(super) shares: Vec<SharedVpc>,
    /// Addresses `RunInstances` gave out, by the number that the subnet's id encodes.
    pub(super) hosts: HashMap<u64, Hosts>,
    /// What launches with a client token asked for and made.
    pub(super) tokens: HashMap<String, Idempotent>,
    /// Volumes, snapshots, interfaces and addresses.
    pub(super) tables: Tables,
    /// The moment of the last change.
    newest: Moment,
    /// What the clock had reached when it was put back.
    rewound: Option<Rewound>,
}

/// The stretch of time a clock that was put back goes through twice.
#[derive(Debug, Clone, Copy)]
struct Rewound {
    from: Moment,
    until: Moment,
}

/// What is known of an instance beyond the formula.
#[derive(Debug)]
pub(super) struct Touched {
    /// What a launched instance was born as; `None` for the formula's own.
    pub(super) born: Option<Box<Instance>>,
    /// Its first version is its launch; the formula's own were always there.
    pub(super) phases: History<Phase>,
    pub(super) health: Option<Box<History<ScriptedChecks>>>,
}

/// The addresses of a subnet that launches took.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// How many were ever given out; the next is looked for from there.
    pub(super) given: u64,
    /// Which instance has or had an address, by place in the subnet.
    pub(super) taken: HashMap<u64, u64>,
}

/// A launch that can be asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Idempotent {
    /// Stands for everything the call asked for.
    pub(super) asked: u64,
    pub(super) numbers: Vec<u64>,
}

impl Default for Differences {
    fn default() -> Self {
        Self {
            touched: HashMap::new(),
            launched: 0,
            addresses: 0,
            tags: HashMap::new(),
            ingress: HashMap::new(),
            shares: Vec::new(),
            hosts: HashMap::new(),
            tokens: HashMap::new(),
            tables: Tables::default(),
            newest: Moment::NEVER,
            rewound: None,
        }
    }
}

impl Differences {
    /// One beyond the last instance's number.
    pub(super) fn end(&self, plan: &Plan) -> u64 {
        plan.count + self.launched
    }

    /// Whether the clock was put back before the last change.
    pub(super) fn behind(&self, now: Moment) -> bool {
        now < self.newest
    }

    /// Makes `now` the moment of the last change.
    pub(super) fn reach(&mut self, now: Moment) {
        self.newest = now;
    }

    /// The clock was put back to `to` after it had reached `until`: nothing begins later, and nobody who was forgotten comes
    /// back.
    pub(super) fn rewind(&mut self, to: Moment, until: Moment, pace: Pace, retention: Duration) {
        let until = until.max(self.newest);
        let before = self.rewound.unwrap_or(Rewound { from: to, until });
        self.rewound = Some(Rewound { from: before.from.min(to), until: before.until.max(until) });
        for touched in self.touched.values_mut() {
            touched.phases.rewind(to);
            let latest = *touched.phases.latest();
            let rewound = match latest.life {
                Life::Gone { terminated, .. } if terminated.plus(retention) <= until => latest.forgotten(),
                Life::Up { .. } => latest.rewound(to, pace.start),
                _ => latest.rewound(to, pace.stop),
            };
            if rewound != latest {
                touched.phases.push(to, rewound);
            }
            touched.health.iter_mut().for_each(|health| health.rewind(to));
        }
        self.tags.values_mut().for_each(|tags| tags.rewind(to));
        self.ingress.values_mut().for_each(|rules| rules.rewind(to));
        self.shares.iter_mut().for_each(|share| share.from = share.from.min(to));
        self.tables.rewind(to, self.newest);
    }

    /// An instance as it was at `at`, also after EC2 forgot it; `None` before its launch and for numbers never given out.
    pub(super) fn instance(&self, plan: &Plan, number: u64, at: Moment) -> Option<Instance> {
        let mut instance = match self.touched.get(&number) {
            None if number < plan.count => plan.instance(number),
            None => return None,
            Some(touched) => {
                let phase = *touched.phases.at(at)?;
                let mut instance = touched.born.as_deref().cloned().unwrap_or_else(|| plan.instance(number));
                instance.phase = phase;
                instance.health = touched.health.as_ref().and_then(|health| health.at(at)).cloned().map(Box::new);
                instance
            }
        };
        if let Some(tagged) = self.tags.get(&(Kind::Instance, number)).and_then(|tags| tags.at(at)) {
            instance.tags = tagged.tags.clone();
        }
        Some(instance)
    }

    /// When EC2 forgets an instance in a phase; `None` when it is not terminated.
    pub(super) fn forgets(&self, plan: &Plan, number: u64, phase: &Phase) -> Option<Moment> {
        let Life::Gone { terminated, .. } = phase.life else { return None };
        let end = terminated.plus(plan.retention);
        if self.touched.contains_key(&number) {
            return Some(end);
        }
        // The formula's own, which were not rewound: in time that passes twice they are forgotten from its beginning.
        let twice = self.rewound.filter(|rewound| rewound.from < end && end <= rewound.until);
        Some(twice.map_or(end, |rewound| rewound.from))
    }
}
