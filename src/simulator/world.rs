//! The simulated AWS: every account in every region, and the services that all accounts share.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::simulator::Options;
use crate::simulator::account::{Account, Pace, UnknownId};
use crate::simulator::bus::Bus;
use crate::simulator::catalog::{OPT_IN_REGIONS, REGIONS};
use crate::simulator::clock::{Clock, Moment};
use crate::simulator::faults::Board;
use crate::simulator::fleet::Fleet;
use crate::simulator::ident::{Kind, ScopeKey};
use crate::simulator::ledger::{RequestCounter, Requests};
use crate::simulator::outbox::Outbox;
use crate::simulator::plan::{Plan, Shape};
use crate::simulator::refusal::Refusal;
use crate::simulator::roster::Roster;
use crate::simulator::sqs::Sqs;
use crate::simulator::sts::Sessions;
use crate::simulator::trail::Trail;

/// Why a request names no account and region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownScope {
    /// The account is not an account number.
    #[error("account {account:?} is not twelve digits; use one like 123456789012, or leave it out")]
    Account {
        /// What was given.
        account: String,
    },
    /// The simulator has no such region, or the account has not opted in to it.
    #[error("the simulator has no region {region:?}; use one that DescribeRegions lists, or leave it out")]
    Region {
        /// What was given.
        region: String,
    },
}

