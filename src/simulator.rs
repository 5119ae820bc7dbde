//! An AWS account on loopback that speaks the real wire protocols, for tests, demos and benchmarks.
//!
//! [`Simulator::start`] binds a port on 127.0.0.1 and answers EC2's and STS's Query protocol and the JSON protocols of SQS
//! and EventBridge there, so `AWS_ENDPOINT_URL` brings the SDK, boto3 and the AWS CLI to it. It means to be harsher than
//! AWS, never kinder: paging by instance, tokens tied to their request, unknown parameters refused, states that take their
//! time.
//!
//! The layers, in the order a request passes them: `server` (HTTP, which service), `request` (who asks, what), `world`
//! (which account and region), `ec2` and `sts` (the actions), `account` (what an account holds: `plan`, a formula, and over
//! it only what changed). What hangs on instances (`storage`, `snapshot`, `interface`, `address`, `subnet`) is a formula of
//! them, with its own changes in `tables`. Between calls and accounts stand the [`faults`]: what they decide about a call,
//! `server` and `wire` carry out, and what a describe sees goes through its `view`. `control` shows and sets them while
//! the simulator runs, a `scenario` from the start; `ledger` counts what was asked. `churn` moves things by itself.
//!
//! What happens goes the other way: `happening` into the `outbox`, `envelope` makes it an event, `bus` finds who listens,
//! `sqs` holds it until it is fetched; `events` is EventBridge's API. What was true when is never lost: accounts keep
//! versions (`history`), and `journal` answers as of any moment, without faults: the oracle. `script` fails status checks,
//! `announce` emits what no call brings about. `trail` remembers the calls and answers `CloudTrail`'s lookups.
//!
//! # Limits
//! Signatures are not checked: any access key works, and one of twelve digits names the account it belongs to, as the
//! temporary keys of `AssumeRole` do. All but the options' account in the options' regions begin with a default VPC and no
//! instances.

mod account;
mod actions;
mod address;
mod ami;
mod announce;
mod bus;
mod catalog;
mod changes;
mod churn;
mod clock;
mod control;
mod dice;
mod ebs_volume;
mod ec2;
mod envelope;
mod events;
pub mod faults;
mod filter;
mod flip;
mod happening;
mod history;
mod ident;
mod instance;
mod interface;
mod internet_gateway;
mod journal;
mod json;
mod ledger;
mod md5;
mod nat_gateway;
mod network;
mod network_acl;
mod options;
mod outbox;
mod page;
mod plan;
mod refusal;
mod request;
mod route_table;
mod scenario;
mod script;
mod server;
mod snapshot;
mod sqs;
mod storage;
mod sts;
mod subnet;
mod tables;
mod tags;
#[cfg(test)]
mod tests;
mod trail;
mod view;
mod wire;
mod world;
mod xml;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use account::{Account, TakenSnapshot, UnknownId};
pub use bus::{EventCounts, EventFaults};
pub use clock::Clock;
pub use faults::Faults;
pub use instance::{Check, ScheduledEvent};
pub use ledger::Requests;
pub use options::{Error, MAX_INSTANCES, Options};
pub use scenario::{Scenario, ScenarioError};
pub use world::World;

/// How long [`Simulator::stop`] waits for answers under way.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

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
                stop.run_until_cancelled(bus::delivery::run(world)).await;
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
