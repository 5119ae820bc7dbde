//! `muster doctor`: looks at everything that Muster needs, one thing after the other failing or not, and says what to do.
//!
//! Each check is a small file: what a fact means is decided there, without I/O; this file asks. Regions are looked at at the
//! same time, and within a region whatever does not depend on another. Every question is bounded in time, so that what
//! hangs is a failed check that is named. What depends on something failed is skipped, with the reason.
//!
//! Nothing is changed: dry runs ask what is allowed, and the only thing sent is a canary for each rule, as servers send them. A
//! running server is told to try at once what failed, and what it serves is looked at last, so that what was mended shows.

use std::time::Duration;

use futures::future::{join, join_all};
use tokio::time::{Instant, timeout};

use crate::app::client;
use crate::app::client::admin;
use crate::app::engine;
use crate::aws::Aws;
use crate::aws::probe::Change;
use crate::aws::queue::Queue;
use crate::config::Config;
use crate::connection::admin::AdminRequest;
use crate::kinds::KINDS;
use crate::kinds::rules::DEFAULT_NAME;
use crate::mcp::client::Client;
use crate::model::{Region, Scope, Timestamp};

mod backlog;
mod canary;
mod clock;
mod configuration;
mod data_directory;
mod dead_letters;
mod endpoint;
mod events;
mod finding;
mod freshness;
mod identity;
mod listener;
mod permission;
mod policy;
mod queue;
mod quota;
mod rule;
mod store;
mod target;
mod unreadable;

pub use finding::{Check, Finding, Verdict};

use finding::asked;

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
    &rule::CHECK,
    &target::CHECK,
    &queue::CHECK,
    &policy::CHECK,
    &backlog::CHECK,
    &dead_letters::CHECK,
    &listener::CHECK,
    &canary::CHECK,
];

/// The checks of the way that events take.
const OF_EVENTS: &[&Check] = &[
    &rule::CHECK,
    &target::CHECK,
    &queue::CHECK,
    &policy::CHECK,
    &backlog::CHECK,
    &dead_letters::CHECK,
    &listener::CHECK,
    &canary::CHECK,
];

/// An instance that is none: what was called about it nobody has to know.
const NOBODY: &str = "i-00000000000000000";

/// How long the store, and the running server, may take to answer.
const LOCAL: Duration = Duration::from_secs(20);

/// What all checks of one region share.
struct Examined<'a> {
    aws: &'a Aws,
    scope: Scope,
    config: &'a Config,
    server: Option<&'a Client>,
}

