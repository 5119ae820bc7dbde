//! Who makes a call: what the connection proves, and what the client says of itself.

use std::sync::Arc;

use serde::Serialize;

use super::text::shown;

/// The longest name, version or session.
const MAX: usize = 100;

/// Who makes a call. Clients choose the text of everything except `user`, so it is cleaned and cut when a principal is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Principal {
    /// Whom the connection proves: `uid:1000` on the Unix socket, `http` for HTTP without authentication.
    pub user: Arc<str>,
    /// The name that the client gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Arc<str>>,
    /// The version that the client gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// The connection or session of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Arc<str>>,
}

impl Principal {
    /// A principal of which only the proved part is known.
    #[must_use]
    pub fn of_user(user: &str) -> Self {
        Principal { user: shown(user, MAX).into(), client: None, version: None, session: None }
    }

    /// The same, with what its client says of itself. A blank text counts as none.
    #[must_use]
    pub fn with_client(self, name: Option<&str>, version: Option<&str>) -> Self {
        Principal { client: name.and_then(cleaned), version: version.and_then(cleaned), ..self }
    }

    /// The same, in a session.
    #[must_use]
    pub fn in_session(self, session: Option<&str>) -> Self {
        Principal { session: session.and_then(cleaned), ..self }
    }

    /// Whether both are the same client of the same user, in whatever session and version.
    #[must_use]
    pub fn is_same_client(&self, other: &Principal) -> bool {
        self.user == other.user && self.client == other.client
    }

    /// Whether both are the same connection or session of the same user, whatever its client calls itself.
    #[must_use]
    pub fn is_same_session(&self, other: &Principal) -> bool {
        self.user == other.user && self.session.is_some() && self.session == other.session
    }
}

fn cleaned(text: &str) -> Option<Arc<str>> {
    let clean = shown(text, MAX);
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_itself_is_cleaned_and_cut_and_blank_counts_as_none() {
        let long = "x".repeat(MAX + 1);
        let principal = Principal::of_user("uid:1000")
            .with_client(Some("Claude\u{202e}\n"), Some(&long))
            .in_session(Some(" \u{7} "));
        assert_eq!(principal.client.as_deref(), Some("Claude"));
        assert_eq!(principal.version.as_deref().map(|version| version.chars().count()), Some(MAX));
        assert_eq!(principal.session, None);
    }

    #[test]
    fn a_client_stays_the_same_over_sessions_and_versions_but_not_for_another_user() {
        let client = |user, version, session| {
            Principal::of_user(user).with_client(Some("agent"), Some(version)).in_session(Some(session))
        };
        assert!(client("uid:1", "1", "a").is_same_client(&client("uid:1", "2", "b")));
        assert!(!client("uid:1", "1", "a").is_same_client(&client("http", "1", "a")));
        assert!(!client("uid:1", "1", "a").is_same_client(&Principal::of_user("uid:1")));
    }
}
