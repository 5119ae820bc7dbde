//! The simulated AWS: every account's estate in every region, and what was asked of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::simulator::Options;
use crate::simulator::catalog::REGIONS;
use crate::simulator::clock::Clock;
use crate::simulator::estate::{Estate, Pace};
use crate::simulator::plan::{Plan, Shape};
use crate::simulator::refusal::Refusal;

type Scope = (String, String);

/// A handle on the simulated AWS, for tests and for whoever wants to see what a client asked. Clones see the same world.
#[derive(Debug, Clone)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    /// Made when first asked for; an estate nobody looks at costs nothing.
    estates: RwLock<HashMap<Scope, Arc<Estate>>>,
    requests: Mutex<BTreeMap<String, u64>>,
    failing: Mutex<BTreeMap<String, Refusal>>,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let world = Self(Arc::new(Inner {
            options,
            estates: RwLock::default(),
            requests: Mutex::default(),
            failing: Mutex::default(),
        }));
        // The home estate is born with the world: instances born terminated age from here.
        drop(world.home());
        world
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// The clock everything goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.options.clock
    }

    /// What the options' account holds in the options' region.
    #[must_use]
    pub fn home(&self) -> Arc<Estate> {
        let options = self.options();
        self.estate(&options.account, &options.region)
    }

    /// What `account` holds in `region`. All but [`World::home`] begin with a default VPC and nothing else.
    #[must_use]
    pub fn estate(&self, account: &str, region: &str) -> Arc<Estate> {
        let scope = (account.to_owned(), region.to_owned());
        if let Some(estate) = self.0.estates.read().get(&scope) {
            return Arc::clone(estate);
        }
        let mut estates = self.0.estates.write();
        Arc::clone(estates.entry(scope).or_insert_with(|| Arc::new(self.found(account, region))))
    }

    /// How often clients called `action` (`DescribeInstances`, ...) in all accounts and regions, refused calls included.
    #[must_use]
    pub fn requests(&self, action: &str) -> u64 {
        self.0.requests.lock().get(action).copied().unwrap_or(0)
    }

    /// From now on every call of `action` answers this error, until [`World::heal`]. EC2 says 403
    /// `UnauthorizedOperation` to what a policy denies and 503 `RequestLimitExceeded` to what is too much.
    pub fn fail(&self, action: &str, status: u16, code: &str, message: &str) {
        let refusal = Refusal::new(status, code.to_owned(), message);
        self.0.failing.lock().insert(action.to_owned(), refusal);
    }

    /// Lets `action` work again.
    pub fn heal(&self, action: &str) {
        self.0.failing.lock().remove(action);
    }

    /// Counts a call and says whether it is to fail.
    pub(crate) fn admit(&self, action: &str) -> Result<(), Refusal> {
        *self.0.requests.lock().entry(action.to_owned()).or_default() += 1;
        self.0.failing.lock().get(action).map_or(Ok(()), |refusal| Err(refusal.clone()))
    }

    pub(crate) fn knows_region(&self, region: &str) -> bool {
        region == self.options().region || REGIONS.iter().any(|(name, _)| *name == region)
    }

    fn found(&self, account: &str, region: &str) -> Estate {
        let options = self.options();
        let home = account == options.account && region == options.region;
        let shape = Shape {
            count: if home { u64::try_from(options.instances).unwrap_or(u64::MAX) } else { 0 },
            stopped_percent: u64::from(options.stopped_percent),
            terminated_percent: u64::from(options.terminated_percent),
            retention: options.terminated_retention,
        };
        let pace = Pace {
            start: options.start_delay,
            stop: options.stop_delay,
            initializing: options.initializing,
            volume: options.volume_delay,
            snapshot: options.snapshot_delay,
        };
        let plan = Plan::new(options.seed, account, region, shape, options.clock.moment());
        Estate::new(plan, pace, options.clock.clone())
    }
}
