//! EventBridge's API: rules, targets and tags of the default bus, custom events, and tests of patterns.
//!
//! Other buses, schedules and input transformation of targets do not exist here; calls that ask for them are refused.

mod call;
mod put_events;
mod rules;
mod tags;
mod targets;

use crate::simulator::refusal::Refusal;

use call::Answer;
pub(crate) use call::Call;

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
