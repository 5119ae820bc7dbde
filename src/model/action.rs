//! What a tool asked AWS to do, and how that ended.

use std::fmt;

use serde::{Serialize, Serializer};

/// Identifies one write-through call, from request to outcome. Random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u64);

impl ActionId {
    /// Reads what [`ActionId`]'s `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("act-").filter(|digits| digits.len() == 16)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_plain.then(|| u64::from_str_radix(digits, 16).ok().map(ActionId)).flatten()
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "act-{:016x}", self.0)
    }
}

impl fmt::Debug for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for ActionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The end of a tool's call to AWS, as the log records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionEnd {
    /// How it ended.
    pub outcome: ActionOutcome,
    /// AWS's id of the request, if AWS answered with one.
    pub request_id: Option<String>,
}

impl From<ActionOutcome> for ActionEnd {
    fn from(outcome: ActionOutcome) -> Self {
        ActionEnd { outcome, request_id: None }
    }
}

impl ActionOutcome {
    /// How it ended, in a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            ActionOutcome::Succeeded { .. } => "succeeded",
            ActionOutcome::Refused { .. } => "refused",
            ActionOutcome::Unknown { .. } => "unknown",
        }
    }
}

/// How a tool's call to AWS ended, as far as Muster can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ActionOutcome {
    /// AWS accepted the call.
    Succeeded {
        /// The ids of what the call created, such as snapshots; empty when it created nothing.
        created: Vec<String>,
    },
    /// AWS refused the call: nothing happened.
    Refused {
        /// AWS's error code.
        code: String,
        /// AWS's message.
        message: String,
    },
    /// The answer was lost (timeout, connection): the call may or may not have taken effect.
    Unknown {
        /// What failed on the way.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for id in [ActionId(0), ActionId(u64::MAX), ActionId(0x1a2b)] {
            assert_eq!(ActionId::parse(&id.to_string()), Some(id));
        }
        for wrong in ["", "act-", "act-1", "act-+00000000000000f", "i-0123456789abcdef0"] {
            assert_eq!(ActionId::parse(wrong), None, "{wrong}");
        }
    }
}
