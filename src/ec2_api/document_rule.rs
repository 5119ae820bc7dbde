//! What a document must be for an answer to have it, beside filters.

use crate::model::{AccountId, Document, Value};

/// What a document must be for an answer to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentRule {
    /// Owned by this account.
    OwnedBy(AccountId),
    /// The status of an instance that runs.
    Running,
    /// An image that is not disabled.
    Enabled,
    /// Not one that AWS hides because a service manages it.
    Shown,
}

impl DocumentRule {
    /// Whether a document is that.
    #[must_use]
    pub fn admits(&self, document: &Document) -> bool {
        match self {
            DocumentRule::OwnedBy(account) => document.text("OwnerId") == Some(account.as_str()),
            DocumentRule::Running => document.text("InstanceState.Name") == Some("running"),
            DocumentRule::Enabled => document.text("State") != Some("disabled"),
            DocumentRule::Shown => document.get("Operator.HiddenByDefault") != Some(&Value::Bool(true)),
        }
    }
}
