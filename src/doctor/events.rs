//! Checks the path of events in one region: each queue and rule of it, and then the whole path with canaries.

use futures::future::{join, join_all};
use tokio::time::timeout;

use super::canary::{self, CanaryResults, CanaryRoute};
use super::examined::Examined;
use super::finding::{AwsAnswer, Finding, LOCAL, asked};
use super::wiring::{self, Judge, QueueAttributes};
use super::{backlog, dead_letters, endpoint, listener, permission};
use crate::aws::bus::{RuleState, RuleTarget};
use crate::aws::queue::Queue;
use crate::config::EventsName;
use crate::kinds::rules::{RULES, RuleSpec};
use crate::setup::drift::redrives;
use crate::setup::{Desired, QueueRole};

/// What AWS says about the rules.
pub(super) struct FoundRules {
    pub(super) findings: Vec<Finding>,
    pub(super) states: Vec<AwsAnswer<Option<RuleState>>>,
    pub(super) targets: Vec<AwsAnswer<Vec<RuleTarget>>>,
}

/// What AWS says about a queue.
pub(super) struct FoundQueue {
    name: String,
    queue: Option<Queue>,
    pub(super) attributes: AwsAnswer<Option<QueueAttributes>>,
}

/// Checks the path that `muster setup` made under a name.
pub(crate) async fn named(examined: &Examined<'_>, name: &str) -> Vec<Finding> {
    let prefix = match name.parse::<EventsName>() {
        Ok(prefix) => prefix,
        Err(error) => return vec![wiring::RULE.failed(name, error.to_string(), "Give another name with --events.")],
    };
    let desired = Desired::new(examined.scope.clone(), prefix);
    let mend = examined.mending(name);
    let (queue_name, dead_name) = (QueueRole::Events.name(&desired.name), QueueRole::Dead.name(&desired.name));
    let (FoundRules { mut findings, states, targets }, ((main, seen), (dead, _))) =
        join(rules(examined, name), join(find(examined, &queue_name), find(examined, &dead_name))).await;
    findings.extend(seen);
    let judge = Judge { desired: &desired, fix: &mend };
    let mut sound = Vec::new();
    for ((rule, state), targets) in RULES.iter().zip(&states).zip(&targets) {
        let found = judge.rule(rule, state, targets);
        if found.iter().all(Finding::holds) {
            sound.push(rule);
        }
        findings.extend(found);
    }
    let there = judge.queue(QueueRole::Events, &main.attributes);
    let arrives = there.iter().all(Finding::holds);
    findings.extend(there);
    findings.extend(judge.queue(QueueRole::Dead, &dead.attributes));
    findings.push(dead_letters(&dead));
    let server = server(examined, &desired, &mut findings).await;
    let listens = if server { examined.server } else { None };
    let flight = match &main.queue {
        Some(queue) if arrives && !sound.is_empty() => {
            let attributes = main.attributes.as_ref().ok().and_then(Option::as_ref);
            let way = CanaryRoute {
                aws: examined.aws,
                scope: &examined.scope,
                name,
                rules: sound.clone(),
                queue,
                depth: attributes.map(|attributes| backlog::depth(attributes).0).unwrap_or_default(),
                most_receives: attributes.and_then(redrives).map(|(_, most)| most),
                server: listens,
            };
            canary::fly(&way).await
        }
        _ => CanaryResults::default(),
    };
    findings.extend(canaries(name, &sound, arrives, &flight, server));
    let reader = if server { backlog::QueueReader::Server } else { backlog::QueueReader::Nobody(flight.oldest) };
    findings.push(backlog::judge(&main.name, &main.attributes, reader));
    findings
}

/// Checks a queue that was named by its URL. Its rules are not known.
pub(crate) async fn queue_alone(examined: &Examined<'_>, queue: &Queue) -> Vec<Finding> {
    let (attributes, took) = asked(examined.aws.queue_attributes(queue)).await;
    let found = FoundQueue { name: queue.name().to_owned(), queue: Some(queue.clone()), attributes };
    let mut findings = vec![
        endpoint::judge("SQS", &found.attributes, took),
        permission::judge("sqs:GetQueueAttributes", &found.attributes),
    ];
    let there = match &found.attributes {
        Ok(Some(_)) => wiring::QUEUE.ok(&*found.name, attribute(&found, "QueueArn").unwrap_or_default()),
        Ok(None) => {
            let fix = "Check --queue-url, or give --events to use what `muster setup` makes.";
            wiring::QUEUE.failed(&*found.name, "the queue does not exist", fix)
        }
        Err(why) => wiring::QUEUE.unanswered(&*found.name, why),
    };
    let reader =
        if examined.server.is_some() { backlog::QueueReader::Server } else { backlog::QueueReader::Nobody(None) };
    findings.extend([there, backlog::judge(&found.name, &found.attributes, reader)]);
    let dead = found.attributes.as_ref().ok().and_then(Option::as_ref).and_then(redrives);
    let dead = dead.and_then(|(arn, _)| arn.rsplit(':').next().map(str::to_owned));
    if let Some(name) = dead {
        let (dead, _) = find(examined, &name).await;
        findings.push(dead_letters(&dead));
    }
    let why = "not checked, since only a queue is named: add `--events` to check what `muster setup` makes";
    let rest = [&wiring::RULE, &wiring::TARGET, &wiring::POLICY, &listener::CHECK, &canary::CHECK];
    findings.extend(rest.map(|check| check.skipped(&*found.name, why)));
    findings
}

