//! EventBridge: the rules and targets of a region's default bus, and custom events put on it.
//!
//! Every call here can be made twice without harm, so each is repeated once after a passing failure. (A custom event that is put
//! twice arrives as two events; readers have to handle that anyway.)

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_eventbridge as eventbridge;
use eventbridge::error::{ProvideErrorMetadata, SdkError};
use eventbridge::types::{DeadLetterConfig, PutEventsRequestEntry, RuleState as State, Tag};

use super::{Aws, AwsError, Priority};
use crate::model::{ErrorClass, Scope};

const PUT_RULE: &str = "events:PutRule";
const DESCRIBE_RULE: &str = "events:DescribeRule";
const RULE_TAGS: &str = "events:ListTagsForResource";
const TAG_RULE: &str = "events:TagResource";
const PUT_TARGETS: &str = "events:PutTargets";
const TARGETS: &str = "events:ListTargetsByRule";
const REMOVE_TARGETS: &str = "events:RemoveTargets";
const DELETE_RULE: &str = "events:DeleteRule";
const ENABLE_RULE: &str = "events:EnableRule";
const TEST_PATTERN: &str = "events:TestEventPattern";
const PUT_EVENTS: &str = "events:PutEvents";

/// How many events one call puts at most.
const EVENTS_PER_CALL: usize = 10;
/// How many targets one call removes at most.
const TARGETS_PER_CALL: usize = 100;

/// A rule to put on the default bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInput {
    /// Its name.
    pub name: String,
    /// Its event pattern, as JSON text of at most 4,096 characters.
    pub pattern: String,
    /// Its purpose.
    pub description: String,
    /// Its tags. AWS accepts them for a new rule only; use [`Aws::tag_rule`] for an existing one.
    pub tags: BTreeMap<String, String>,
}

/// A rule as AWS describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleState {
    /// Its ARN.
    pub arn: String,
    /// Its event pattern, as JSON text; empty for a rule that only has a schedule.
    pub pattern: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// AWS's own word for that.
    pub state: String,
    /// Its purpose; empty if it has no description.
    pub description: String,
}

/// A target of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTarget {
    /// Its id within the rule.
    pub id: String,
    /// Where the events go.
    pub arn: String,
    /// The role that EventBridge assumes to send; `None` if the queue's own policy admits it.
    pub role_arn: Option<String>,
    /// The queue for events that could not be delivered.
    pub dead_letter_arn: Option<String>,
    /// Whether the target receives something other than the event itself (a constant, a part, a text made from it).
    pub shaped: bool,
}

/// A custom event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomEvent {
    /// Its source; AWS refuses those that begin with `aws.`.
    pub source: String,
    /// Its detail type.
    pub detail_type: String,
    /// Its detail: the JSON text of an object.
    pub detail: String,
}