/// A handle on the simulated AWS, for tests and for inspecting what a client asked. Clones share the same state.
#[derive(Debug, Clone)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    /// The further accounts, and when they began.
    fleet: Fleet,
    begun: Moment,
    /// The organization of all accounts.
    roster: Roster,
    /// The clock of the options, plus the skew that the faults set.
    clock: Clock,
    /// Created on first use, so that an unused account costs nothing.
    accounts: RwLock<HashMap<ScopeKey, Arc<Account>>>,
    ledger: RequestCounter,
    faults: Board,
    outbox: Arc<Outbox>,
    sessions: Sessions,
    sqs: Sqs,
    bus: Bus,
    trail: Trail,
    /// The number of random changes a second.
    churn: watch::Sender<f64>,
    /// The address on which the server listens, if it does.
    address: OnceLock<SocketAddr>,
    closing: CancellationToken,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let faults = Board::new(options.seed, options.faults.clone());
        let clock = options.clock.skewed_by(faults.skew());
        let bus = Bus::new(options.seed, faults.events());
        let churn = watch::Sender::new(options.churn_per_second);
        let fleet = options.fleet();
        let roster = Roster::new(options.seed, &options.account, &fleet);
        let begun = clock.moment();
        let world = Self(Arc::new(Inner {
            options,
            fleet,
            begun,
            roster,
            clock,
            accounts: RwLock::default(),
            ledger: RequestCounter::default(),
            faults,
            outbox: Arc::default(),
            sessions: Sessions::default(),
            sqs: Sqs::default(),
            bus,
            trail: Trail::default(),
            churn,
            address: OnceLock::new(),
            closing: CancellationToken::new(),
        }));
        // Accounts with instances are created with the world: the retention of instances that begin terminated starts
        // here.
        for (region, _) in world.options().populated() {
            drop(world.account(&world.options().account, region));
        }
        world
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// The clock that everything uses.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The options' account in the options' region.
    #[must_use]
    pub fn home(&self) -> Arc<Account> {
        let options = self.options();
        self.account(&options.account, &options.region)
    }

    /// An account in a region. All except the options' account in the options' regions, and the further accounts in theirs,
    /// begin with a default VPC and no instances.
    #[must_use]
    pub fn account(&self, account: &str, region: &str) -> Arc<Account> {
        let scope = (account.to_owned(), region.to_owned());
        if let Some(account) = self.0.accounts.read().get(&scope) {
            return Arc::clone(account);
        }
        let mut accounts = self.0.accounts.write();
        Arc::clone(accounts.entry(scope).or_insert_with(|| Arc::new(self.found(account, region))))
    }

    /// How often clients called `action` (`DescribeInstances`, ...) in all accounts and regions, including refused
    /// calls.
    #[must_use]
    pub fn requests(&self, action: &str) -> u64 {
        self.0.ledger.total(action)
    }

    /// The calls of clients, by account, region and action.
    #[must_use]
    pub fn ledger(&self) -> Vec<Requests> {
        self.0.ledger.requests(self.clock().moment())
    }

    /// Sets all counts of calls to zero.
    pub fn forget_requests(&self) {
        self.0.ledger.clear();
    }

    /// The faults that are set, for reading and changing.
    #[must_use]
    pub fn faults(&self) -> &Board {
        &self.0.faults
    }

    /// Makes every call to `action` fail with this error until [`World::heal`]. EC2 refuses what a policy denies with
    /// 403 `UnauthorizedOperation`, and calls beyond a limit with 503 `RequestLimitExceeded`.
    pub fn fail(&self, action: &str, status: u16, code: &str, message: &str) {
        let refusal = Refusal::new(status, code.to_owned(), message);
        self.0.faults.script(action, Some(refusal));
    }

    /// Lets `action` work again.
    pub fn heal(&self, action: &str) {
        self.0.faults.script(action, None);
    }

    /// Ends all sessions of assumed roles in an account, or in all accounts, and says how many there were.
    #[expect(clippy::must_use_candidate, reason = "it ends them; how many there were is said by the way")]
    pub fn end_sessions(&self, account: Option<&str>) -> usize {
        self.0.sessions.end(account, self.clock().moment())
    }

    /// The counts of calls.
    pub(crate) fn book(&self) -> &RequestCounter {
        &self.0.ledger
    }

    /// Shares a VPC of `owner` and its subnets with `account`, as Resource Access Manager does: the account's Describe
    /// calls list them with their owner, and it can launch instances there.
    ///
    /// # Errors
    /// When the owner has no such VPC in `region`, when it is the default VPC, which AWS does not let anybody share, or
    /// when `account` is the owner.
    pub fn share_vpc(&self, owner: &str, account: &str, region: &str, vpc_id: &str) -> Result<(), UnknownId> {
        let (from, to) = (self.account(owner, region), self.account(account, region));
        match from.resource(vpc_id)? {
            (Kind::Vpc, vpc) if vpc > 0 && owner != account => {
                to.accept(&from, vpc);
                Ok(())
            }
            _ => Err(UnknownId::new(vpc_id)),
        }
    }

    /// The further accounts.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// The organization of all accounts.
    pub(crate) fn roster(&self) -> &Roster {
        &self.0.roster
    }

    /// The outbox for all happenings.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.0.outbox
    }

    /// The sessions of assumed roles.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn sqs(&self) -> &Sqs {
        &self.0.sqs
    }

    /// The calls that `CloudTrail` recorded.
    pub(crate) fn trail(&self) -> &Trail {
        &self.0.trail
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// The number of random changes a second; [`World::set_churn`] sets it.
    pub(crate) fn pace(&self) -> &watch::Sender<f64> {
        &self.0.churn
    }

    /// Cancelled when the simulator stops, so that long polls end early.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Sets the address on which the server listens. Only the first address counts.
    pub(crate) fn listens_at(&self, address: SocketAddr) {
        self.0.address.get_or_init(|| address);
    }

    /// `http://127.0.0.1:port`, or without the port while no server listens.
    pub(crate) fn base(&self) -> String {
        self.0.address.get().map_or_else(|| "http://127.0.0.1".to_owned(), |address| format!("http://{address}"))
    }

    pub(crate) fn knows_region(&self, region: &str) -> bool {
        self.options().populated().any(|(name, _)| name == region)
            || self.0.fleet.regions.iter().any(|name| name == region)
            || REGIONS.iter().any(|(name, _)| *name == region)
    }

    /// The account and region to use; the default for each is the simulator's own. Creates no account.
    pub(crate) fn scope<'a>(
        &'a self,
        account: Option<&'a str>,
        region: Option<&'a str>,
    ) -> Result<(&'a str, &'a str), UnknownScope> {
        let options = self.options();
        let (account, region) = (account.unwrap_or(&options.account), region.unwrap_or(&options.region));
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(UnknownScope::Account { account: account.to_owned() });
        }
        if !self.knows_region(region) {
            return Err(UnknownScope::Region { region: region.to_owned() });
        }
        Ok((account, region))
    }

    fn found(&self, account: &str, region: &str) -> Account {
        let options = self.options();
        let populated = options.populated().find(|(name, _)| *name == region && account == options.account);
        let of_fleet = self.0.fleet.count(account, region);
        let shape = Shape {
            count: populated.map(|(_, count)| u64::try_from(count).unwrap_or(u64::MAX)).or(of_fleet).unwrap_or(0),
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
            nat: options.nat_delay,
        };
        // A further account is created when it is first used, and began with the world all the same.
        let born = if of_fleet.is_some() { self.0.begun } else { self.clock().moment() };
        let mut plan = Plan::new(options.seed, account, region, shape, born);
        let opt_in = |name: &str| OPT_IN_REGIONS.iter().any(|(known, _)| *known == name);
        plan.opted_in = if self.0.fleet.number(account).is_some() {
            self.0.fleet.opted_in().cloned().collect()
        } else {
            options.populated().map(|(name, _)| name.to_owned()).filter(|name| opt_in(name)).collect()
        };
        Account::new(plan, pace, self.clock().clone(), Arc::clone(&self.0.outbox))
    }
}
