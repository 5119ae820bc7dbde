//! The options of a simulator, and which of them are not possible.

use std::time::Duration;

use crate::simulator::clock::Clock;
use crate::simulator::faults::Faults;

/// The most changes a second.
pub(crate) const MAX_CHURN: f64 = 100_000.0;
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
        if u16::from(self.stopped_percent) + u16::from(self.terminated_percent) > 100 {
            return Err(Error::Shares { stopped: self.stopped_percent, terminated: self.terminated_percent });
        }
        if !is_rate(self.churn_per_second) {
            return Err(Error::Churn { rate: self.churn_per_second });
        }
        Ok(())
    }
}

/// Whether this number of changes a second is possible: from 0 to [`MAX_CHURN`].
pub(crate) fn is_rate(per_second: f64) -> bool {
    (0.0..=MAX_CHURN).contains(&per_second)
}
