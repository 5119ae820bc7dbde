//! An AWS account on loopback that speaks the real wire protocols, for tests, demos and benchmarks.
//!
//! [`Simulator::start`] binds a port on 127.0.0.1 and answers EC2's and STS's Query protocol and the JSON protocols of SQS
//! and EventBridge there, so `AWS_ENDPOINT_URL` brings the SDK, boto3 and the AWS CLI to it. It means to be harsher than
//! AWS, never kinder: paging by instance, tokens tied to their request, unknown parameters refused, states that take their
//! time.
//!
//! The layers, in the order a request passes them: `server` (HTTP, which service), `request` (who asks, what), `world`
//! (which account and region), `ec2` and `sts` (the actions), `estate` (what an account holds: `plan`, a formula, and over
//! it only what changed). What hangs on instances (`storage`, `shot`, `interface`, `address`, `subnet`) is a formula of
//! them, with its own changes in `holdings`. Between calls and estates stand the [`faults`]: what they decide about a call,
//! `server` and `wire` carry out, and what a describe sees goes through its `lens`. `control` shows and sets them while
//! the simulator runs, a `scenario` from the start; `ledger` counts what was asked. `churn` moves things by itself.
//!
//! What happens goes the other way: `happening` into the `outbox`, `envelope` makes it an event, `bus` finds who listens,
//! `sqs` holds it until it is fetched; `events` is EventBridge's API. What was true when is never lost: estates keep
//! versions (`history`), and `journal` answers as of any moment, without faults: the oracle. `script` fails status checks,
//! `announce` emits what no call brings about. `trail` remembers the calls and answers `CloudTrail`'s lookups.
//!
//! # Limits
//! Signatures are not checked: any access key works, and one of twelve digits names the account it belongs to, as the
//! temporary keys of `AssumeRole` do. All but the options' account in the options' regions begin with a default VPC and no
//! instances.

mod address;
mod ami;
mod announce;
mod bus;
mod catalog;
mod churn;
mod clock;
mod control;
mod dice;
mod ec2;
mod envelope;
mod estate;
mod events;
pub mod faults;
mod filter;
mod flip;
mod happening;
mod history;
mod holdings;
mod ident;
mod instance;
mod interface;
mod internet_gateway;
mod journal;
mod json;
mod ledger;
mod lens;
mod md5;
mod nat_gateway;
mod network;
mod network_acl;
mod outbox;
mod page;
mod plan;
mod refusal;
mod request;
mod route_table;
mod scenario;
mod script;
mod server;
mod shot;
mod sqs;
mod storage;
mod sts;
mod subnet;
mod tags;
#[cfg(test)]
mod tests;
mod trail;
mod wire;
mod world;
mod xml;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use bus::{EventCounts, EventFaults};
pub use clock::Clock;
pub use estate::{Estate, Snapshot, UnknownId};
pub use faults::Faults;
pub use instance::{Check, ScheduledEvent};
pub use ledger::Requests;
pub use scenario::{Scenario, ScenarioError};
pub use world::World;

/// The most instances the address plan has room for.
pub const MAX_INSTANCES: usize = 1_000_000;

/// How long [`Simulator::stop`] waits for answers under way.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Options {
    /// Instances of `account` in `region`, at most [`MAX_INSTANCES`]; the terminated ones count.
    pub instances: usize,
    /// The same seed gives the same account.
    pub seed: u64,
    /// The region that holds the instances.
    pub region: String,
    /// Further regions that hold instances of `account`, and how many, each at most [`MAX_INSTANCES`].
    pub regions: Vec<(String, usize)>,
    /// The account of every access key that is not twelve digits.
    pub account: String,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// How long a started instance is `pending`.
    pub start_delay: Duration,
    /// How long a stopped instance is `stopping`, and a terminated one `shutting-down`.
    pub stop_delay: Duration,
    /// How long status checks are `initializing` once an instance runs.
    pub initializing: Duration,
    /// How long a volume is creating, attaching, detaching or deleting.
    pub volume_delay: Duration,
    /// How long a snapshot is pending.
    pub snapshot_delay: Duration,
    /// How long a NAT gateway is pending, or deleting.
    pub nat_delay: Duration,
    /// How long EC2 still lists a terminated instance.
    pub terminated_retention: Duration,
    /// How many in 100 instances begin stopped.
    pub stopped_percent: u8,
    /// How many in 100 instances begin terminated; at least half their retention is left to them.
    pub terminated_percent: u8,
    /// Starts, stops and tag changes a second that nobody asked for, at most 100,000.
    pub churn_per_second: f64,
    /// What goes wrong from the start.
    pub faults: Faults,
    /// Where time comes from.
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

