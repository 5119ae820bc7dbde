//! Somebody whom a server knows: by a token, by a claim, or because there is nobody else.

use std::sync::Arc;

use super::visibility::Visibility;
use crate::model::Timestamp;

/// Somebody whom a server knows, with what they may see and change. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantee {
    /// The name: of a token, or what the principal claim of an issuer says.
    pub name: Arc<str>,
    /// Who vouches for the name; `None` for tokens of the server's own file, and where nobody has to say who they are.
    pub issuer: Option<Arc<str>>,
    /// What they may see.
    pub visibility: Arc<Visibility>,
    /// Whether they may change what their grants let them change, as far as the policy of the server allows.
    pub writes: bool,
    /// When it ends; `None` if it does not.
    pub ends: Option<Timestamp>,
}

impl Grantee {
    /// Somebody who may see and change whatever the server does: the user of a server that is theirs alone.
    #[must_use]
    pub fn unlimited(name: &str) -> Self {
        Grantee {
            name: name.into(),
            issuer: None,
            visibility: Arc::new(Visibility::everything()),
            writes: true,
            ends: None,
        }
    }

    /// Whether answers have to be judged at all.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.visibility.is_everything()
    }

    /// Whether both are the same somebody, whatever they may see.
    #[must_use]
    pub fn is_same(&self, other: &Grantee) -> bool {
        self.name == other.name && self.issuer == other.issuer
    }

    /// Whether they still count at `now`.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }
}
