//! What a tool is: its name and texts, what it takes and gives, what it does to AWS, and how a call of it is served.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::arguments::coerce::Care;
use super::arguments::{ArgumentError, Arguments};
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::policy::Writes;

/// The most bytes of text, and of structured content, in one answer: about 8,000 tokens.
pub const BUDGET: usize = 28_000;

/// Everything that is particular to one tool.
pub struct ToolSpec {
    /// The name that clients call.
    pub name: &'static str,
    /// The name that people see.
    pub title: &'static str,
    /// What it does, when to use it, and what it answers.
    pub description: &'static str,
    /// What it does to AWS.
    pub effect: Effect,
    /// The JSON Schema of its arguments.
    pub input: fn() -> Value,
    /// The JSON Schema of its structured content.
    pub output: fn() -> Value,
    /// Arguments that work, for error messages.
    pub example: &'static str,
    /// Serves a call.
    pub call: fn(Call) -> BoxFuture<'static, Result<Answer, Fault>>,
}

/// What a tool does to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Read,
    /// It changes something, and a second call with the same arguments changes no more.
    Idempotent {
        /// Whether something may be interrupted or lost.
        destructive: bool,
    },
    /// Each call makes something more.
    Creates,
}

/// A call of a tool.
pub struct Call {
    /// What serves it.
    pub core: Arc<Core>,
    /// Its arguments.
    pub arguments: Arguments,
    /// Whether the connection may write.
    pub writes: Writes,
    /// Ends what waits.
    pub stop: CancellationToken,
}

impl ToolSpec {
    /// Whether it exists only where writes are allowed.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.effect != Effect::Read
    }

    /// Reads the arguments of a call.
    ///
    /// # Errors
    /// [`ArgumentError`], which names the argument.
    pub fn read(&self, given: JsonObject) -> Result<Arguments, ArgumentError> {
        let care = if self.is_write() { Care::Write } else { Care::Read };
        let schema = (self.input)();
        let none = JsonObject::new();
        let declared = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        Arguments::new(self.name, self.example, declared, care, given)
    }

    /// The tool as clients see it.
    #[must_use]
    pub fn tool(&self) -> Tool {
        let (destructive, idempotent) = match self.effect {
            Effect::Read => (false, true),
            Effect::Idempotent { destructive } => (destructive, true),
            Effect::Creates => (false, false),
        };
        // Reads answer from the local copy; a write reaches into AWS.
        let hints = ToolAnnotations::with_title(self.title)
            .read_only(!self.is_write())
            .destructive(destructive)
            .idempotent(idempotent)
            .open_world(self.is_write());
        Tool::new(self.name, self.description, object((self.input)()))
            .with_title(self.title)
            .with_raw_output_schema(Arc::new(object((self.output)())))
            .with_annotations(hints)
    }
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
