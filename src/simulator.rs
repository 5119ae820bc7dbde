//! AWS accounts on loopback that speak the real wire protocols, for tests, demos and benchmarks.
//!
//! [`Simulator::start`] binds a port on 127.0.0.1 and answers EC2's and STS's Query protocol and the JSON protocols of SQS,
//! EventBridge and Organizations there, so `AWS_ENDPOINT_URL` brings the SDK, boto3 and the AWS CLI to it. It is harsher than AWS and never
//! kinder: it pages by instance, binds tokens to their request, refuses unknown parameters, and its states take time to change.
//!
//! A request passes these layers, in this order: `server` (HTTP, and which service is called), `request` (who calls, and what),
//! `world` (which account and region), `ec2` and `sts` (the actions), `account` (what an account holds: the formula `plan`, and on
//! top of it only what changed). The resources of instances (`storage`, `snapshot`, `interface`, `address`, `subnet`) follow from
//! the same formula; their changes are in `tables`. The [`faults`] stand between calls and accounts: `server` and `wire` carry
//! out what they decide about a call, and `view` shows a Describe call what they leave of the account. `control` shows and sets
//! faults while the simulator runs, and a `scenario` sets them from the start. `ledger` counts the calls. `churn` changes resources
//! without any call.
//!
//! Events go the other way: a `happening` goes into the `outbox`, `envelope` makes an event of it, `bus` finds the rules that
//! match it, and `sqs` holds it until it is received; `events` is the API of EventBridge. Nothing that was true is lost: accounts
//! keep versions (`history`), and `journal` answers as of any moment and without faults, so tests use it as their oracle. `script`
//! fails status checks, and `announce` emits events that no call causes. `trail` remembers the calls and answers lookups in
//! `CloudTrail`.
//!
//! Further accounts are a `fleet`, whose sizes are a formula as well. The `roster` places them in an organization, and
//! `organization` is the API that lists them.
//!
//! # Limits
//! Signatures are not checked: any access key works, and one of twelve digits names the account it belongs to, as the
//! temporary keys of `AssumeRole` do. All but the options' account in the options' regions, and the further accounts in
//! theirs, begin with a default VPC and no instances.

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
mod denial;
mod dice;
mod ebs_volume;
mod ec2;
mod envelope;
mod events;
pub mod faults;
mod filter;
mod fleet;
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
mod organization;
mod outbox;
mod page;
mod plan;
mod refusal;
mod request;
mod roster;
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
