//! The actions on rules.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::simulator::bus::{BusRuleState, Pattern, Rule, rule_arn};
use crate::simulator::events::call::{Answer, Call, default_bus, invalid, no_rule, page, required};
use crate::simulator::events::tags;
use crate::simulator::json::nothing;
use crate::simulator::refusal::Refusal;

/// The most rules that a bus has.
const MAX_RULES: usize = 300;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRuleRequest {
    name: Option<String>,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleName {
    name: Option<String>,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRulesRequest {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn put(call: &Call) -> Answer {
    let asked: PutRuleRequest = call.read()?;
    default_bus(call, asked.event_bus_name.as_deref())?;
    let name = required(asked.name.as_deref(), "name")?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.len() > 64 || !name.bytes().all(allowed) {
        let reason =
            "failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+";
        return Err(invalid(format!("1 validation error detected: Value '{name}' at 'name' {reason}")));
    }
    if asked.schedule_expression.is_some() {
        return Err(invalid("The simulator has no schedules; give an EventPattern and no ScheduleExpression."));
    }
    let pattern = asked.event_pattern.filter(|pattern| !pattern.is_empty());
    let pattern =
        pattern.ok_or_else(|| invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."))?;
    let pattern = Pattern::parse(&pattern)?;
    let state = asked.state.as_deref().unwrap_or(BusRuleState::Enabled.name());
    let state = BusRuleState::parse(state).ok_or_else(|| {
        let reason = "failed to satisfy constraint: Member must satisfy enum value set";
        invalid(format!("1 validation error detected: Value '{state}' at 'state' {reason}"))
    })?;
    let rules = call.world.bus().rules(call.account, call.region);
    let mut rules = rules.write();
    let arn = rule_arn(call.account, call.region, name);
    if rules.0.len() >= MAX_RULES && !rules.0.contains_key(name) {
        let message = "The requested resource exceeds the maximum number allowed.";
        return Err(Refusal::new(400, "LimitExceededException", message));
    }
    // An existing rule keeps its targets and tags; the tags in an update are ignored.
    let (targets, tags) = match rules.0.remove(name) {
        Some(rule) => (rule.targets, rule.tags),
        None => (BTreeMap::new(), asked.tags.into_iter().map(tags::Tag::into_pair).collect()),
    };
    let rule =
        Rule { arn: arn.clone(), pattern, state, description: asked.description, role: asked.role_arn, tags, targets };
    rules.0.insert(name.to_owned(), rule);
    Ok(json!({ "RuleArn": arn }))
}

pub(super) fn describe(call: &Call) -> Answer {
    let name = named(call)?;
    let rules = call.world.bus().rules(call.account, call.region);
    let rules = rules.read();
    let rule = rules.0.get(&name).ok_or_else(|| no_rule(&name))?;
    let mut shown = show(&name, rule);
    shown.insert("CreatedBy".to_owned(), json!(call.account));
    Ok(Value::Object(shown))
}

pub(super) fn list(call: &Call) -> Answer {
    let asked: ListRulesRequest = call.read()?;
    default_bus(call, asked.event_bus_name.as_deref())?;
    let prefix = asked.name_prefix.unwrap_or_default();
    let rules = call.world.bus().rules(call.account, call.region);
    let rules = rules.read();
    let meant = rules.0.iter().filter(|(name, _)| name.starts_with(&prefix));
    let shown = meant.map(|(name, rule)| (name.clone(), Value::Object(show(name, rule)))).collect();
    let (shown, next) = page(shown, asked.limit, asked.next_token.as_deref())?;
    let mut answer = json!({ "Rules": shown });
    if let (Some(next), Some(answer)) = (next, answer.as_object_mut()) {
        answer.insert("NextToken".to_owned(), Value::String(next));
    }
    Ok(answer)
}

pub(super) fn enable(call: &Call) -> Answer {
    set_state(call, BusRuleState::Enabled)
}

pub(super) fn disable(call: &Call) -> Answer {
    set_state(call, BusRuleState::Disabled)
}

/// Deletes a rule. As on AWS, deleting a rule that does not exist is no error.
pub(super) fn delete(call: &Call) -> Answer {
    let name = named(call)?;
    let rules = call.world.bus().rules(call.account, call.region);
    let mut rules = rules.write();
    if rules.0.get(&name).is_some_and(|rule| !rule.targets.is_empty()) {
        return Err(invalid("Rule can't be deleted since it has targets."));
    }
    rules.0.remove(&name);
    Ok(nothing())
}

fn set_state(call: &Call, state: BusRuleState) -> Answer {
    let name = named(call)?;
    let rules = call.world.bus().rules(call.account, call.region);
    let mut rules = rules.write();
    rules.0.get_mut(&name).ok_or_else(|| no_rule(&name))?.state = state;
    Ok(nothing())
}

fn named(call: &Call) -> Result<String, Refusal> {
    let asked: RuleName = call.read()?;
    default_bus(call, asked.event_bus_name.as_deref())?;
    required(asked.name.as_deref(), "name").map(str::to_owned)
}

fn show(name: &str, rule: &Rule) -> Map<String, Value> {
    let members = [
        ("Name", Some(name)),
        ("Arn", Some(rule.arn.as_str())),
        ("EventPattern", Some(rule.pattern.text())),
        ("State", Some(rule.state.name())),
        ("Description", rule.description.as_deref()),
        ("RoleArn", rule.role.as_deref()),
        ("EventBusName", Some("default")),
    ];
    members.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))).collect()
}
