//! `muster doctor`: checks everything that Muster needs, and says what works, what does not, and what to do.
//!
//! Each check is a small file that decides, without I/O, what a fact means; [`region`] and [`events`] make the calls. Setup's own
//! [`drift`](crate::setup::drift) judges what `muster setup` makes. All regions are checked at the same time, and so are
//! independent checks of a region. Every question is bounded in time: what hangs is a failed check. A check that depends on
//! something failed is skipped, with the reason.
//!
//! Of the accounts of a configuration file, [`members`] looks at each with bounded effort, and groups what it finds by its cause.
//!
//! Nothing is changed: dry runs find out what is allowed, and the only thing sent is a canary for each rule, as servers send
//! them. The freshness of the running server is checked last, so that it shows what was mended meanwhile. The caller provides what
//! it found out on this machine as [`Local`].

use futures::future::join_all;
use tokio::time::timeout;

use crate::aws::permissions::{PolicyLimits, statement_for};
use crate::aws::{AccountPlans, Aws};
use crate::config::Config;
use crate::connection::kept_roll::KeptRoll;
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::{Partition, Region, Scope};

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
mod forwarding;
mod freshness;
mod grouping;
mod identity;
mod listener;
mod local;
mod members;
mod permission;
mod quota;
mod read_api;
mod region;
mod store;
mod unreadable;
mod wiring;

pub(crate) use configuration::unservable;
pub use finding::{Check, Finding, LOCAL, Verdict};
pub use local::{Local, NoFigures, RunningServer};
pub use read_api::{ProxiedReadApi, ReadApi, ReadApiAnswer, ReadApiDoor, ServedReadApi};

use examined::Examined;
use finding::{asked, hung};

/// Every check, in the order shown. Those of events come last.
pub static CHECKS: &[&Check] = &[
    &data_directory::CHECK,
    &store::CHECK,
    &unreadable::CHECK,
    &freshness::CHECK,
    &configuration::CHECK,
    &read_api::CHECK,
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

/// Returns the checks of events: [`CHECKS`] from the first of them on.
fn event_checks() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().copied().skip_while(|check| **check != wiring::RULE)
}

/// Checks everything that a server with this configuration needs.
pub async fn examine(config: &Config, local: &Local) -> Vec<Finding> {
    let mut findings = vec![data_directory::look(&config.data_dir, config.keep_free)];
    findings.extend(store::look(&config.data_dir.display().to_string(), &local.figures));
    let server = local.server.as_deref();
    let aws = Aws::load(config.aws_settings()).await;
    findings.extend(configuration::judge(&aws.file_faults(), aws.needs_files()));
    let known = KeptRoll::read(&config.data_dir);
    let known = known.as_ref().map(|known| (&known.roll, known.partition.as_str(), &known.own));
    let sources = config.account_sources();
    let (mut accounts, mut freshness) = (Vec::new(), None);
    if sources.is_empty() {
        findings.extend(account(&aws, config, server).await);
    } else {
        let AccountPlans { plans, is_whole, .. } = sources.plans(known);
        if !is_whole {
            let why = "the accounts of the organization are not known yet: a server finds them once it has started";
            findings.push(identity::CHECK.skipped("organization", why));
        }
        findings.extend(members::look(&aws, config, &plans, server).await);
        accounts = plans;
        if config.events.is_none() && config.queues.is_empty() {
            let why = "not checked: add `--events` or `--queue-url` to check events (`muster help organization`)";
            findings.extend(event_checks().map(|check| check.skipped("events", why)));
        }
        findings.push(clock::judge(aws.clock_offset_millis()));
    }
    match server {
        None => findings.push(freshness::CHECK.skipped("server", "no server runs on this data directory")),
        Some(server) => match timeout(LOCAL, server.freshness()).await {
            Ok(Ok(said)) => {
                findings.extend(freshness::judge(&said));
                freshness = Some(said);
            }
            Ok(Err(error)) => findings.push(freshness::CHECK.failed(
                "server",
                format!("the server does not answer: {error}"),
                "Look at the server's log, and restart it.",
            )),
            Err(_) => findings.push(hung(&freshness::CHECK, "server")),
        },
    }
    if let Some(api) = &local.read_api {
        let is_one_of_several = !sources.is_empty();
        let (region, account) = if is_one_of_several {
            read_api::asked_place(&accounts, freshness.as_ref())
        } else {
            let watched = || read_api::asked_place(&[], freshness.as_ref()).0;
            (aws.regions().into_iter().next().or_else(watched), None)
        };
        let (region, account) = (region.as_ref(), account.as_ref());
        findings.extend(read_api::look(api, region, account, server.is_some(), is_one_of_several).await);
    }
    let name = config.events.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let regions = aws.regions();
    // What many accounts have in common names no region.
    let of_role = config.accounts.iter().find_map(|plan| Partition::of_arn(&plan.credentials.roles.last()?.arn));
    let home = of_role.or_else(|| regions.first().map(Partition::of)).unwrap_or_default();
    for finding in &mut findings {
        let partition = finding.region.as_ref().map_or(home, Partition::of);
        let limits = PolicyLimits { name: name.clone(), partition, ..PolicyLimits::default() };
        finding.statements = finding.denied.as_deref().map(|action| statement_for(action, &limits)).unwrap_or_default();
    }
    let place = |finding: &Finding| CHECKS.iter().position(|check| check.name == finding.check);
    // Findings without a region come first, then regions in the order in which they are watched; within each, the order is that of
    // the checks.
    findings.sort_by_key(|finding| {
        let region = finding.region.as_ref().map(|region| regions.iter().position(|known| known == region));
        (region, place(finding))
    });
    findings
}

/// Runs the checks that ask AWS.
async fn account(aws: &Aws, config: &Config, server: Option<&dyn RunningServer>) -> Vec<Finding> {
    let (caller, _) = asked(aws.caller()).await;
    // Where STS cannot be reached, the account may be known otherwise.
    let account = match &caller {
        Ok(caller) => Ok(caller.account.clone()),
        Err(_) => asked(aws.account()).await.0,
    };
    let mut findings = vec![identity::judge(&aws.origin(), &caller, config.account.as_ref(), &account)];
    let Ok(account) = account else {
        let rest = [&clock::CHECK, &endpoint::CHECK, &permission::CHECK, &quota::CHECK];
        let rest = rest.into_iter().chain(event_checks());
        findings.extend(
            rest.map(|check| check.skipped("AWS", "there are no credentials to ask with: see the check identity")),
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
        let why = "not checked: add `--events` to check events (`muster setup` sets them up)";
        findings.extend(event_checks().map(|check| check.skipped("events", why)));
    }
    // The clock comes last, so that it rests on all answers.
    findings.push(clock::judge(aws.clock_offset_millis()));
    findings
}