/// Why there is no simulator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many instances were asked for.
    #[error("{asked} instances are more than the simulator's {MAX_INSTANCES}; ask for fewer")]
    TooManyInstances {
        /// What was asked for.
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
    /// The shares of instances that begin stopped and terminated are more than all.
    #[error("{stopped} % stopped and {terminated} % terminated are more than all instances; lower one")]
    Shares {
        /// What was given as stopped.
        stopped: u8,
        /// What was given as terminated.
        terminated: u8,
    },
    /// The rate of churn is not a rate.
    #[error("churn of {rate} changes a second is not possible; give a number from 0 to {}", churn::MAX_RATE)]
    Churn {
        /// What was given.
        rate: f64,
    },
    /// The port could not be bound.
    #[error("cannot listen on 127.0.0.1:{port}; choose another port, or 0 for any free one")]
    Bind {
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A simulator that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Simulator {
    world: World,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Binds the port and begins to answer.
    ///
    /// # Errors
    /// When an option makes no sense or the port is taken.
    pub async fn start(options: Options) -> Result<Self, Error> {
        options.check()?;
        let port = options.port;
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = bound.map_err(|source| Error::Bind { port, source })?;
        let address = listener.local_addr().map_err(|source| Error::Bind { port, source })?;
        let world = World::new(options);
        world.listens_at(address);
        let stop = world.closing().clone();
        let mut tasks = JoinSet::new();

        let router = server::router(world.clone()).into_make_service_with_connect_info::<wire::Cutter>();
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            // axum's server retries accept errors and ends only by the shutdown signal.
            drop(axum::serve(wire::Wires(listener), router).with_graceful_shutdown(stopped).await);
        });
        {
            let (world, stop) = (world.clone(), stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(bus::run(world)).await;
            });
        }
        {
            let (world, stop) = (world.clone(), stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(churn::run(world)).await;
            });
        }
        Ok(Self { world, address, stop, tasks })
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The region that holds the instances.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.world.options().region
    }

    /// The first line `muster simulate` prints: the endpoint and region as one JSON object.
    #[must_use]
    pub fn banner(&self) -> String {
        serde_json::json!({ "endpoint": self.endpoint(), "region": self.region() }).to_string()
    }

    /// The simulated world, to look at and to change.
    #[must_use]
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// Stops listening and waits for answers under way, at most two seconds.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        // What does not finish in time is aborted when the tasks are dropped.
        drop(tokio::time::timeout(STOP_DEADLINE, finished).await);
    }
}

/// Runs a simulator until `shutdown` completes; `ready` is called once it answers, to print the banner for example.
///
/// # Errors
/// When it does not start, as [`Simulator::start`] says.
pub async fn run(
    options: Options,
    ready: impl FnOnce(&Simulator),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let simulator = Simulator::start(options).await?;
    ready(&simulator);
    shutdown.await;
    simulator.stop().await;
    Ok(())
}

impl Options {
    /// The regions that hold instances and how many, the home region first.
    pub(crate) fn populated(&self) -> impl Iterator<Item = (&str, usize)> {
        let further = self.regions.iter().map(|(region, count)| (region.as_str(), *count));
        std::iter::once((self.region.as_str(), self.instances)).chain(further)
    }

    fn check(&self) -> Result<(), Error> {
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
        if !churn::is_rate(self.churn_per_second) {
            return Err(Error::Churn { rate: self.churn_per_second });
        }
        Ok(())
    }
}