impl Aws {
    /// Creates a rule or updates the one of that name, and enables it. Returns its ARN.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn put_rule(&self, scope: &Scope, rule: &RuleInput) -> Result<String, AwsError> {
        let tags = tags(&rule.tags);
        let answer = self.on_bus(scope, PUT_RULE, |bus| {
            let call = bus.put_rule().name(&rule.name).event_pattern(&rule.pattern).description(&rule.description);
            call.state(State::Enabled).set_tags(tags.clone()).send()
        });
        Ok(answer.await?.rule_arn.unwrap_or_default())
    }

    /// The rule with this name; `None` if there is none.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn describe_rule(&self, scope: &Scope, name: &str) -> Result<Option<RuleState>, AwsError> {
        let answer = self.on_bus(scope, DESCRIBE_RULE, |bus| bus.describe_rule().name(name).send());
        Ok(found(answer.await)?.map(|rule| RuleState {
            arn: rule.arn.unwrap_or_default(),
            pattern: rule.event_pattern.unwrap_or_default(),
            enabled: rule.state.as_ref().is_some_and(|state| *state != State::Disabled),
            state: rule.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            description: rule.description.unwrap_or_default(),
        }))
    }

    /// The tags of a rule.
    ///
    /// # Errors
    /// [`AwsError`], with [`ErrorClass::NotFound`] if there is no such rule.
    pub async fn rule_tags(&self, scope: &Scope, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let answer = self.on_bus(scope, RULE_TAGS, |bus| bus.list_tags_for_resource().resource_arn(arn).send());
        Ok(answer.await?.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    /// Adds tags to a rule.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn tag_rule(&self, scope: &Scope, arn: &str, set: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let answer = self.on_bus(scope, TAG_RULE, |bus| {
            bus.tag_resource().resource_arn(arn).set_tags(Some(tags(set).unwrap_or_default())).send()
        });
        answer.await.map(drop)
    }

    /// Sends a rule's events, unchanged and without a role, to a queue of the same account and region; undeliverable ones go to the
    /// dead-letter queue, if given. A target with the same id is replaced.
    ///
    /// # Errors
    /// [`AwsError`], also if AWS accepted the call but refused the target.
    pub async fn put_target(
        &self,
        scope: &Scope,
        rule: &str,
        id: &str,
        queue_arn: &str,
        dead_letter_arn: Option<&str>,
    ) -> Result<(), AwsError> {
        let dead = dead_letter_arn.map(|arn| DeadLetterConfig::builder().arn(arn).build());
        let target = eventbridge::types::Target::builder().id(id).arn(queue_arn).set_dead_letter_config(dead);
        // It fails only without an id or an ARN.
        let targets: Vec<_> = target.build().ok().into_iter().collect();
        let answer = self
            .on_bus(scope, PUT_TARGETS, |bus| bus.put_targets().rule(rule).set_targets(Some(targets.clone())).send());
        let answer = answer.await?;
        if answer.failed_entry_count == 0 {
            return Ok(());
        }
        let entry = answer.failed_entries.unwrap_or_default().into_iter().next();
        let (code, message) = entry.map_or((None, None), |entry| (entry.error_code, entry.error_message));
        Err(self.entry_refused(scope, PUT_TARGETS, format_args!("target {id} of rule {rule}"), code, message))
    }

    /// All targets of a rule.
    ///
    /// # Errors
    /// [`AwsError`], with [`ErrorClass::NotFound`] if there is no such rule.
    pub async fn targets(&self, scope: &Scope, rule: &str) -> Result<Vec<RuleTarget>, AwsError> {
        let (mut targets, mut next) = (Vec::new(), None);
        loop {
            let answer = self.on_bus(scope, TARGETS, |bus| {
                bus.list_targets_by_rule().rule(rule).set_next_token(next.clone()).send()
            });
            let page = answer.await?;
            targets.extend(page.targets.unwrap_or_default().into_iter().map(target));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(targets);
            }
        }
    }

    /// Removes targets from a rule. A missing target is not an error.
    ///
    /// # Errors
    /// [`AwsError`], also if AWS accepted the call but kept a target; with [`ErrorClass::NotFound`] if there is no such rule.
    pub async fn remove_targets(&self, scope: &Scope, rule: &str, ids: &[String]) -> Result<(), AwsError> {
        for ids in ids.chunks(TARGETS_PER_CALL) {
            let answer = self.on_bus(scope, REMOVE_TARGETS, |bus| {
                bus.remove_targets().rule(rule).set_ids(Some(ids.to_vec())).send()
            });
            let answer = answer.await?;
            if answer.failed_entry_count > 0 {
                let entry = answer.failed_entries.unwrap_or_default().into_iter().next();
                let (id, code, message) =
                    entry.map_or((None, None, None), |entry| (entry.target_id, entry.error_code, entry.error_message));
                let id = id.unwrap_or_else(|| ids.join(", "));
                let what = format_args!("target {id} of rule {rule}");
                return Err(self.entry_refused(scope, REMOVE_TARGETS, what, code, message));
            }
        }
        Ok(())
    }

    /// Deletes a rule that has no targets. A missing rule is not an error.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn delete_rule(&self, scope: &Scope, name: &str) -> Result<(), AwsError> {
        let answer = self.on_bus(scope, DELETE_RULE, |bus| bus.delete_rule().name(name).send());
        found(answer.await).map(drop)
    }

    /// Enables a rule.
    ///
    /// # Errors
    /// [`AwsError`], with [`ErrorClass::NotFound`] if there is no such rule.
    pub async fn enable_rule(&self, scope: &Scope, name: &str) -> Result<(), AwsError> {
        self.on_bus(scope, ENABLE_RULE, |bus| bus.enable_rule().name(name).send()).await.map(drop)
    }

    /// Whether a pattern matches an event, given as the JSON text of a whole one (`id`, `account`, `source`, `time`, `region`,
    /// `resources`, `detail-type`, `detail`).
    ///
    /// # Errors
    /// [`AwsError`]; also if the pattern or the event is not valid.
    pub async fn test_pattern(&self, scope: &Scope, pattern: &str, event: &str) -> Result<bool, AwsError> {
        let answer =
            self.on_bus(scope, TEST_PATTERN, |bus| bus.test_event_pattern().event_pattern(pattern).event(event).send());
        Ok(answer.await?.result)
    }

    /// Puts events on the default bus, ten per call. Returns their ids in the same order.
    ///
    /// # Errors
    /// [`AwsError`], also if AWS accepted the call but refused an event: it names the first refused one. The others are then on the
    /// bus.
    pub async fn put_events(&self, scope: &Scope, events: &[CustomEvent]) -> Result<Vec<String>, AwsError> {
        let mut ids = Vec::with_capacity(events.len());
        for events in events.chunks(EVENTS_PER_CALL) {
            let entries: Vec<_> = events.iter().map(entry).collect();
            let answer =
                self.on_bus(scope, PUT_EVENTS, |bus| bus.put_events().set_entries(Some(entries.clone())).send());
            for (event, entry) in events.iter().zip(answer.await?.entries.unwrap_or_default()) {
                let Some(id) = entry.event_id else {
                    let what = format_args!("event {}", event.detail_type);
                    return Err(self.entry_refused(scope, PUT_EVENTS, what, entry.error_code, entry.error_message));
                };
                ids.push(id);
            }
        }
        Ok(ids)
    }

    async fn on_bus<T, E, F>(
        &self,
        scope: &Scope,
        action: &'static str,
        send: impl Fn(&eventbridge::Client) -> F,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let client = self.account_of(scope).sdk().await.clients(&scope.region).bus();
        let (answer, _) = self.repeatable(scope, action, Priority::Tool, || send(&client)).await?;
        Ok(answer)
    }

    /// The error for an entry that AWS refused although it accepted the call.
    fn entry_refused(
        &self,
        scope: &Scope,
        action: &'static str,
        what: fmt::Arguments<'_>,
        code: Option<String>,
        message: Option<String>,
    ) -> AwsError {
        let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
        AwsError::entry_refused(what, &code, &message, &self.call(scope, action))
    }
}

/// Turns the error that a resource does not exist into `None`.
pub(super) fn found<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn tags(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    // It fails only without a key or a value.
    let tags: Vec<Tag> =
        tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect();
    Some(tags).filter(|tags| !tags.is_empty())
}

fn entry(event: &CustomEvent) -> PutEventsRequestEntry {
    let entry = PutEventsRequestEntry::builder().source(&event.source).detail_type(&event.detail_type);
    entry.detail(&event.detail).build()
}

fn target(target: eventbridge::types::Target) -> RuleTarget {
    RuleTarget {
        shaped: target.input.is_some() || target.input_path.is_some() || target.input_transformer.is_some(),
        dead_letter_arn: target.dead_letter_config.and_then(|config| config.arn),
        id: target.id,
        arn: target.arn,
        role_arn: target.role_arn,
    }
}
