//! EventBridge's API: rules, targets and tags of the default bus, custom events, and trying patterns out.
//!
//! There is no other bus, no schedule, and no transformation of what a target gets; asking for one is refused.

mod put_events;
mod rules;
mod tags;
mod targets;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::simulator::clock::Moment;
use crate::simulator::json;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;

/// One call, with everything its answer may depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) now: Moment,
}

type Answer = Result<Value, Refusal>;

struct Action {
    name: &'static str,
    answer: fn(&Call) -> Answer,
}

static ACTIONS: [Action; 15] = [
    Action { name: "DeleteRule", answer: rules::delete },
    Action { name: "DescribeRule", answer: rules::describe },
    Action { name: "DisableRule", answer: rules::disable },
    Action { name: "EnableRule", answer: rules::enable },
    Action { name: "ListRuleNamesByTarget", answer: targets::rule_names },
    Action { name: "ListRules", answer: rules::list },
    Action { name: "ListTagsForResource", answer: tags::list },
    Action { name: "ListTargetsByRule", answer: targets::list },
    Action { name: "PutEvents", answer: put_events::answer },
    Action { name: "PutRule", answer: rules::put },
    Action { name: "PutTargets", answer: targets::put },
    Action { name: "RemoveTargets", answer: targets::remove },
    Action { name: "TagResource", answer: tags::tag },
    Action { name: "TestEventPattern", answer: put_events::test_pattern },
    Action { name: "UntagResource", answer: tags::untag },
];

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    names().any(|name| name == action)
}

/// The names of all actions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|action| action.name)
}

/// Answers one call.
pub(crate) fn answer(call: &Call, action: &str) -> Answer {
    let found = ACTIONS.iter().find(|known| known.name == action);
    let known = found.ok_or_else(|| Refusal::invalid_action(action))?;
    (known.answer)(call)
}

impl Call<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        json::read(self.body)
    }
}

/// Refuses every bus but the default one, which may be named by name or ARN.
fn default_bus(call: &Call, bus: Option<&str>) -> Result<(), Refusal> {
    match bus {
        None | Some("default") => Ok(()),
        Some(arn) if *arn == bus_arn(call) => Ok(()),
        Some(other) => Err(not_found(format!("Event bus {other} does not exist."))),
    }
}

fn bus_arn(call: &Call) -> String {
    format!("arn:aws:events:{}:{}:event-bus/default", call.region, call.account)
}

fn not_found(message: String) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", message)
}

fn no_rule(name: &str) -> Refusal {
    not_found(format!("Rule {name} does not exist on EventBus default."))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

/// A required member, or the refusal AWS has for its lack.
fn required<'a>(member: Option<&'a str>, name: &str) -> Result<&'a str, Refusal> {
    member.filter(|text| !text.is_empty()).ok_or_else(|| {
        let reason = "failed to satisfy constraint: Member must not be null";
        invalid(format!("1 validation error detected: Value null at '{name}' {reason}"))
    })
}

/// A page of what is listed in the order of its names: the page, and the token of the next.
fn page<T>(
    items: Vec<(String, T)>,
    limit: Option<usize>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let limit = limit.unwrap_or(100);
    if !(1..=100).contains(&limit) {
        let reason = "failed to satisfy constraint: Member must have value between 1 and 100";
        return Err(invalid(format!("1 validation error detected: Value '{limit}' at 'limit' {reason}")));
    }
    let decoded = token.map(|token| URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok()));
    let from = decoded.map(|name| name.ok_or_else(|| invalid("Parameter NextToken is not valid."))).transpose()?;
    let mut left = items.into_iter().filter(|(name, _)| from.as_ref().is_none_or(|from| name >= from));
    let first = left.by_ref().take(limit).map(|(_, item)| item).collect();
    Ok((first, left.next().map(|(name, _)| URL_SAFE_NO_PAD.encode(name))))
}
