//! Prompts: tasks that people start from their client's menu. One file each in `prompts/`, one line each in [`PROMPTS`].
//!
//! The arguments of a prompt are one struct, as those of a tool are. A message names the tools to call and their exact
//! arguments; it never names a tool that the connection does not have. Values that people give stand in it only as quoted JSON or
//! SQL, so none can add to what the message asks for.

mod call;
mod fleet_health_check;
mod given;
mod snapshot_before_restart;
pub mod spec;
mod stopped_instance_savings;
#[cfg(test)]
mod tests;
mod who_can_reach;

use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptMessage, Role};

use self::spec::{CompletedArgument, PromptSpec};
use super::error::RequestError;
use super::policy::Writes;
use crate::model::text::shown;
use crate::query::nearness::nearest;

/// Every prompt, in the order in which they are listed.
static PROMPTS: [&PromptSpec; 4] =
    [&fleet_health_check::SPEC, &snapshot_before_restart::SPEC, &stopped_instance_savings::SPEC, &who_can_reach::SPEC];

/// The prompts as clients see them.
#[must_use]
pub fn all() -> Vec<Prompt> {
    PROMPTS.iter().map(|spec| spec.prompt()).collect()
}

/// The name of a prompt, if there is one of this name.
#[must_use]
pub fn known(name: &str) -> Option<&'static str> {
    PROMPTS.iter().map(|spec| spec.name).find(|known| *known == name)
}

/// The messages of a prompt, on a connection with these rights.
///
/// # Errors
/// When there is no prompt of that name, or its arguments are invalid.
pub fn get(name: &str, arguments: Option<&JsonObject>, writes: &Writes) -> Result<GetPromptResult, RequestError> {
    let spec = find(name)?;
    let text = spec.message(arguments.cloned().unwrap_or_default(), writes)?;
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).with_description(spec.description))
}

/// What completes an argument of a prompt.
///
/// # Errors
/// When there is no prompt or argument of that name.
pub fn completed(prompt: &str, argument: &str) -> Result<CompletedArgument, RequestError> {
    let spec = find(prompt)?;
    let found = spec.completed.iter().find(|(name, _)| *name == argument).map(|(_, by)| *by);
    found.ok_or_else(|| RequestError::NothingToComplete {
        what: "argument",
        name: shown(argument, 80),
        place: format!("the prompt {prompt}"),
    })
}

fn find(name: &str) -> Result<&'static PromptSpec, RequestError> {
    let names = || PROMPTS.iter().map(|spec| spec.name);
    PROMPTS.iter().find(|spec| spec.name == name).copied().ok_or_else(|| RequestError::UnknownPrompt {
        name: shown(name, 80),
        nearest: nearest(name, names()),
        prompts: names().collect::<Vec<_>>().join(", "),
    })
}
