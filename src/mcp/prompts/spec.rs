//! The specification of a prompt: its name and texts, its arguments, what completes them, and the function that writes its message.

use rmcp::model::{JsonObject, Prompt, PromptArgument};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::tools::arguments;
use crate::mcp::tools::arguments::coerce::Care;
use crate::mcp::tools::schema::ToolSchema;

/// Everything that is particular to one prompt.
pub struct PromptSpec {
    /// The name that clients ask for.
    pub name: &'static str,
    /// The name that people see.
    pub title: &'static str,
    /// What it does, in one sentence.
    pub description: &'static str,
    /// The schema of its arguments, all of which are texts.
    pub input: ToolSchema,
    /// Arguments that work, for error messages.
    pub example: &'static str,
    /// What completes its arguments.
    pub completed: &'static [(&'static str, CompletedArgument)],
    /// Writes the message for arguments that are checked: [`read`].
    pub write: fn(JsonObject, &Writes) -> Result<String, RequestError>,
}

/// The values that an argument of a prompt is completed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletedArgument {
    /// Ids of instances.
    Instance,
    /// Tags of instances, as KEY=VALUE.
    Tag,
    /// Regions that are watched.
    Region,
    /// Ports that security groups open.
    Port,
    /// Lengths of time, in days.
    Days,
}

impl PromptSpec {
    /// The prompt as clients see it.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let schema = self.input.json();
        let required = schema.get("required").and_then(Value::as_array);
        let arguments = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let arguments = arguments.map(|(name, schema)| {
            let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            let is_required = required.is_some_and(|names| names.iter().any(|required| required == name));
            PromptArgument::new(name).with_description(description).with_required(is_required)
        });
        Prompt::new(self.name, Some(self.description), Some(arguments.collect())).with_title(self.title)
    }

    /// The message for these arguments, on a connection with these rights.
    ///
    /// # Errors
    /// When an argument is unknown, missing or invalid; with an example.
    pub fn message(&self, given: JsonObject, writes: &Writes) -> Result<String, RequestError> {
        let clean = arguments::clean(self.name, self.input.json(), Care::Read, given).map_err(RequestError::from);
        clean.and_then(|given| (self.write)(given, writes)).map_err(|fault| fault.with_example(self.example))
    }
}

/// The arguments of a prompt as its struct.
///
/// # Errors
/// The error of the argument's own type.
pub fn read<A: DeserializeOwned>(given: JsonObject) -> Result<A, RequestError> {
    Ok(arguments::read(given)?)
}
