//! `muster doctor`: looks at everything that Muster needs, and says what works, what does not, and what to do.
//!
//! Each check is a small file that decides, without I/O, what a fact means; [`region`] and [`events`] ask AWS. What `muster
//! setup` makes is judged by setup's own [`drift`](crate::setup::drift). Regions are looked at at the same time, and so is
//! whatever does not depend on something else within a region. Every question is bounded in time, so that what hangs is a
//! failed check that is named. What depends on something failed is skipped, with the reason.
//!
//! Nothing is changed: dry runs ask what is allowed, and the only thing sent is a canary for each rule, as servers send them. What
//! the running server serves is looked at last, so that what was mended meanwhile shows. [`Local`] is what the caller found out on
//! this machine.

use futures::future::join_all;
use tokio::time::timeout;

use crate::aws::Aws;
use crate::config::Config;
use crate::model::{Region, Scope};

mod backlog;
mod canary;
mod clock;
mod configuration;
mod data_directory;
mod dead_letters;
mod endpoint;
mod events;
mod examined;
mod finding;
mod freshness;
mod identity;
mod listener;
mod local;
mod permission;
mod quota;
mod region;
mod store;
mod unreadable;
mod wiring;

pub use finding::{Check, Finding, LOCAL, Verdict};
pub use local::{Local, NoFigures, RunningServer};

use examined::Examined;
use finding::{asked, hung};

/// Every check, in the order shown.
pub static CHECKS: &[&Check] = &[
    &data_directory::CHECK,
    &store::CHECK,
    &unreadable::CHECK,
    &freshness::CHECK,
    &configuration::CHECK,
    &identity::CHECK,
    &clock::CHECK,
    &endpoint::CHECK,
    &permission::CHECK,
    &quota::CHECK,
    &wiring::RULE,
    &wiring::TARGET,
    &wiring::QUEUE,
    &wiring::POLICY,
    &backlog::CHECK,
    &dead_letters::CHECK,
    &listener::CHECK,
    &canary::CHECK,
];

/// The checks of the way that events take.
const OF_EVENTS: &[&Check] = &[
    &wiring::RULE,
    &wiring::TARGET,
    &wiring::QUEUE,
    &wiring::POLICY,
    &backlog::CHECK,
    &dead_letters::CHECK,
    &listener::CHECK,
    &canary::CHECK,
];

/// Looks at everything that a server with this configuration needs. Whether it is well is for [`Finding::verdict`] to say.
pub async fn examine(config: &Config, local: &Local) -> Vec<Finding> {
    let mut findings = vec![data_directory::look(&config.data_dir, config.keep_free)];
    findings.extend(store::look(&config.data_dir.display().to_string(), &local.figures));
    let server = local.server.as_deref();
    let aws = Aws::load(config.aws_settings()).await;
    findings.extend(configuration::judge(&aws.file_faults(), aws.needs_files()));
    findings.extend(account(&aws, config, server).await);
    match server {
        None => findings.push(freshness::CHECK.skipped("server", "no server runs on this data directory")),
        Some(server) => match timeout(LOCAL, server.freshness()).await {
            Ok(Ok(said)) => findings.extend(freshness::judge(&said)),
            Ok(Err(error)) => findings.push(freshness::CHECK.failed(
                "server",
                format!("it does not answer: {error}"),
                "Look at its log, and start it again.",
            )),
            Err(_) => findings.push(hung(&freshness::CHECK, "server")),
        },
    }
    let place = |finding: &Finding| CHECKS.iter().position(|check| check.name == finding.check);
    // Regions in the order in which they are watched; within one, and before all, in the order of the checks.
    let regions = aws.regions();
    findings.sort_by_key(|finding| {
        let region = finding.region.as_ref().map(|region| regions.iter().position(|known| known == region));
        (region, place(finding))
    });
    findings
}

/// Everything that is of AWS.
async fn account(aws: &Aws, config: &Config, server: Option<&dyn RunningServer>) -> Vec<Finding> {
    let (caller, _) = asked(aws.caller()).await;
    // Where only STS cannot be reached, the account may stand in.
    let account = match &caller {
        Ok(caller) => Ok(caller.account.clone()),
        Err(_) => asked(aws.account()).await.0,
    };
    let mut findings = vec![identity::judge(&aws.origin(), &caller, config.account.as_ref(), &account)];
    let Ok(account) = account else {
        let rest = [&clock::CHECK, &endpoint::CHECK, &permission::CHECK, &quota::CHECK];
        let rest = rest.into_iter().chain(OF_EVENTS.iter().copied());
        findings.extend(
            rest.map(|check| check.skipped("AWS", "it is not known whose credentials to ask with: see identity")),
        );
        return findings;
    };
    if aws.watches_all() {
        let (regions, _) = asked(aws.enabled_regions()).await;
        findings.push(permission::judge("ec2:DescribeRegions", &regions));
    }
    let regions = aws.regions();
    let examined = |region: Region| Examined { aws, scope: Scope { account: account.clone(), region }, config, server };
    let regions: Vec<Examined<'_>> = regions.into_iter().map(examined).collect();
    findings.extend(join_all(regions.iter().map(region::look)).await.into_iter().flatten());
    if config.events.is_none() && config.queues.is_empty() {
        let why = "not checked: add `--events` to check events, which `muster setup` sets up";
        findings.extend(OF_EVENTS.iter().map(|check| check.skipped("events", why)));
    }
    // Last: by then it rests on all answers.
    findings.push(clock::judge(aws.clock_offset_millis()));
    findings
}
