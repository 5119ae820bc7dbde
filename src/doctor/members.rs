//! Checks the accounts of a configuration file: whether each can be reached, what its role may do, and where its events go.
//!
//! The effort is bounded: a few accounts are looked at at the same time. In one region of each account every describe is tried, in
//! the others one, since policies of an account hold in all its regions, and those of an organization close whole regions. Rules are
//! looked at in a limited number of regions. What is found is grouped by its cause: see [`grouped`].

use futures::future::{join, join_all};
use futures::{FutureExt, StreamExt, stream};

use super::events;
use super::examined::Examined;
use super::finding::{Finding, Verdict, asked};
use super::forwarding;
use super::grouping::{PlacedFinding, grouped};
use super::identity;
use super::local::RunningServer;
use super::permission;
use super::wiring::{self, Judge};
use crate::aws::queue::Queue;
use crate::aws::{AccountPlan, Aws};
use crate::config::{Config, EventsName};
use crate::kinds::rules::RULES;
use crate::kinds::{INSTANCE, KINDS};
use crate::model::{AccountId, Region, Scope};
use crate::setup::{Desired, QueueRole};

/// How many accounts are looked at at the same time.
const AT_ONCE: usize = 8;
/// In how many regions of all accounts rules and queues are looked at: each takes some twenty calls.
const MOST_WIRED: usize = 500;
/// What the names of a central queue of `muster setup --organization` end with.
const CENTRAL: &str = "-central-events";

/// What all checks of accounts share.
struct MemberCheck<'a> {
    aws: &'a Aws,
    config: &'a Config,
    /// In how many regions of each account rules are looked at.
    most: usize,
}

/// Runs all checks of all accounts.
pub(crate) async fn look(
    aws: &Aws,
    config: &Config,
    plans: &[AccountPlan],
    server: Option<&dyn RunningServer>,
) -> Vec<Finding> {
    let most = MOST_WIRED / plans.len().max(1);
    let check = MemberCheck { aws, config, most: most.max(1) };
    let accounts = plans.iter().enumerate().map(|(nth, plan)| check.account(nth, plan).boxed_local());
    let found: Vec<(Vec<PlacedFinding>, usize)> = stream::iter(accounts).buffered(AT_ONCE).collect().await;
    let left: usize = found.iter().map(|(_, left)| left).sum();
    let mut findings = grouped(found.into_iter().flat_map(|(found, _)| found).collect());
    if left > 0 {
        let why = format!("not looked at in {left} more regions of accounts, to spare calls");
        findings.push(wiring::RULE.skipped("regions", why));
    }
    let queues = config.queues.iter().map(|queue| check.queue(queue, server));
    findings.extend(join_all(queues).await.into_iter().flatten());
    findings
}

