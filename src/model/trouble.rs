//! What prevents something from being seen or stored, as answers show it.

use serde::Serialize;

use super::time::Timestamp;

/// Something that prevents a scope, all of AWS, or the store from being seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The class of the trouble.
    pub class: TroubleClass,
    /// What happened, and to what.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// Since when it lasts.
    pub since: Timestamp,
    /// When the next try is, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

/// The class of a [`Trouble`]. Serialises as one word, such as `denied` or `store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleClass {
    /// The store cannot be read or written.
    Store,
    /// The clock jumped, so times cannot be compared.
    Clock,
    /// No server is running: only what is stored is shown.
    Offline,
    /// A call to AWS failed.
    #[serde(untagged)]
    Call(ErrorClass),
}

/// How to react to a failed call to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Too many calls in this account: slow down, then ask again.
    Throttled,
    /// The credentials do not allow this: somebody has to change a policy.
    Denied,
    /// A named resource does not exist: not yet, or no longer.
    NotFound,
    /// A passing problem: ask again.
    Transient,
    /// Asking again is useless until somebody changes the request or the configuration.
    Fatal,
    /// Not a failure: AWS answered a dry run that the real call would have been allowed.
    DryRun,
}

impl From<ErrorClass> for TroubleClass {
    fn from(class: ErrorClass) -> Self {
        TroubleClass::Call(class)
    }
}

impl ErrorClass {
    /// Whether asking again may succeed although nobody changes anything.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, ErrorClass::Throttled | ErrorClass::Transient)
    }
}

impl Trouble {
    /// What to do about it, and when the next try is.
    #[must_use]
    pub fn next_step(&self) -> String {
        self.retry_at.map_or_else(|| self.fix.clone(), |at| format!("{} Next try at {at}.", self.fix))
    }

    /// The same trouble, with the time of the next try.
    #[must_use]
    pub fn retried_at(self, at: Timestamp) -> Self {
        Trouble { retry_at: Some(at), ..self }
    }

    /// Whether it may end although nobody changes anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.class, TroubleClass::Call(class) if class.is_passing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_serialises_as_one_word() {
        let word = |class: TroubleClass| serde_json::to_value(class).unwrap();
        assert_eq!(word(TroubleClass::Store), "store");
        assert_eq!(word(TroubleClass::Call(ErrorClass::NotFound)), "not_found");
        assert_eq!(word(ErrorClass::Throttled.into()), "throttled");
    }
}
