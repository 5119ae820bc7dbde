//! A tool's call to AWS that is about to be made, with everything that the log records of it.

use super::action::ActionId;
use super::attempt::ConfirmationWay;
use super::event::Event;
use super::id::{ResourceId, Seq};
use super::principal::Principal;

/// A tool's call to AWS that is about to be made. Its fields are those of [`Event::ActionRequested`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionRequest {
    /// The tool's name.
    pub tool: String,
    /// The resources it is about to change.
    pub targets: Vec<ResourceId>,
    /// The name of the tool's call.
    pub call: Option<String>,
    /// Who called the tool.
    pub by: Option<Principal>,
    /// The tool's arguments.
    pub arguments: Option<String>,
    /// What the person who confirmed the call was shown.
    pub plan: Option<String>,
    /// The idempotency key.
    pub key: Option<String>,
    /// How the call was confirmed.
    pub confirmed_by: Option<ConfirmationWay>,
    /// The record of that.
    pub confirmation: Option<Seq>,
}

impl ActionRequest {
    /// A request of which only the tool and what it changes are known.
    #[must_use]
    pub fn of(tool: &str, targets: Vec<ResourceId>) -> Self {
        ActionRequest { tool: tool.to_owned(), targets, ..ActionRequest::default() }
    }

    /// Its record.
    #[must_use]
    pub fn requested(self, action: ActionId) -> Event {
        let ActionRequest { tool, targets, call, by, arguments, plan, key, confirmed_by, confirmation } = self;
        Event::ActionRequested { action, tool, targets, call, by, arguments, plan, key, confirmed_by, confirmation }
    }
}
