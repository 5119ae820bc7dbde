//! The options of a simulator, and which of them are not possible.

use std::time::Duration;

use crate::simulator::catalog::{OPT_IN_REGIONS, REGIONS};
use crate::simulator::clock::Clock;
use crate::simulator::faults::Faults;
use crate::simulator::fleet::Fleet;

/// The most changes a second.
pub(crate) const MAX_CHURN: f64 = 100_000.0;
/// The most further accounts, as many as AWS lets an organization have.
pub(crate) const MAX_ACCOUNTS: usize = 10_000;
/// The most instances that the address plan has room for.
pub const MAX_INSTANCES: usize = 1_000_000;

/// The options of a simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number of instances of `account` in `region`, at most [`MAX_INSTANCES`]; terminated instances count.
    pub instances: usize,
    /// The seed. The same seed gives the same account.
    pub seed: u64,
    /// The region that holds the instances.
    pub region: String,
    /// Further regions in which `account` has instances, and how many, each at most [`MAX_INSTANCES`].
    pub regions: Vec<(String, usize)>,
    /// The account of every access key that does not name an account.
    pub account: String,
    /// How many further accounts there are, from 200000000001 on, at most 10,000. They and `account` form an organization.
    pub accounts: usize,
    /// The regions in which the further accounts have instances; `all` stands for those that need no opt-in, and an empty
    /// list for `region`.
    pub account_regions: Vec<String>,
    /// How many instances the further accounts have together.
    pub account_instances: usize,
    /// The port on 127.0.0.1; 0 chooses a free one.
    pub port: u16,
    /// How long a started instance is `pending`.
    pub start_delay: Duration,
    /// How long a stopped instance is `stopping`, and a terminated one `shutting-down`.
    pub stop_delay: Duration,
    /// How long status checks are `initializing` after an instance begins to run.
    pub initializing: Duration,
    /// How long a volume is creating, attaching, detaching or deleting.
    pub volume_delay: Duration,
    /// How long a snapshot is pending.
    pub snapshot_delay: Duration,
    /// How long a NAT gateway is pending, or deleting.
    pub nat_delay: Duration,
    /// How long EC2 still lists a terminated instance.
    pub terminated_retention: Duration,
    /// How many in 100 instances are stopped at the start.
    pub stopped_percent: u8,
    /// How many in 100 instances are terminated at the start. They stay listed for at least half of the retention.
    pub terminated_percent: u8,
    /// The number of random changes a second, at most 100,000.
    pub churn_per_second: f64,
    /// The faults at the start.
    pub faults: Faults,
    /// The clock.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            instances: 1_000,
            seed: 1,
            region: "us-east-1".to_owned(),
            regions: Vec::new(),
            account: "123456789012".to_owned(),
            accounts: 0,
            account_regions: Vec::new(),
            account_instances: 0,
            port: 0,
            start_delay: Duration::from_secs(2),
            stop_delay: Duration::from_secs(2),
            initializing: Duration::from_secs(10),
            volume_delay: Duration::from_secs(1),
            snapshot_delay: Duration::from_secs(10),
            nat_delay: Duration::from_secs(5),
            terminated_retention: Duration::from_hours(1),
            stopped_percent: 10,
            terminated_percent: 2,
            churn_per_second: 0.0,
            faults: Faults::default(),
            clock: Clock::Wall,
        }
    }
}

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options ask for too many instances.
    #[error("{asked} instances are more than the simulator's {MAX_INSTANCES}; ask for fewer")]
    TooManyInstances {
        /// The number they asked for.
        asked: usize,
    },
    /// A region that holds instances is named twice.
    #[error("region {region} is given twice; give each region that holds instances once")]
    RegionTwice {
        /// The region.
        region: String,
    },
    /// The account is not an account number.
    #[error("account {account:?} is not twelve digits; use one like 123456789012")]
    Account {
        /// What was given.
        account: String,
    },
    /// There are too many further accounts.
    #[error("{asked} further accounts are more than the simulator's {}; ask for fewer", MAX_ACCOUNTS)]
    TooManyAccounts {
        /// The number they asked for.
        asked: usize,
    },
    /// Instances of further accounts, and no further accounts.
    #[error("{instances} instances of further accounts have no accounts; give their number as well")]
    NoAccounts {
        /// The number of instances.
        instances: usize,
    },
    /// The account is one of the further accounts.
    #[error("account {account} is one of the further accounts, which begin with 200000000001; give another number")]
    AccountTwice {
        /// What was given.
        account: String,
    },
    /// A region of the further accounts does not exist.
    #[error("there is no region {region:?} for further accounts; give regions of AWS, or all")]
    NoRegion {
        /// What was given.
        region: String,
    },
    /// Together, the shares of stopped and terminated instances are more than 100 %.
    #[error("{stopped} % stopped and {terminated} % terminated are together more than 100 %; lower one of them")]
    Shares {
        /// The share of stopped instances.
        stopped: u8,
        /// The share of terminated instances.
        terminated: u8,
    },
    /// The number of changes a second is not possible.
    #[error("churn of {rate} changes a second is not possible; give a number from 0 to {}", MAX_CHURN)]
    Churn {
        /// What was given.
        rate: f64,
    },
    /// The port could not be bound.
    #[error("cannot listen on 127.0.0.1:{port}; choose another port, or 0 for any free one")]
    Bind {
        /// The port.
        port: u16,
        /// The error from the operating system.
        #[source]
        source: std::io::Error,
    },
}

