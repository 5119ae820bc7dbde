//! Which (scope, kind)s a reader wants to know the freshness of.

use super::scope::ScopeFreshness;
use crate::model::{AccountId, ScopeFilter};

/// Which (scope, kind)s a reader wants to know the freshness of; by default all that are watched.
///
/// It is data and no function, because it is applied while the state is locked: a function could take a lock of its own there,
/// which somebody holds who waits for the state.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatesWanted<'a> {
    /// Only those of this account.
    pub account: Option<&'a AccountId>,
    /// Only those of these scopes.
    pub scope: Option<&'a ScopeFilter>,
    /// Only those of the kinds with these names.
    pub kinds: Option<&'a [&'static str]>,
    /// Whether they are watched.
    pub watched: Watched,
}

/// Whether a (scope, kind) that is wanted is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watched {
    /// It is watched, or was until the server stopped.
    #[default]
    Still,
    /// It is no longer watched.
    NoLonger,
    /// It does not matter.
    OrNot,
}

impl StatesWanted<'_> {
    /// Whether this one is wanted.
    pub(super) fn takes(&self, state: &ScopeFreshness) -> bool {
        let is_watched = state.unwatched_since.is_none();
        let is_wanted = match self.watched {
            Watched::Still => is_watched,
            Watched::NoLonger => !is_watched,
            Watched::OrNot => true,
        };
        is_wanted
            && self.account.is_none_or(|account| state.scope.account == *account)
            && self.kinds.is_none_or(|names| names.iter().any(|name| *name == state.kind.as_str()))
            && self.scope.is_none_or(|scope| scope.takes(&state.scope))
    }
}
