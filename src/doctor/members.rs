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
use crate::aws::{AccountPlan, Aws, EventWay};
use crate::config::{Config, EventsName};
use crate::kinds::KINDS;
use crate::kinds::rules::RULES;
use crate::model::{AccountId, KindSelection, Region, Scope};
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
    let named = plans.iter().flat_map(|plan| plan.events.queues());
    let mut queues: Vec<&Queue> = Vec::new();
    for queue in config.queues.iter().chain(named) {
        if !queues.contains(&queue) {
            queues.push(queue);
        }
    }
    let queues = queues.into_iter().map(|queue| {
        let mut naming = plans.iter().filter(|plan| plan.events.queues().any(|named| named == queue));
        let own = naming.next().filter(|plan| plan.account.as_ref() == queue.account());
        check.queue(queue, own.filter(|_| naming.next().is_none() && !config.queues.contains(queue)), server)
    });
    findings.extend(join_all(queues).await.into_iter().flatten());
    findings
}

/// How the events of a region of an account come.
struct EventWire {
    /// What the names of its rules begin with.
    name: String,
    /// Whether the account has a queue of its own there.
    has_queue: bool,
    /// The queues that its rules may send to.
    queues: Vec<Queue>,
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
        let wires = scopes.iter().filter_map(|scope| Some((scope, self.wire(plan, &scope.region)?)));
        let wires: Vec<(&Scope, EventWire)> = wires.collect();
        let looked_at = self.most.min(wires.len());
        // Each account begins with another region, so that all regions are among those that are looked at.
        let begun = wires.iter().cycle().skip(nth % wires.len().max(1)).take(looked_at);
        let wirings = join_all(begun.map(|(scope, wire)| self.wiring(&member, scope, wire)));
        let (allowed, wirings) = join(permissions(&member, &scopes, &self.config.kinds), wirings).await;
        found.extend(allowed.into_iter().chain(wirings.into_iter().flatten()).map(placed));
        (found, wires.len() - looked_at)
    }

    /// How the events of a region of an account come; `None` where none are received.
    fn wire(&self, plan: &AccountPlan, region: &Region) -> Option<EventWire> {
        let of_queues = |queues: Vec<Queue>| EventWire { name: self.name(&queues), has_queue: false, queues };
        match plan.events.of(region) {
            Some(EventWay::Off) => None,
            Some(EventWay::Queue(queue)) => Some(of_queues(vec![queue.clone()])),
            Some(EventWay::Named(name)) => Some(EventWire { name: name.clone(), has_queue: true, queues: Vec::new() }),
            None => match &self.config.events {
                Some(name) => {
                    Some(EventWire { name: name.clone(), has_queue: true, queues: self.config.queues.clone() })
                }
                None if self.config.queues.is_empty() => None,
                None => Some(of_queues(self.config.queues.clone())),
            },
        }
    }

    /// Checks where the events of a region go: to the queue that `muster setup` makes there, or else to a central bus or queue.
    async fn wiring(&self, member: &Aws, scope: &Scope, wire: &EventWire) -> Vec<Finding> {
        let examined = Examined { aws: member, scope: scope.clone(), config: self.config, server: None };
        let Ok(name) = wire.name.parse::<EventsName>() else { return Vec::new() };
        let desired = Desired::new(scope.clone(), name);
        let judge = Judge { desired: &desired, fix: forwarding::FIX };
        let rules = events::rules(&examined, desired.name.as_str()).await;
        let mut findings = rules.findings;
        for ((rule, state), targets) in RULES.iter().zip(&rules.states).zip(&rules.targets) {
            let [found, aimed] = judge.rule(rule, state, targets);
            let aimed = match (wire.has_queue, state) {
                (false, Ok(Some(_))) => {
                    forwarding::target(&rule.name(desired.name.as_str()), targets, &wire.queues, scope)
                }
                _ => aimed,
            };
            findings.extend([found, aimed]);
        }
        if wire.has_queue {
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
    fn name(&self, queues: &[Queue]) -> String {
        let of_queue = || queues.iter().find_map(|queue| queue.name().strip_suffix(CENTRAL).map(str::to_owned));
        self.config.events.clone().or_else(of_queue).unwrap_or_else(|| EventsName::default().to_string())
    }

    /// Checks a queue that several accounts share, or that is an account's `own`.
    async fn queue(
        &self,
        queue: &Queue,
        own: Option<&AccountPlan>,
        server: Option<&dyn RunningServer>,
    ) -> Vec<Finding> {
        let aws = match own {
            Some(plan) => self.aws.member(plan).await,
            None => self.aws.clone(),
        };
        let region = queue.region().cloned().or_else(|| aws.regions().into_iter().next());
        let region = region.unwrap_or_else(|| Region::new(""));
        let account = queue.account().cloned().unwrap_or_else(|| AccountId::new(""));
        let scope = Scope { account, region };
        let examined = Examined { aws: &aws, scope: scope.clone(), config: self.config, server };
        let found = events::queue_alone(&examined, queue).await;
        // Whose rules send to it was looked at in each account.
        let (attributes, _) = asked(aws.queue_attributes(queue)).await;
        let policy = forwarding::policy(queue.name(), &attributes);
        let found = found.into_iter().filter(|finding| finding.verdict != Verdict::Skipped).chain(policy);
        found
            .map(|finding| if scope.region.as_str().is_empty() { finding } else { finding.within(&scope.region) })
            .collect()
    }
}

/// Tries every describe of a watched kind in the first region, and one in each other.
async fn permissions(member: &Aws, scopes: &[Scope], kinds: &KindSelection) -> Vec<Finding> {
    let watched: Vec<_> = KINDS.iter().copied().filter(|spec| kinds.watches(&spec.kind())).collect();
    let first = scopes.iter().take(1).flat_map(|scope| watched.iter().map(move |spec| (scope, *spec)));
    let one = watched.first();
    let rest = scopes.iter().skip(1).filter_map(|scope| Some((scope, *one?)));
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
