//! A resource that AWS listed in a form that cannot be read.

use std::fmt;
use std::sync::Arc;

use super::text::shown;

/// How many characters of a field's text are kept at most.
const MAX_CHARS: usize = 80;

/// A resource that AWS listed but that cannot be read as a whole: it exists, and nothing else is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableItem {
    /// Its id; `None` if AWS gave none, or none that can be read.
    pub id: Option<Arc<str>>,
    /// The fields that cannot be read; empty if they could not be determined.
    pub fields: Vec<BadField>,
}

/// A field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadField {
    /// Its name in AWS's answer, such as `launchTime` or `placement.tenancy`.
    pub name: String,
    /// Its text, cut short and without control characters; `None` if the field is missing.
    pub text: Option<String>,
}

impl BadField {
    /// A field whose text cannot be read as the field's type.
    #[must_use]
    pub fn holding(name: &str, text: &str) -> Self {
        BadField { name: shown(name, MAX_CHARS), text: Some(shown(text, MAX_CHARS)) }
    }

    /// A field that is missing.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        BadField { name: shown(name, MAX_CHARS), text: None }
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