/// Looks at everything that a server with this configuration needs. Whether it is well is for [`Finding::verdict`] to say.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![data_directory::look(&config.data_dir, config.keep_free)];
    findings.extend(match timeout(LOCAL, store::look(config)).await {
        Ok(findings) => findings,
        Err(_) => vec![hung(&store::CHECK, &config.data_dir.display().to_string())],
    });
    let server = server(config).await;
    if server.is_some() {
        // Where that fails, the server's freshness says what does not work.
        drop(timeout(LOCAL, admin::done(config, &AdminRequest::TryNow)).await);
    }
    let aws = Aws::load(engine::settings(config)).await;
    findings.extend(configuration::judge(&aws.file_faults(), aws.needs_files()));
    findings.extend(account(&aws, config, server.as_ref()).await);
    match &server {
        None => findings.push(freshness::CHECK.skipped("server", "no server runs on this data directory")),
        Some(server) => match timeout(LOCAL, server.read(canary::FRESHNESS)).await {
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

/// The server that runs on the data directory. Why one that is there does not answer, the check of the store has told.
async fn server(config: &Config) -> Option<Client> {
    client::server(&config.data_dir, Instant::now() + client::PATIENCE).await.unwrap_or_default()
}

fn hung(check: &Check, subject: &str) -> Finding {
    let fact = format!("no answer within {} s", LOCAL.as_secs());
    check.failed(subject, fact, "Look at the server's log, and start it again.")
}

/// Everything that is of AWS.
async fn account(aws: &Aws, config: &Config, server: Option<&Client>) -> Vec<Finding> {
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
        findings.extend(rest.map(|check| check.skipped("AWS", "nobody is known to ask as: see identity")));
        return findings;
    };
    if aws.watches_all() {
        let (regions, _) = asked(aws.enabled_regions()).await;
        findings.push(permission::judge("ec2:DescribeRegions", &regions));
    }
    let regions = aws.regions();
    let examined = |region: Region| Examined { aws, scope: Scope { account: account.clone(), region }, config, server };
    let regions: Vec<Examined<'_>> = regions.into_iter().map(examined).collect();
    findings.extend(join_all(regions.iter().map(Examined::region)).await.into_iter().flatten());
    if config.events.is_none() && config.queues.is_empty() {
        let why = format!("no events are asked about: give `--events {DEFAULT_NAME}`; `muster setup` sets them up");
        findings.extend(OF_EVENTS.iter().map(|check| check.skipped("events", &*why)));
    }
    // Last: by then it rests on all answers.
    findings.push(clock::judge(aws.clock_offset_millis()));
    findings
}

impl Examined<'_> {
    async fn region(&self) -> Vec<Finding> {
        let events = async {
            match &self.config.events {
                Some(name) => events::named(self, name).await,
                None => Vec::new(),
            }
        };
        let queues = self.config.queues.iter().filter(|queue| self.is_here(queue));
        let queues = join_all(queues.map(|queue| events::queue_alone(self, queue)));
        let ((inventory, identity), (events, queues)) =
            join(join(self.inventory(), self.identity()), join(events, queues)).await;
        let all = inventory.into_iter().chain([identity]).chain(events).chain(queues.into_iter().flatten());
        all.map(|finding| finding.within(&self.scope.region)).collect()
    }

    /// Whether a queue is this region's; one that does not say is the default's.
    fn is_here(&self, queue: &Queue) -> bool {
        let default = || self.aws.regions().into_iter().next();
        queue.region().cloned().or_else(default).as_ref() == Some(&self.scope.region)
    }

    async fn identity(&self) -> Finding {
        let (answer, took) = asked(self.aws.confirm_by_sts(&self.scope)).await;
        endpoint::judge("STS", &answer, took)
    }

    /// What sweeps and tools need.
    async fn inventory(&self) -> Vec<Finding> {
        let (aws, region) = (self.aws, &self.scope.region);
        let answers = KINDS.iter().map(|spec| async { (spec.action(), asked(aws.may_describe(region, spec)).await) });
        let now = aws.clock().now();
        let minute_ago = Timestamp::from_millis(now.as_millis().saturating_sub(60_000));
        let history = asked(aws.calls_of(&self.scope, NOBODY, minute_ago, now));
        let (answers, ((quotas, _), (history, _))) =
            join(join_all(answers), join(asked(aws.quotas(region)), history)).await;
        let mut findings = Vec::new();
        // One that answers is enough: a single call may fail for other reasons.
        let best = answers.iter().min_by_key(|(_, (outcome, _))| outcome.as_ref().is_err_and(|why| !why.reached));
        if let Some((_, (outcome, took))) = best {
            let reached = endpoint::judge("EC2", outcome, *took);
            let silent = !reached.holds();
            findings.push(reached);
            if silent {
                findings.push(permission::CHECK.skipped("ec2", "EC2 cannot be reached"));
                findings.push(quota::CHECK.skipped("EC2 requests", "EC2 cannot be reached"));
                return findings;
            }
        }
        findings.extend(answers.iter().map(|(action, (outcome, _))| permission::judge(action, outcome)));
        findings.push(permission::judge_history(&history));
        if self.config.allow_writes {
            findings.extend(self.changes().await);
        }
        findings.push(quota::judge(&quotas));
        findings
    }

    /// What the tools need that change something.
    async fn changes(&self) -> Vec<Finding> {
        let (aws, region) = (self.aws, &self.scope.region);
        let (instance, _) = asked(aws.an_instance(region)).await;
        let Ok(Some(instance)) = instance else {
            let why = match instance {
                Ok(_) => "there is no instance to ask about".to_owned(),
                Err(why) => why.fact,
            };
            let skipped =
                |change: Change| permission::CHECK.skipped(change.action(), format!("could not be told: {why}"));
            return Change::ALL.map(skipped).into();
        };
        let answers = Change::ALL.map(|change| asked(aws.may_change(region, change, &instance)));
        let answers = Change::ALL.into_iter().zip(join_all(answers).await);
        answers.map(|(change, (outcome, _))| permission::judge_change(change.action(), &instance, &outcome)).collect()
    }
}

/// What mends in `region` what `muster setup` makes there under a name.
fn setup(config: &Config, region: &Region, name: &str) -> String {
    let profile = config.selection.profile.as_ref().map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    let named = if name == DEFAULT_NAME { String::new() } else { format!(" --name {name}") };
    format!("Run `muster setup{profile} --region {region}{named}`.")
}
