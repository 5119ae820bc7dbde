//! The name that the queues and rules of `muster setup` begin with.

use std::fmt;
use std::str::FromStr;

use crate::kinds::rules::DEFAULT_NAME;

/// The longest name: a rule's name may have 64 characters, and the longest ending is `-instances`.
const MAX_LENGTH: usize = 40;

/// The name that queues and rules begin with: letters, digits, hyphens and underscores. It begins with a letter and does not end
/// with a hyphen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventsName(String);

/// The text is not an [`EventsName`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{given}` cannot begin the names of queues and rules: give 1 to {MAX_LENGTH} letters, digits, hyphens and underscores that \
     begin with a letter and do not end with a hyphen, such as muster"
)]
pub struct EventsNameError {
    given: String,
}

impl EventsName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the default name, which `iam-policy.json` and `muster serve --events` assume.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_NAME
    }
}

impl Default for EventsName {
    fn default() -> Self {
        EventsName(DEFAULT_NAME.to_owned())
    }
}

impl FromStr for EventsName {
    type Err = EventsNameError;

    fn from_str(text: &str) -> Result<Self, EventsNameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if begins && text.len() <= MAX_LENGTH && text.bytes().all(allowed) && !text.ends_with('-') {
            return Ok(EventsName(text.to_owned()));
        }
        Err(EventsNameError { given: text.to_owned() })
    }
}

impl fmt::Display for EventsName {
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
            let name: EventsName = good.parse().unwrap();
            assert_eq!(name.as_str(), good);
            assert!(RULES.iter().all(|rule| rule.name(good).len() <= 64));
            assert!(format!("{good}-events-dead").len() <= 80);
        }
        let long = "a".repeat(MAX_LENGTH + 1);
        for wrong in ["", "-a", "1a", "a-", "a.b", "a b", "ä", "a/b", long.as_str()] {
            assert_eq!(wrong.parse::<EventsName>(), Err(EventsNameError { given: wrong.to_owned() }), "{wrong}");
        }
    }
}
