//! Everything in an account that differs from the formula ([`Plan`]), as versions.

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
    /// Instances that were launched, changed state or got scripted checks, by number.
    pub(super) touched: HashMap<u64, Touched>,
    /// How many instances exist beyond the formula's count.
    pub(super) launched: u64,
    /// How many public addresses instances have received since the start.
    pub(super) addresses: u64,
    /// Tags that differ from those of the formula, for resources of any kind.
    pub(super) tags: HashMap<(Kind, u64), History<Tagged>>,
    /// Inbound rules of security groups that differ from those of the formula.
    pub(super) ingress: HashMap<u64, History<Vec<Permission>>>,
    /// VPCs that other accounts share. Their positions come after the account's own VPCs.
    pub(super) shares: Vec<SharedVpc>,
    /// Addresses that `RunInstances` assigned, by the number that the subnet's id encodes.
    pub(super) hosts: HashMap<u64, Hosts>,
    /// For each client token: what the launch asked for and the instances it made.
    pub(super) tokens: HashMap<String, Idempotent>,
    /// Changes to volumes, snapshots, interfaces, addresses and the other kinds that have tables.
    pub(super) tables: Tables,
    /// The moment of the last change.
    newest: Moment,
    /// The period that passes twice because the clock was set back.
    rewound: Option<Rewound>,
}

/// A period that passes twice because the clock was set back.
#[derive(Debug, Clone, Copy)]
struct Rewound {
    from: Moment,
    until: Moment,
}

/// How an instance differs from the formula.
#[derive(Debug)]
pub(super) struct Touched {
    /// The instance as it was launched; `None` for instances of the formula.
    pub(super) born: Option<Box<Instance>>,
    /// The first version begins at the launch, or at [`Moment::NEVER`] for instances of the formula.
    pub(super) phases: History<Phase>,
    pub(super) health: Option<Box<History<ScriptedChecks>>>,
}

/// The addresses of a subnet that launches have taken.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// How many were ever assigned; the search for the next one starts there.
    pub(super) given: u64,
    /// The instance that has or had an address, by the address's position in the subnet.
    pub(super) taken: HashMap<u64, u64>,
}

/// A launch that can be repeated with its client token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Idempotent {
    /// A hash of everything the call asked for.
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
    /// The number after the last instance's.
    pub(super) fn end(&self, plan: &Plan) -> u64 {
        plan.count + self.launched
    }

    /// Whether the clock was set back to before the last change.
    pub(super) fn behind(&self, now: Moment) -> bool {
        now < self.newest
    }

    /// Makes `now` the moment of the last change.
    pub(super) fn reach(&mut self, now: Moment) {
        self.newest = now;
    }

    /// Rewinds after the clock was set back to `to`, having reached `until`: nothing begins later than `to`, and
    /// instances that EC2 had stopped listing stay unlisted.
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

    /// An instance as it was at `at`, even if EC2 no longer listed it; `None` before its launch and for numbers never
    /// used.
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

    /// When EC2 stops listing an instance in this phase; `None` when it is not terminated.
    pub(super) fn forgets(&self, plan: &Plan, number: u64, phase: &Phase) -> Option<Moment> {
        let Life::Gone { terminated, .. } = phase.life else { return None };
        let end = terminated.plus(plan.retention);
        if self.touched.contains_key(&number) {
            return Some(end);
        }
        // An instance of the formula is not rewound. If EC2 stops listing it in a period that passes twice, it is
        // unlisted from the period's start.
        let twice = self.rewound.filter(|rewound| rewound.from < end && end <= rewound.until);
        Some(twice.map_or(end, |rewound| rewound.from))
    }
}
