//! A resource that AWS listed in a form that cannot be read.

use std::fmt;
use std::sync::Arc;

use super::text::shown;

/// The longest text of a field that is kept, in characters.
const LONGEST: usize = 80;

/// A resource that AWS listed, and that could not be read as a whole: it exists, and nothing else is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableItem {
    /// Its id; `None` where AWS gave none, or none that can be read.
    pub id: Option<Arc<str>>,
    /// What of it cannot be read, at least one field where that could be found out.
    pub fields: Vec<BadField>,
}

/// A field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadField {
    /// Its name as AWS's answer has it, such as `launchTime` or `placement.tenancy`.
    pub name: String,
    /// Its text, cut short and without control characters; `None` where the field is missing.
    pub text: Option<String>,
}

impl BadField {
    /// A field with a text that cannot be read as what the field holds.
    #[must_use]
    pub fn holding(name: &str, text: &str) -> Self {
        BadField { name: shown(name, LONGEST), text: Some(shown(text, LONGEST)) }
    }

    /// A field that is missing.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        BadField { name: shown(name, LONGEST), text: None }
    }
}

impl UnreadableItem {
    /// What is wrong, in words: `launchTime "yesterday" cannot be read`.
    #[must_use]
    pub fn why(&self) -> String {
        if self.fields.is_empty() {
            return "its form is not that of EC2's API".to_owned();
        }
        let fields: Vec<String> = self.fields.iter().map(ToString::to_string).collect();
        fields.join(", ")
    }
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{} \"{text}\" cannot be read", self.name),
            None => write!(f, "{} is missing", self.name),
        }
    }
}
