//! The actions on the targets of rules.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::simulator::bus::{Target, default_bus_of};
use crate::simulator::events::call::{Answer, Call, default_bus, invalid, no_rule, page, required};
use crate::simulator::refusal::Refusal;
use crate::simulator::sqs;

/// The most targets that a rule has.
const MAX_TARGETS: usize = 5;
/// The most targets that one call puts.
const MAX_ENTRIES: usize = 10;
/// The most targets that one call removes.
const MAX_REMOVED: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutTargetsRequest {
    rule: Option<String>,
    event_bus_name: Option<String>,
    #[serde(default)]
    targets: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Remove {
    rule: Option<String>,
    event_bus_name: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListTargetsRequest {
    rule: Option<String>,
    target_arn: Option<String>,
    event_bus_name: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

/// Adds targets to a rule. A target that the simulator cannot deliver to fails on its own; the others are added.
pub(super) fn put(call: &Call) -> Answer {
    let asked: PutTargetsRequest = call.read()?;
    default_bus(call, asked.event_bus_name.as_deref())?;
    let name = required(asked.rule.as_deref(), "rule")?;
    if asked.targets.is_empty() || asked.targets.len() > MAX_ENTRIES {
        let reason = "failed to satisfy constraint: Member must have length between 1 and 10";
        return Err(invalid(format!("1 validation error detected: Value at 'targets' {reason}")));
    }
    let arns = asked.targets.iter().filter_map(|target| target.get("Arn").and_then(Value::as_str));
    if let Some(wrong) = arns.into_iter().find(|arn| !arn.starts_with("arn:")) {
        return Err(invalid(format!("Parameter {wrong} is not valid. Reason: Provided Arn is not in correct format.")));
    }
    let rules = call.world.bus().rules(call.account, call.region);
    let mut rules = rules.write();
    let rule = rules.0.get_mut(name).ok_or_else(|| no_rule(name))?;
    let id_of = |target: &Map<String, Value>| target.get("Id").and_then(Value::as_str).map(str::to_owned);
    let new = asked.targets.iter().filter_map(id_of).filter(|id| !rule.targets.contains_key(id)).count();
    if rule.targets.len() + new > MAX_TARGETS {
        let message = "The requested resource exceeds the maximum number allowed.";
        return Err(Refusal::new(400, "LimitExceededException", message));
    }
    let mut failed = Vec::new();
    for target in asked.targets {
        let id = id_of(&target);
        let id = required(id.as_deref(), "targets.1.member.id")?.to_owned();
        let arn = target.get("Arn").and_then(Value::as_str);
        let arn = required(arn, "targets.1.member.arn")?.to_owned();
        if let Some(reason) = unfit(call, &target, &arn) {
            failed.push(json!({ "TargetId": id, "ErrorCode": "ValidationException", "ErrorMessage": reason }));
        } else {
            rule.targets.insert(id, Target { arn, shown: Value::Object(target) });
        }
    }
    Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
}

pub(super) fn remove(call: &Call) -> Answer {
    let asked: Remove = call.read()?;
    default_bus(call, asked.event_bus_name.as_deref())?;
    let name = required(asked.rule.as_deref(), "rule")?;
    if asked.ids.is_empty() || asked.ids.len() > MAX_REMOVED {
        let reason = "failed to satisfy constraint: Member must have length between 1 and 100";
        return Err(invalid(format!("1 validation error detected: Value at 'ids' {reason}")));
    }
    let rules = call.world.bus().rules(call.account, call.region);
    let mut rules = rules.write();
    let rule = rules.0.get_mut(name).ok_or_else(|| no_rule(name))?;
    // Removing a target that does not exist succeeds.
    rule.targets.retain(|id, _| !asked.ids.contains(id));
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

pub(super) fn list(call: &Call) -> Answer {
    let asked: ListTargetsRequest = call.read()?;
    default_bus(call, asked.event_bus_name.as_deref())?;
    let name = required(asked.rule.as_deref(), "rule")?;
    let rules = call.world.bus().rules(call.account, call.region);
    let rules = rules.read();
    let rule = rules.0.get(name).ok_or_else(|| no_rule(name))?;
    let targets = rule.targets.iter().map(|(id, target)| (id.clone(), target.shown.clone())).collect();
    let (targets, next) = page(targets, asked.limit, asked.next_token.as_deref())?;
    Ok(listed("Targets", targets, next))
}

pub(super) fn rule_names(call: &Call) -> Answer {
    let asked: ListTargetsRequest = call.read()?;
    default_bus(call, asked.event_bus_name.as_deref())?;
    let arn = required(asked.target_arn.as_deref(), "targetArn")?;
    let rules = call.world.bus().rules(call.account, call.region);
    let rules = rules.read();
    let meant = rules.0.iter().filter(|(_, rule)| rule.targets.values().any(|target| target.arn == arn));
    let names = meant.map(|(name, _)| (name.clone(), Value::String(name.clone()))).collect();
    let (names, next) = page(names, asked.limit, asked.next_token.as_deref())?;
    Ok(listed("RuleNames", names, next))
}

/// Why the simulator cannot deliver to a target.
fn unfit(call: &Call, target: &Map<String, Value>, arn: &str) -> Option<&'static str> {
    let home = |(account, region, _): (&str, &str, &str)| account == call.account && region == call.region;
    match default_bus_of(arn) {
        Some((account, region)) if home((&account, &region, "")) => {
            return Some("Adding an event bus in the same account and region as a target is not supported.");
        }
        Some(_) if !target.contains_key("RoleArn") => {
            return Some("RoleArn is required for target event buses in another account or region.");
        }
        None if !sqs::parts(arn).is_some_and(home) => {
            return Some(
                "The simulator delivers to SQS queues of the rule's own account and region, and to default buses of others.",
            );
        }
        _ => {}
    }
    let shaped = ["Input", "InputPath", "InputTransformer"].iter().any(|name| target.contains_key(*name));
    if shaped {
        return Some("The simulator delivers events as they are; leave out Input, InputPath and InputTransformer.");
    }
    None
}

fn listed(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::new();
    answer.insert(name.to_owned(), Value::Array(items));
    answer.extend(next.map(|next| ("NextToken".to_owned(), Value::String(next))));
    Value::Object(answer)
}