impl MemberCheck<'_> {
    /// Checks an account. Returns what was found, and in how many regions its rules were not looked at.
    async fn account(&self, nth: usize, plan: &AccountPlan) -> (Vec<PlacedFinding>, usize) {
        let member = self.aws.member(plan).await;
        let (caller, _) = asked(member.caller()).await;
        let named = plan.account.as_ref();
        let account = caller.as_ref().map_or(named, |caller| Some(&caller.account)).cloned();
        let label = label(plan, account.as_ref());
        let placed = |finding| PlacedFinding { account: label.clone(), finding };
        let mut found = vec![placed(identity::of_member(plan, &caller))];
        let Some(account) = account.filter(|_| found.iter().all(|placed| placed.finding.holds())) else {
            return (found, 0);
        };
        if member.watches_all() {
            let (regions, _) = asked(member.enabled_regions()).await;
            found.push(placed(permission::judge("ec2:DescribeRegions", &regions)));
        }
        let scope = |region: Region| Scope { account: account.clone(), region };
        let scopes: Vec<Scope> = member.regions().into_iter().map(scope).collect();
        let wired = if self.is_wired() { self.most.min(scopes.len()) } else { 0 };
        // Each account begins with another region, so that all regions are among those that are looked at.
        let begun = scopes.iter().cycle().skip(nth % scopes.len().max(1)).take(wired);
        let (allowed, wirings) =
            join(permissions(&member, &scopes), join_all(begun.map(|scope| self.wiring(&member, scope)))).await;
        found.extend(allowed.into_iter().chain(wirings.into_iter().flatten()).map(placed));
        let left = if self.is_wired() { scopes.len() - wired } else { 0 };
        (found, left)
    }

    /// Whether events are received at all.
    fn is_wired(&self) -> bool {
        self.config.events.is_some() || !self.config.queues.is_empty()
    }

    /// Checks where the events of a region go: to the queue that `muster setup` makes there, or else to a central bus or queue.
    async fn wiring(&self, member: &Aws, scope: &Scope) -> Vec<Finding> {
        let examined = Examined { aws: member, scope: scope.clone(), config: self.config, server: None };
        let Ok(name) = self.name().parse::<EventsName>() else { return Vec::new() };
        let desired = Desired::new(scope.clone(), name);
        let judge = Judge { desired: &desired, fix: forwarding::FIX };
        let rules = events::rules(&examined, desired.name.as_str()).await;
        let mut findings = rules.findings;
        for ((rule, state), targets) in RULES.iter().zip(&rules.states).zip(&rules.targets) {
            let [found, aimed] = judge.rule(rule, state, targets);
            let aimed = match (self.config.events.is_some(), state) {
                (false, Ok(Some(_))) => {
                    forwarding::target(&rule.name(desired.name.as_str()), targets, &self.config.queues, scope)
                }
                _ => aimed,
            };
            findings.extend([found, aimed]);
        }
        if self.config.events.is_some() {
            let queues = QueueRole::ALL.map(|role| role.name(&desired.name));
            let found = join_all(queues.iter().map(|queue| events::find(&examined, queue))).await;
            for (role, (queue, seen)) in QueueRole::ALL.into_iter().zip(found) {
                findings.extend(seen);
                findings.extend(judge.queue(role, &queue.attributes));
            }
        }
        findings.into_iter().map(|finding| finding.within(&scope.region)).collect()
    }

    /// What the names of rules begin with: as `--events` says, else as the name of a central queue does.
    fn name(&self) -> String {
        let of_queue =
            || self.config.queues.iter().find_map(|queue| queue.name().strip_suffix(CENTRAL).map(str::to_owned));
        self.config.events.clone().or_else(of_queue).unwrap_or_else(|| EventsName::default().to_string())
    }

    /// Checks a queue that several accounts share.
    async fn queue(&self, queue: &Queue, server: Option<&dyn RunningServer>) -> Vec<Finding> {
        let region = queue.region().cloned().or_else(|| self.aws.regions().into_iter().next());
        let region = region.unwrap_or_else(|| Region::new(""));
        let account = queue.account().cloned().unwrap_or_else(|| AccountId::new(""));
        let scope = Scope { account, region };
        let examined = Examined { aws: self.aws, scope: scope.clone(), config: self.config, server };
        let found = events::queue_alone(&examined, queue).await;
        // Whose rules send to it was looked at in each account.
        let (attributes, _) = asked(self.aws.queue_attributes(queue)).await;
        let policy = forwarding::policy(queue.name(), &attributes);
        let found = found.into_iter().filter(|finding| finding.verdict != Verdict::Skipped).chain(policy);
        found
            .map(|finding| if scope.region.as_str().is_empty() { finding } else { finding.within(&scope.region) })
            .collect()
    }
}

/// Tries every describe in the first region, and one in each other.
async fn permissions(member: &Aws, scopes: &[Scope]) -> Vec<Finding> {
    let first = scopes.iter().take(1).flat_map(|scope| KINDS.iter().map(move |spec| (scope, *spec)));
    let rest = scopes.iter().skip(1).map(|scope| (scope, INSTANCE));
    let asked = first.chain(rest).map(|(scope, spec)| async move {
        let (answer, _) = asked(member.may_describe(scope, spec)).await;
        permission::judge(spec.action(), &answer).within(&scope.region)
    });
    join_all(asked).await
}

/// What an account is called: its number, and its name.
fn label(plan: &AccountPlan, account: Option<&AccountId>) -> String {
    match (account, &plan.name) {
        (Some(account), Some(name)) => format!("{account} ({name})"),
        (Some(account), None) => account.to_string(),
        (None, _) => plan.label(),
    }
}