impl Options {
    /// The regions that have instances at the start, with their number; the home region comes first.
    pub(crate) fn populated(&self) -> impl Iterator<Item = (&str, usize)> {
        let further = self.regions.iter().map(|(region, count)| (region.as_str(), *count));
        std::iter::once((self.region.as_str(), self.instances)).chain(further)
    }

    /// The further accounts.
    pub(crate) fn fleet(&self) -> Fleet {
        let home = std::slice::from_ref(&self.region);
        let regions = if self.account_regions.is_empty() { home } else { &self.account_regions };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Fleet::new(number(self.accounts), regions, number(self.account_instances))
    }

    /// Whether the options are possible.
    ///
    /// # Errors
    /// When they are not; the error says what to change.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some((_, asked)) = self.populated().find(|(_, count)| *count > MAX_INSTANCES) {
            return Err(Error::TooManyInstances { asked });
        }
        let mut regions: Vec<&str> = self.populated().map(|(region, _)| region).collect();
        regions.sort_unstable();
        if let Some([twice, _]) = regions.array_windows().find(|[one, other]| one == other) {
            return Err(Error::RegionTwice { region: (*twice).to_owned() });
        }
        if self.account.len() != 12 || !self.account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::Account { account: self.account.clone() });
        }
        self.check_fleet()?;
        if u16::from(self.stopped_percent) + u16::from(self.terminated_percent) > 100 {
            return Err(Error::Shares { stopped: self.stopped_percent, terminated: self.terminated_percent });
        }
        if !is_rate(self.churn_per_second) {
            return Err(Error::Churn { rate: self.churn_per_second });
        }
        Ok(())
    }

    fn check_fleet(&self) -> Result<(), Error> {
        if self.accounts > MAX_ACCOUNTS {
            return Err(Error::TooManyAccounts { asked: self.accounts });
        }
        if self.accounts == 0 && self.account_instances > 0 {
            return Err(Error::NoAccounts { instances: self.account_instances });
        }
        let fleet = self.fleet();
        if fleet.number(&self.account).is_some() {
            return Err(Error::AccountTwice { account: self.account.clone() });
        }
        let exists = |region: &str| REGIONS.iter().chain(&OPT_IN_REGIONS).any(|(name, _)| *name == region);
        let known = |region: &String| exists(region) || *region == self.region;
        if let Some(region) = fleet.regions.iter().find(|region| !known(region)) {
            return Err(Error::NoRegion { region: region.clone() });
        }
        let mut regions: Vec<&String> = fleet.regions.iter().collect();
        regions.sort_unstable();
        if let Some([twice, _]) = regions.array_windows().find(|[one, other]| one == other) {
            return Err(Error::RegionTwice { region: (*twice).clone() });
        }
        match usize::try_from(fleet.most()) {
            Ok(most) if most <= MAX_INSTANCES => Ok(()),
            _ => Err(Error::TooManyInstances { asked: self.account_instances }),
        }
    }
}

/// Whether this number of changes a second is possible: from 0 to [`MAX_CHURN`].
pub(crate) fn is_rate(per_second: f64) -> bool {
    (0.0..=MAX_CHURN).contains(&per_second)
}
