//! What the names of everything that is set up begin with.

use std::fmt;
use std::str::FromStr;

use crate::kinds::rules::DEFAULT_NAME;

/// The longest: a rule's name may have 64 characters, and the longest ending is `-instances`.
const LONGEST: usize = 40;

/// What the names of queues and rules begin with: letters, digits, hyphens and underscores, the first a letter, the last no
/// hyphen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is no [`Name`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{given}` cannot begin the names of queues and rules: give 1 to {LONGEST} letters, digits, hyphens and underscores that \
     begin with a letter and do not end with a hyphen, such as muster"
)]
pub struct NameError {
    given: String,
}

impl Name {
    /// It.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the default one, which IAM's policy and the flags of `muster serve` take for granted.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_NAME
    }
}

impl Default for Name {
    fn default() -> Self {
        Name(DEFAULT_NAME.to_owned())
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if begins && text.len() <= LONGEST && text.bytes().all(allowed) && !text.ends_with('-') {
            return Ok(Name(text.to_owned()));
        }
        Err(NameError { given: text.to_owned() })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::rules::RULES;

    #[test]
    fn a_name_is_one_that_sqs_and_eventbridge_take_with_every_ending() {
        for good in ["muster", "a", "Team_2-x", "a123456789a123456789a123456789a123456789"] {
            let name: Name = good.parse().unwrap();
            assert_eq!(name.as_str(), good);
            assert!(RULES.iter().all(|rule| rule.name(good).len() <= 64));
            assert!(format!("{good}-events-dead").len() <= 80);
        }
        let long = "a".repeat(LONGEST + 1);
        for wrong in ["", "-a", "1a", "a-", "a.b", "a b", "ä", "a/b", long.as_str()] {
            assert_eq!(wrong.parse::<Name>(), Err(NameError { given: wrong.to_owned() }), "{wrong}");
        }
    }
}
