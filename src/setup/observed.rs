//! Describes the queues and rules that exist.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use futures::try_join;

use super::desired::{Desired, QueueRole};
use crate::aws::actions::CREATED_BY;
use crate::aws::bus::{RuleState, RuleTarget};
use crate::aws::queue::Queue;
use crate::aws::{Aws, AwsError};
use crate::kinds::rules::{RULES, RuleSpec};
use crate::model::ErrorClass;

/// The tag that CloudFormation puts on what a stack made.
const STACK: &str = "aws:cloudformation:stack-name";

/// The queues and rules that exist. What is absent from a map does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedSetup {
    /// The queues.
    pub queues: BTreeMap<QueueRole, SeenQueue>,
    /// The rules, by slug.
    pub rules: BTreeMap<&'static str, SeenRule>,
}

/// A queue that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenQueue {
    /// The queue.
    pub queue: Queue,
    /// All its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A rule that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRule {
    /// The rule itself.
    pub state: RuleState,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// All its targets.
    pub targets: Vec<RuleTarget>,
}

impl SeenQueue {
    /// Returns how many messages the queue holds, visible or not; `None` when SQS does not say.
    #[must_use]
    pub fn messages(&self) -> Option<u64> {
        let of = |name: &str| self.attributes.get(name).and_then(|text| text.parse::<u64>().ok());
        let hidden = ["ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"];
        Some(of("ApproximateNumberOfMessages")? + hidden.into_iter().filter_map(of).sum::<u64>())
    }
}

/// Whether tags say that Muster made the queue or rule.
#[must_use]
pub fn is_tagged(tags: &BTreeMap<String, String>) -> bool {
    let (key, value) = CREATED_BY;
    tags.get(key).is_some_and(|found| found == value)
}

/// Returns the CloudFormation stack that tags name.
#[must_use]
pub fn stack(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.get(STACK).map(String::as_str)
}

/// Describes all queues and rules of a setup.
///
/// # Errors
/// [`AwsError`] of a call that failed. Absence is not an error.
pub async fn look(aws: &Aws, desired: &Desired) -> Result<ObservedSetup, AwsError> {
    let queues = QueueRole::ALL.map(|role| async move {
        Ok::<_, AwsError>(look_at_queue(aws, desired, role).await?.map(|queue| (role, queue)))
    });
    let rules = RULES.iter().map(|rule| async move {
        Ok::<_, AwsError>(look_at_rule(aws, desired, rule).await?.map(|found| (rule.slug, found)))
    });
    let (queues, rules) = try_join!(try_join_all(queues), try_join_all(rules))?;
    Ok(ObservedSetup { queues: queues.into_iter().flatten().collect(), rules: rules.into_iter().flatten().collect() })
}

async fn look_at_queue(aws: &Aws, desired: &Desired, role: QueueRole) -> Result<Option<SeenQueue>, AwsError> {
    let Some(queue) = aws.queue_url(&desired.scope, &role.name(&desired.name)).await? else { return Ok(None) };
    // SQS still returns the URL of a deleted queue for a while.
    let Some(attributes) = aws.queue_attributes(&queue).await? else { return Ok(None) };
    let tags = gone(aws.queue_tags(&queue).await)?;
    Ok(tags.map(|tags| SeenQueue { queue, attributes, tags }))
}

async fn look_at_rule(aws: &Aws, desired: &Desired, rule: &RuleSpec) -> Result<Option<SeenRule>, AwsError> {
    let (scope, name) = (&desired.scope, rule.name(desired.name.as_str()));
    let Some(state) = aws.describe_rule(scope, &name).await? else { return Ok(None) };
    let Some(tags) = gone(aws.rule_tags(scope, &state.arn).await)? else { return Ok(None) };
    let targets = gone(aws.targets(scope, &name).await)?;
    Ok(targets.map(|targets| SeenRule { state, tags, targets }))
}

/// Returns `None` for what was deleted between two calls.
fn gone<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
