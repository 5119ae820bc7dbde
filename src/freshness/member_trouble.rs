//! What prevents one of several accounts from being watched as a whole.

use crate::model::{AccountId, Trouble};

/// What prevents one of several accounts from being watched as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberTrouble {
    /// What the account is called.
    pub label: String,
    /// Its number, where it is known.
    pub account: Option<AccountId>,
    /// The trouble.
    pub trouble: Trouble,
}

impl MemberTrouble {
    /// What the account is called, so that it is told from others of the same name.
    #[must_use]
    pub fn told(&self) -> String {
        match &self.account {
            Some(account) if account.as_str() != self.label => format!("{} ({account})", self.label),
            _ => self.label.clone(),
        }
    }

    /// Whether `text` is its name or its number.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        self.label.eq_ignore_ascii_case(text) || self.account.as_ref().is_some_and(|account| account.as_str() == text)
    }
}
