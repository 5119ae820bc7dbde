//! The specification of a tool: its name and texts, its arguments and answer, its effect on AWS, and the function that serves a
//! call.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::answer::ToolResult;
use super::arguments::coerce::Care;
use super::arguments::{self, ArgumentError};
use super::schema::ToolSchema;
use crate::mcp::calls::RunningCall;
use crate::mcp::confirmer::Confirmer;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::told::ProgressNote;
use crate::policy::confirmation::Risk;

/// Everything that is particular to one tool.
pub struct ToolSpec {
    /// The name that clients call.
    pub name: &'static str,
    /// The name that people see.
    pub title: &'static str,
    /// What it does, when to use it, and what it answers.
    pub description: &'static str,
    /// What it does to AWS.
    pub effect: ToolEffect,
    /// The schema of its arguments.
    pub input: ToolSchema,
    /// The schema of its structured content.
    pub output: ToolSchema,
    /// Arguments that work, for error messages.
    pub example: &'static str,
    /// Serves a call with arguments that [`ToolSpec::clean`] has read: [`ToolCall::with`].
    pub call: fn(ToolCall, JsonObject) -> Served,
}

/// What a tool does to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolEffect {
    /// Nothing.
    Read,
    /// It changes something; a second call with the same arguments changes nothing more.
    Idempotent {
        /// Whether something may be interrupted or lost.
        destructive: bool,
    },
    /// Each call interrupts what runs once more.
    Interrupts,
    /// Each call creates something new.
    Creates,
}

/// The future answer of a tool.
pub type Served = BoxFuture<'static, Result<ToolResult, RequestError>>;

/// What a call comes with besides its arguments.
#[derive(Clone, Default)]
pub struct CallSetting {
    /// How far the call is, for the client.
    pub note: ProgressNote,
    /// How long ago the client made the call: more than nothing when it is sent again to another server.
    pub elapsed: Duration,
    /// The entry of a call that may change AWS, to be kept until it has ended.
    pub running: RunningCall,
    /// Asks whether the call may act.
    pub confirmer: Confirmer,
    /// Cancelled when the client has cancelled the call, or left: what waits for it need not go on.
    pub ended: CancellationToken,
}

/// What a call of a tool works with, apart from its arguments.
pub struct ToolCall {
    /// The store, freshness and AWS client.
    pub core: Arc<Core>,
    /// What the connection may change.
    pub writes: Writes,
    /// Cancelled when the server stops or the client has closed its end; ends a call that waits.
    pub stop: CancellationToken,
    /// What it comes with besides its arguments.
    pub setting: CallSetting,
}

impl ToolSpec {
    /// Whether it exists only where writes are allowed.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.effect != ToolEffect::Read
    }

    /// Whether it only adds something, so that nothing that exists is interrupted or lost.
    #[must_use]
    pub fn only_adds(&self) -> bool {
        self.effect == ToolEffect::Creates
    }

    /// Whether it interrupts what runs.
    #[must_use]
    pub fn risk(&self) -> Risk {
        match self.effect {
            ToolEffect::Idempotent { destructive: true } | ToolEffect::Interrupts => Risk::Interrupts,
            ToolEffect::Read | ToolEffect::Idempotent { destructive: false } | ToolEffect::Creates => Risk::Adds,
        }
    }

    /// Brings the arguments of a call into the form that the tool's schema declares, and refuses unknown ones.
    ///
    /// # Errors
    /// [`ArgumentError`], which names the argument.
    pub fn clean(&self, given: JsonObject) -> Result<JsonObject, ArgumentError> {
        let care = if self.is_write() { Care::Write } else { Care::Read };
        arguments::clean(self.name, self.input.json(), care, given)
    }
}

impl ToolCall {
    /// Serves a call whose arguments are of type `A`.
    pub fn with<A, F>(self, given: JsonObject, serve: fn(ToolCall, A) -> F) -> Served
    where
        A: DeserializeOwned + Send + 'static,
        F: Future<Output = Result<ToolResult, RequestError>> + Send + 'static,
    {
        async move { serve(self, arguments::read(given)?).await }.boxed()
    }
}
