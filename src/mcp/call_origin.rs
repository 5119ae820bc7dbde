//! Who made a call of a tool that changes AWS, and with what: what the log records of it besides its effects.

use std::sync::Arc;

use rmcp::model::JsonObject;

use crate::model::text::shown;
use crate::model::{ActionRequest, ConfirmationWay, Principal, ResourceId, Seq, WriteAttempt};

/// The most characters of arguments that are recorded.
const MAX_ARGUMENTS: usize = 2_000;

/// Who made a call, and with what.
#[derive(Clone, Debug, Default)]
pub struct CallOrigin {
    /// Who called.
    pub by: Option<Principal>,
    /// The arguments as they were sent, as JSON that is cut if it is long.
    pub arguments: Option<Arc<str>>,
    /// The idempotency key.
    pub key: Option<Arc<str>>,
    /// What the person who confirmed the call was shown.
    pub plan: Option<Arc<str>>,
    /// How the call was confirmed.
    pub confirmed_by: Option<ConfirmationWay>,
    /// The record of that.
    pub confirmation: Option<Seq>,
}

impl CallOrigin {
    /// Notes the arguments of the call.
    pub fn note_arguments(&mut self, given: &JsonObject) {
        let text = serde_json::to_string(given).unwrap_or_default();
        self.arguments = Some(shown(&text, MAX_ARGUMENTS).into());
    }

    /// A call of AWS by `tool` for `targets`, as the log records it; `call` is the name of the tool's call.
    #[must_use]
    pub fn request(&self, tool: &str, targets: Vec<ResourceId>, call: Option<&str>) -> ActionRequest {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        ActionRequest {
            tool: tool.to_owned(),
            targets,
            call: call.map(str::to_owned),
            by: self.by.clone(),
            arguments: text(&self.arguments),
            plan: text(&self.plan),
            key: text(&self.key),
            confirmed_by: self.confirmed_by,
            confirmation: self.confirmation,
        }
    }

    /// The call, before any call to AWS.
    #[must_use]
    pub fn attempt(&self, tool: &str, targets: Vec<ResourceId>) -> WriteAttempt {
        let arguments = self.arguments.as_deref().map(str::to_owned);
        WriteAttempt { tool: tool.to_owned(), targets, by: self.by.clone(), arguments }
    }
}
