//! What a tool asked AWS to do, and how that ended.

use std::fmt;

use serde::{Serialize, Serializer};

/// Names one write-through call, from request to outcome. Random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u64);

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

/// How an action ended, as far as Muster could tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// AWS accepted it.
    Succeeded {
        /// What it made, such as snapshot ids; empty when it made nothing.
        created: Vec<String>,
    },
    /// AWS refused it: nothing happened.
    Refused {
        /// AWS's error code.
        code: String,
        /// AWS's message.
        message: String,
    },
    /// The answer was lost (timeout, connection): it may or may not have happened.
    Unknown {
        /// What went wrong on the way.
        message: String,
    },
}
