//! A call of a tool that was to change AWS and was refused, or had to be confirmed; and what became of its confirmation.

use serde::Serialize;

use super::id::ResourceId;
use super::principal::Principal;
use super::time::Timestamp;

/// A call of a tool that changes AWS, before any call to AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteAttempt {
    /// The tool's name.
    pub tool: String,
    /// The resources that it was to change, as far as they are known.
    pub targets: Vec<ResourceId>,
    /// Who called.
    pub by: Option<Principal>,
    /// The arguments as they were sent, as JSON that is cut if it is long.
    pub arguments: Option<String>,
}

/// How often the same happened within a minute, if it is recorded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Repeats {
    /// How often.
    pub count: u64,
    /// When it happened first.
    pub first_at: Timestamp,
    /// When it happened last.
    pub last_at: Timestamp,
}

impl Repeats {
    /// It happened once.
    #[must_use]
    pub fn once(at: Timestamp) -> Self {
        Repeats { count: 1, first_at: at, last_at: at }
    }
}

/// How a person is asked to confirm a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationWay {
    /// The server asked the client during the call (`elicitation/create`).
    Elicitation,
    /// The call was answered with a question, and came again with the person's answer.
    Input,
    /// The call was answered with a token, and came again with it. That proves intent, not that a person was asked.
    Token,
}

/// How a confirmation ended. Only an accepted one leads to a call to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationOutcome {
    /// The call was confirmed.
    Accepted,
    /// The person declined.
    Declined,
    /// Nobody answered in time, or the token was too old.
    Expired,
    /// The same confirmation was used before.
    Replayed,
    /// The confirmation is not the one that was given, or is for another call.
    Altered,
    /// What the person was shown has changed since.
    Changed,
    /// No answer came, and none could: the question was closed, the client failed to ask it, the call was cancelled, its client left, or
    /// the server stopped.
    Cancelled,
    /// The confirmation is of an earlier run of the server.
    Restarted,
}

impl ConfirmationWay {
    /// Its name, as records show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ConfirmationWay::Elicitation => "elicitation",
            ConfirmationWay::Input => "input",
            ConfirmationWay::Token => "token",
        }
    }
}

impl ConfirmationOutcome {
    /// Its name, as records show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ConfirmationOutcome::Accepted => "accepted",
            ConfirmationOutcome::Declined => "declined",
            ConfirmationOutcome::Expired => "expired",
            ConfirmationOutcome::Replayed => "replayed",
            ConfirmationOutcome::Altered => "altered",
            ConfirmationOutcome::Changed => "changed",
            ConfirmationOutcome::Cancelled => "cancelled",
            ConfirmationOutcome::Restarted => "restarted",
        }
    }
}
