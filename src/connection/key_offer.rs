//! The keys in a client's environment, which it offers to the server of their role.
//!
//! Keys of a session end after some hours. The client that is started with new ones says them in its handshake, so that the server
//! need not be restarted. They pass only over the socket, which is for its owner alone, and are neither logged nor stored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Keys of AWS.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyOffer {
    /// `AWS_ACCESS_KEY_ID`.
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
    /// `AWS_SESSION_TOKEN`, which keys of a session have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `AWS_CREDENTIAL_EXPIRATION`, which some programs that fetch keys set beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

impl fmt::Debug for KeyOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyOffer(..)")
    }
}

impl KeyOffer {
    /// The keys in the variables of a process; `None` where they are not whole.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let said = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        Some(KeyOffer {
            id: said("AWS_ACCESS_KEY_ID")?,
            secret: said("AWS_SECRET_ACCESS_KEY")?,
            token: said("AWS_SESSION_TOKEN"),
            expires: said("AWS_CREDENTIAL_EXPIRATION"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_offered_whole_or_not_at_all_and_never_shown() {
        let of = |all: &[(&str, &str)]| {
            KeyOffer::of(&|name| all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "hushed"));
        assert_eq!((of(&[id]), of(&[secret]), of(&[id, ("AWS_SECRET_ACCESS_KEY", " ")])), (None, None, None));
        let offer = of(&[id, secret, ("AWS_SESSION_TOKEN", "t")]).unwrap();
        assert_eq!((offer.token.as_deref(), offer.expires.as_deref()), (Some("t"), None));
        let shown = format!("{offer:?}");
        assert!(!shown.contains("AKID") && !shown.contains("hushed"), "{shown}");
    }
}