/// Describes the rules of a name and their targets.
pub(super) async fn rules(examined: &Examined<'_>, name: &str) -> FoundRules {
    let (aws, scope) = (examined.aws, &examined.scope);
    let names: Vec<String> = RULES.iter().map(|rule| rule.name(name)).collect();
    let described = join_all(names.iter().map(|rule| asked(aws.describe_rule(scope, rule))));
    let listed = join_all(names.iter().map(|rule| asked(aws.targets(scope, rule))));
    let (described, listed) = join(described, listed).await;
    let mut findings = Vec::new();
    if let Some((outcome, took)) = described.first() {
        findings.push(endpoint::judge("EventBridge", outcome, *took));
    }
    let states: Vec<_> = described.into_iter().map(|(outcome, _)| outcome).collect();
    let targets: Vec<_> = listed.into_iter().map(|(outcome, _)| outcome).collect();
    findings.extend(permission::judge_all("events:DescribeRule", &states));
    // The targets of a rule that does not exist show nothing about the permission.
    let there = states.iter().zip(&targets).filter(|(state, _)| !matches!(state, Ok(None))).map(|(_, targets)| targets);
    findings.extend(permission::judge_all("events:ListTargetsByRule", there));
    FoundRules { findings, states, targets }
}

/// Finds a queue by its name. Returns it with what the calls show about SQS and permissions.
pub(super) async fn find(examined: &Examined<'_>, name: &str) -> (FoundQueue, Vec<Finding>) {
    let (queue, took) = asked(examined.aws.queue_url(&examined.scope, name)).await;
    let mut findings = vec![endpoint::judge("SQS", &queue, took), permission::judge("sqs:GetQueueUrl", &queue)];
    let (queue, attributes) = match queue {
        Err(why) => (None, Err(why)),
        Ok(None) => (None, Ok(None)),
        Ok(Some(queue)) => {
            let (attributes, _) = asked(examined.aws.queue_attributes(&queue)).await;
            findings.push(permission::judge("sqs:GetQueueAttributes", &attributes));
            (Some(queue), attributes)
        }
    };
    (FoundQueue { name: name.to_owned(), queue, attributes }, findings)
}

fn dead_letters(dead: &FoundQueue) -> Finding {
    dead_letters::judge(&dead.name, dead.queue.as_ref().map(Queue::url).unwrap_or_default(), &dead.attributes)
}

/// Whether the running server receives this region's events from the queue.
async fn server(examined: &Examined<'_>, desired: &Desired, findings: &mut Vec<Finding>) -> bool {
    let Some(server) = examined.server else {
        findings.push(listener::CHECK.skipped("server", "no server runs on this data directory"));
        return false;
    };
    // The check of freshness says that the server does not answer.
    let Ok(Ok(said)) = timeout(LOCAL, server.freshness()).await else { return false };
    let path = listener::of(&said, &examined.scope.region);
    let queue = QueueRole::Events.name(&desired.name);
    findings.push(listener::judge(path, desired.name.as_str(), &queue));
    path.is_some_and(|path| listener::receives(path, &queue))
}

/// Returns the findings of the canaries, and what they show about permissions.
fn canaries(
    name: &str,
    sound: &[&'static RuleSpec],
    arrives: bool,
    flight: &CanaryResults,
    server: bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(flight.put.as_ref().map(|outcome| permission::judge("events:PutEvents", outcome)));
    findings.extend(flight.received.as_ref().map(|outcome| permission::judge("sqs:ReceiveMessage", outcome)));
    findings.extend(permission::judge_all("sqs:ChangeMessageVisibility", &flight.held));
    findings.extend(permission::judge_all("sqs:DeleteMessage", &flight.deleted));
    for rule in RULES {
        let sent = sound.contains(&rule);
        if !arrives || !sent {
            let why = if sent {
                "not sent, since the checks of the queue and its policy did not pass"
            } else {
                "not sent, since the checks of the rule and its target did not pass"
            };
            findings.push(canary::CHECK.skipped(rule.name(name), why));
        }
    }
    if arrives {
        findings.extend(canary::judge(sound, name, flight, server));
    }
    findings
}

fn attribute(found: &FoundQueue, name: &str) -> Option<String> {
    found.attributes.as_ref().ok()?.as_ref()?.get(name).cloned()
}
