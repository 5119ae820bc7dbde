//! What comes of judging a change by the rules: each rule, and why it refuses where it does.

use std::fmt;

use serde::Serialize;

use super::write_rule::WriteRule;
use crate::model::text::shown;

/// The most characters of a tag's value to show.
const MAX_VALUE: usize = 80;

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOrigin {
    /// The server's, which holds for every connection.
    Server,
    /// The connection's own.
    Connection,
}

/// A rule, and what it says of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCheck {
    /// Whose it is.
    pub origin: RuleOrigin,
    /// The rule.
    pub rule: WriteRule,
    /// Why it refuses the change; `None`: the change meets it.
    pub refusal: Option<RuleRefusal>,
}

/// Why a rule refuses a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleRefusal {
    /// Changes are not allowed at all.
    NoWrites,
    /// The tool is not among those that are allowed.
    OtherTool,
    /// The instance is in another account.
    OtherAccount,
    /// The instance is in another region.
    OtherRegion,
    /// The instance does not have the tag.
    NoTag,
    /// The instance has another value of the tag.
    OtherValue {
        /// The value.
        value: String,
    },
    /// The value of the tag is redacted, so it cannot be compared.
    HiddenValue,
    /// AWS left out the tags.
    LostTags,
    /// It is denied.
    Denied,
    /// So many other instances were changed within the window.
    CapReached {
        /// How many.
        others: usize,
    },
    /// The log does not reach back as far as the window.
    LogTooShort,
    /// The client of the call can ask nobody for the confirmation that it needs.
    NobodyToAsk,
    /// The audit file is not current.
    NotAudited {
        /// Why.
        why: String,
    },
    /// This version cannot read the rule.
    Unreadable,
}

/// What the rules say of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVerdict {
    /// Every rule, those of the server first.
    pub checks: Vec<RuleCheck>,
}

impl RuleCheck {
    /// The rule with whose it is, as records hold it.
    #[must_use]
    pub fn told(&self) -> String {
        self.rule.told(self.origin)
    }
}

impl WriteRule {
    /// The rule with whose it is, as records hold it.
    #[must_use]
    pub fn told(&self, origin: RuleOrigin) -> String {
        let of = match origin {
            RuleOrigin::Server => "server",
            RuleOrigin::Connection => "connection",
        };
        format!("{self} ({of})")
    }
}

impl PolicyVerdict {
    /// Whether every rule is met.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.refusal().is_none()
    }

    /// The first rule that refuses.
    #[must_use]
    pub fn refusal(&self) -> Option<&RuleCheck> {
        self.checks.iter().find(|check| check.refusal.is_some())
    }
}

impl fmt::Display for RuleRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleRefusal::NoWrites => f.write_str("changes are not allowed"),
            RuleRefusal::OtherTool => f.write_str("the tool is not among those that are allowed"),
            RuleRefusal::OtherAccount => f.write_str("the instance is in another account"),
            RuleRefusal::OtherRegion => f.write_str("the instance is in another region"),
            RuleRefusal::NoTag => f.write_str("the instance does not have that tag"),
            RuleRefusal::OtherValue { value } => {
                write!(f, "the instance's tag has the value `{}`", shown(value, MAX_VALUE))
            }
            RuleRefusal::HiddenValue => {
                f.write_str("Muster redacts the value of that tag, so it cannot be compared: name another tag in the rule")
            }
            RuleRefusal::LostTags => f.write_str(
                "AWS has just shown the instance without any tag, which it is known to do at times, and nothing proves that it has none: try again in a few seconds",
            ),
            RuleRefusal::Denied => f.write_str("that is denied"),
            RuleRefusal::CapReached { others } => {
                write!(f, "{others} other instances were changed within that time")
            }
            RuleRefusal::LogTooShort => {
                f.write_str("the log does not reach back as far, so the instances that were changed are not all known")
            }
            RuleRefusal::NobodyToAsk => f.write_str(
                "the call needs a confirmation, which a person has to give, and this client does not show the server's questions to anybody",
            ),
            RuleRefusal::NotAudited { why } => f.write_str(why),
            RuleRefusal::Unreadable => f.write_str("this version of Muster cannot read it, so it allows nothing"),
        }
    }
}
