//! What is there, as AWS describes it.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use futures::try_join;

use super::desired::{Desired, QueueRole};
use crate::aws::actions::CREATED_BY;
use crate::aws::bus::{RuleState, Target};
use crate::aws::queue::Queue;
use crate::aws::{Aws, AwsError};
use crate::kinds::rules::{RULES, RuleSpec};
use crate::model::ErrorClass;

/// The tag that CloudFormation puts on what a stack of it made.
const STACK: &str = "aws:cloudformation:stack-name";

/// What is there of the desired. What is absent from a map does not exist.
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
    /// It.
    pub queue: Queue,
    /// All its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A rule that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRule {
    /// It.
    pub state: RuleState,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// All its targets.
    pub targets: Vec<Target>,
}

impl SeenQueue {
    /// How many messages it has, seen or not; `None` when SQS does not say.
    #[must_use]
    pub fn messages(&self) -> Option<u64> {
        let of = |name: &str| self.attributes.get(name).and_then(|text| text.parse::<u64>().ok());
        let hidden = ["ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"];
        Some(of("ApproximateNumberOfMessages")? + hidden.into_iter().filter_map(of).sum::<u64>())
    }
}

/// Whether tags say that Muster made it.
#[must_use]
pub fn is_tagged(tags: &BTreeMap<String, String>) -> bool {
    let (key, value) = CREATED_BY;
    tags.get(key).is_some_and(|found| found == value)
}

/// The CloudFormation stack that tags name.
#[must_use]
pub fn stack(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.get(STACK).map(String::as_str)
}

/// Looks at all of it.
///
/// # Errors
/// [`AwsError`] of a call that failed; what is not there is none.
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
    // SQS goes on giving the URL of a deleted queue for a while.
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

/// `None` for what went away between two calls.
fn gone<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
