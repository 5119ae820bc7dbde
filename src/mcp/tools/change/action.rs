//! What a record tells of a tool's call that changes AWS: who called, with what, and how it ended.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::text::shown;
use crate::model::{ActionOutcome, ConfirmationWay, Event, Principal, Repeats, ResourceId, WriteAttempt};

/// The longest name, rule or message.
const VALUE: usize = 200;
/// The most targets that one record shows.
const TARGETS: usize = 50;

/// What a record tells of a tool's call.
#[derive(Default)]
pub(super) struct ToldAction {
    /// As data.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// As text.
    pub(super) details: String,
}

impl ToldAction {
    /// What `event` tells, except for the end of an action, whose tool only its request names.
    pub(super) fn of(event: &Event) -> Self {
        let mut told = ToldAction::default();
        match event {
            Event::ActionRequested {
                action,
                tool,
                targets,
                by,
                arguments,
                plan,
                key,
                confirmed_by,
                confirmation,
                ..
            } => {
                told.add("action", json!(action));
                told.call(tool, targets, by.as_ref(), arguments.as_deref());
                told.text("plan", plan.as_deref());
                told.text("idempotency_key", key.as_deref());
                told.text("confirmation", confirmed_by.map(ConfirmationWay::name));
                if let Some(seq) = confirmation {
                    told.add("confirmation_seq", json!(seq));
                }
                if let Some(way) = confirmed_by {
                    _ = write!(told.details, ", confirmed by {}", way.name());
                }
            }
            Event::ActionRefused { attempt, rule, repeats } => {
                told.attempt(attempt);
                told.text("rule", Some(rule));
                _ = write!(told.details, ": refused by {}", shown(rule, VALUE));
                told.repeats(*repeats);
            }
            Event::ActionConfirmed { attempt, plan, way, outcome, repeats } => {
                told.attempt(attempt);
                told.text("plan", plan.as_deref());
                told.text("confirmation", Some(way.name()));
                told.text("outcome", Some(outcome.name()));
                _ = write!(told.details, ": {} by {}", outcome.name(), way.name());
                told.repeats(*repeats);
            }
            Event::Called { targets, .. } => {
                told.details = told.targets(targets);
            }
            _ => {}
        }
        told
    }

    fn attempt(&mut self, WriteAttempt { tool, targets, by, arguments }: &WriteAttempt) {
        self.call(tool, targets, by.as_ref(), arguments.as_deref());
    }

    fn call(&mut self, tool: &str, targets: &[ResourceId], by: Option<&Principal>, arguments: Option<&str>) {
        self.text("tool", Some(tool));
        let ids = self.targets(targets);
        self.details = if ids.is_empty() { shown(tool, 60) } else { format!("{} of {ids}", shown(tool, 60)) };
        if let Some(by) = by {
            _ = write!(self.details, ", called by {}", caller(by));
            self.add("called_by", json!(by));
        }
        self.text("arguments", arguments);
    }

    fn targets(&mut self, targets: &[ResourceId]) -> String {
        let ids: Vec<String> = targets.iter().take(TARGETS).map(|target| shown(&target.id, 60)).collect();
        let text = ids.join(", ");
        self.add("targets", json!(ids));
        text
    }

    fn repeats(&mut self, Repeats { count, first_at, last_at }: Repeats) {
        if count > 1 {
            _ = write!(self.details, ", {count} times from {first_at} to {last_at}");
        }
        self.add("count", json!(count));
        self.add("first_at", json!(first_at));
        self.add("last_at", json!(last_at));
    }

    fn text(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.add(name, json!(shown(text, 2 * VALUE)));
        }
    }

    fn add(&mut self, name: &'static str, value: Value) {
        self.fields.push((name, value));
    }
}

/// Who called, in words: the client's name and version, and the user whom the connection proves.
pub(super) fn caller(by: &Principal) -> String {
    let Principal { user, client, version, .. } = by;
    match (client, version) {
        (Some(client), Some(version)) => format!("{client} {version} ({user})"),
        (Some(client), None) => format!("{client} ({user})"),
        (None, _) => user.to_string(),
    }
}

/// How an action ended, in words.
pub(super) fn ended(outcome: &ActionOutcome) -> String {
    match outcome {
        ActionOutcome::Succeeded { created } if created.is_empty() => "succeeded".to_owned(),
        ActionOutcome::Succeeded { created } => format!("made {}", shown(&created.join(", "), VALUE)),
        // Somebody who does not see all that it was about is not told what AWS said.
        ActionOutcome::Refused { code, message } if message.is_empty() => format!("refused: {}", shown(code, 80)),
        ActionOutcome::Unknown { message } if message.is_empty() => "not certain, but it may have happened".to_owned(),
        ActionOutcome::Refused { code, message } => format!("refused: {} ({})", shown(message, VALUE), shown(code, 80)),
        ActionOutcome::Unknown { message } => {
            format!("not certain, but it may have happened: {}", shown(message, VALUE))
        }
    }
}
