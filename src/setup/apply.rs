//! Carries out the steps of a plan.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::desired::{Desired, QueueRole, TARGET, Thing, tags};
use super::error::SetupError;
use super::plan::{Act, SetupStep};
use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::kinds::rules::{CANARY_SOURCE, RuleSpec};

/// How long to wait for the name of a deleted queue. SQS blocks it for 60 seconds.
const KEPT_BACK: Duration = Duration::from_secs(75);
/// How often to try meanwhile.
const AGAIN: Duration = Duration::from_secs(5);

/// An event source that no rule names, and a pattern that matches it.
const PLAIN_SOURCE: &str = "muster.other";
const PLAIN: &str = r#"{"source":["muster.other"]}"#;

/// Carries out the steps of one region.
pub(crate) struct Applying<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) desired: &'a Desired,
    /// The queues that exist.
    pub(crate) queues: BTreeMap<QueueRole, Queue>,
}

impl Applying<'_> {
    /// Carries out one step.
    pub(crate) async fn step(&mut self, step: &SetupStep) -> Result<(), SetupError> {
        match step.thing {
            Thing::Queue(role) => self.queue_step(role, &step.act).await,
            Thing::Rule(rule) => self.rule_step(rule, &step.act).await,
        }
    }

    async fn queue_step(&mut self, role: QueueRole, act: &Act) -> Result<(), SetupError> {
        if *act == Act::Create {
            let queue = self.create(role).await?;
            self.queues.insert(role, queue);
            return Ok(());
        }
        let name = || SetupError::Gone { queue: role.name(&self.desired.name) };
        let queue = self.queues.get(&role).ok_or_else(name)?;
        match act {
            Act::SetAttributes(attributes) => self.aws.set_queue_attributes(queue, attributes.clone()).await?,
            Act::Tag => self.aws.tag_queue(queue, tags()).await?,
            Act::Delete => self.aws.delete_queue(queue).await?,
            // These are steps of rules only.
            Act::Create | Act::PutPattern | Act::Enable | Act::PutTarget | Act::RemoveTarget => {}
        }
        Ok(())
    }

    async fn rule_step(&self, rule: &RuleSpec, act: &Act) -> Result<(), SetupError> {
        let (aws, desired, scope) = (self.aws, self.desired, &self.desired.scope);
        let name = rule.name(desired.name.as_str());
        match act {
            Act::Create | Act::PutPattern => aws.put_rule(scope, &desired.rule(rule)).await.map(drop)?,
            Act::Enable => aws.enable_rule(scope, &name).await?,
            Act::Tag => aws.tag_rule(scope, &desired.rule_arn(rule), &tags()).await?,
            Act::PutTarget => {
                let [dead, queue] = QueueRole::ALL.map(|role| desired.queue_arn(role));
                aws.put_target(scope, &name, TARGET, &queue, Some(&dead)).await?;
            }
            Act::RemoveTarget => aws.remove_targets(scope, &name, &[TARGET.to_owned()]).await?,
            Act::Delete => aws.delete_rule(scope, &name).await?,
            // This is a step of queues only.
            Act::SetAttributes(_) => {}
        }
        Ok(())
    }

    /// Makes a queue. Waits while SQS blocks the name of a deleted one.
    async fn create(&self, role: QueueRole) -> Result<Queue, SetupError> {
        let (scope, name) = (&self.desired.scope, role.name(&self.desired.name));
        let begun = Instant::now();
        loop {
            let attributes = self.desired.attributes(role);
            match self.aws.create_queue(scope, &name, attributes, tags()).await {
                Err(error) if error.is_deleted_recently() => {
                    let waited = begun.elapsed();
                    if waited >= KEPT_BACK {
                        return Err(SetupError::KeptBack { queue: name, waited: waited.as_secs() });
                    }
                    if waited < AGAIN {
                        tracing::warn!(
                            region = %scope.region, queue = name,
                            "SQS blocks the name of a deleted queue for 60 seconds; waiting"
                        );
                    }
                    sleep(AGAIN).await;
                }
                made => return Ok(made?),
            }
        }
    }
}

/// Has EventBridge test the patterns of a plan: each has to match an event of its kind and its canary, and no event of another
/// source. Returns `false` when the endpoint cannot test patterns, as some emulators cannot.
pub(crate) async fn try_patterns(aws: &Aws, desired: &Desired, steps: &[SetupStep]) -> Result<bool, SetupError> {
    let puts = steps.iter().filter(|step| matches!(step.act, Act::Create | Act::PutPattern));
    for step in puts {
        let Thing::Rule(rule) = step.thing else { continue };
        let (scope, put) = (&desired.scope, desired.rule(rule));
        for (event, passes, fault) in samples(desired, rule) {
            match aws.test_pattern(scope, &put.pattern, &event).await {
                Ok(passed) if passed == passes => {}
                // moto answers no to every pattern.
                Ok(_) if !aws.test_pattern(scope, PLAIN, &sample(desired, PLAIN_SOURCE, "", &json!({}))).await? => {
                    return Ok(false);
                }
                Ok(_) => return Err(SetupError::Pattern { region: scope.region.clone(), rule: put.name, fault }),
                Err(error) if error.is_not_implemented() => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(true)
}

/// Returns sample events, whether the rule must match each, and what is wrong with the pattern otherwise.
fn samples(desired: &Desired, rule: &RuleSpec) -> [(String, bool, &'static str); 3] {
    let event = |source: &str, detail_type: &str| sample(desired, source, detail_type, &rule.canary_detail(Map::new()));
    let of_aws = rule.detail_types.first().copied().unwrap_or_default();
    let canary = rule.canary_type(desired.name.as_str());
    [
        (event(rule.source, of_aws), true, "does not let AWS's events through"),
        (event(CANARY_SOURCE, &canary), true, "does not let its canary through"),
        (event(PLAIN_SOURCE, of_aws), false, "lets events of another source through"),
    ]
}

/// Makes an event as EventBridge writes it.
fn sample(desired: &Desired, source: &str, detail_type: &str, detail: &Value) -> String {
    let event = json!({
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": detail_type,
        "source": source,
        "account": desired.scope.account.as_str(),
        "time": "2026-01-01T00:00:00Z",
        "region": desired.scope.region.as_str(),
        "resources": [],
        "detail": detail,
    });
    event.to_string()
}
