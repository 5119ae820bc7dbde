//! The name under which AWS's records show the client of a tool's call. Pure.
//!
//! It is the session name of an assumed role, and the application name in the user agent. Both take other characters, so it has only
//! those that both take.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::Principal;

/// AWS recommends that an application name have no more; a session name may have 64.
const MAX: usize = 50;
/// The longest part that stands for the profile's own session name.
const MAX_PREFIX: usize = 24;
/// How a name begins where the profile has no session name.
const MUSTER: &str = "muster";

/// A name for AWS's records: 2 to 50 characters of `[A-Za-z0-9_.-]`. Different clients and users have different ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionName(Arc<str>);

impl SessionName {
    /// The name of the sweeps' session, where the profile has none.
    pub(super) const SWEEPS: &'static str = MUSTER;

    /// The name of a client and its user, which begins with `prefix`: a trust policy may ask for a session name that begins as the
    /// profile's own does.
    pub(super) fn of(by: &Principal, prefix: Option<&str>) -> Self {
        let prefix = plain(prefix.unwrap_or(MUSTER), MAX_PREFIX);
        // What is left out or replaced in the names makes no two of them the same.
        let hash = xxh3_64(format!("{:?}", (&by.user, &by.client)).as_bytes()) & 0xffff_ffff;
        let room = MAX - prefix.len() - "--00000000".len();
        let client = plain(&format!("{}-{}", by.client.as_deref().unwrap_or("client"), by.user), room);
        SessionName(format!("{prefix}-{client}-{hash:08x}").into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// At most `most` characters of a text; a dash stands for those that AWS does not take.
fn plain(text: &str, most: usize) -> String {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.trim().chars().map(|c| if is_taken(c) { c } else { '-' }).take(most).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(client: Option<&str>, user: &str, prefix: Option<&str>) -> String {
        SessionName::of(&Principal::of_user(user).with_client(client, Some("1.0")), prefix).to_string()
    }

    #[test]
    fn a_name_tells_client_and_user_apart_and_stays_over_versions_and_sessions() {
        let name = of(Some("Claude Desktop"), "uid:1000", None);
        assert!(name.starts_with("muster-Claude-Desktop-uid-1000-"), "{name}");
        assert_ne!(name, of(Some("Claude.Desktop"), "uid:1000", None));
        assert_ne!(name, of(Some("Claude Desktop"), "uid:1001", None));
        assert_ne!(of(Some("a b"), "u", None), of(Some("a-b"), "u", None), "what is replaced makes them no more equal");
        let by = Principal::of_user("u").with_client(Some("a"), Some("2")).in_session(Some("s"));
        assert_eq!(SessionName::of(&by, None).as_str(), of(Some("a"), "u", None));
        assert!(of(None, "http", Some("alice@corp")).starts_with("alice-corp-client-http-"));
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_aws_takes(client in ".{0,200}", user in ".{0,80}", prefix in proptest::option::of(".{0,80}")) {
            let name = of(Some(&client), &user, prefix.as_deref());
            prop_assert!((2..=MAX).contains(&name.len()), "{}", name);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)), "{}", name);
        }
    }
}
