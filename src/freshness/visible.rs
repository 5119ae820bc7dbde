//! Freshness as somebody knows it who does not see everything.

use std::sync::Arc;

use super::Freshness;
use super::member_trouble::MemberTrouble;
use super::scope::ScopeFreshness;
use super::unread::Unread;
use crate::model::{ErrorClass, Kind, Scope, Trouble};
use crate::policy::{Reach, Visibility};

impl Freshness {
    /// The same for somebody with this visibility: what they may see nothing of does not seem to be watched.
    #[must_use]
    pub fn seen_by(&self, visibility: &Visibility) -> Self {
        Freshness(Arc::clone(&self.0), visibility.clone())
    }

    /// How much the reader may see of a kind in a scope.
    pub(super) fn reach(&self, scope: &Scope, kind: &Kind) -> Reach {
        self.1.reach(scope.account.as_str(), scope.region.as_str(), kind)
    }

    /// The state of a kind in a scope as the reader may know it: not how many there are where some of them are hidden.
    pub(super) fn seen_of(&self, state: ScopeFreshness) -> Option<ScopeFreshness> {
        match self.reach(&state.scope, &state.kind) {
            Reach::Nothing => None,
            Reach::All => Some(state),
            Reach::ByTags => {
                Some(ScopeFreshness { seen: 0, unreadable: Unread::none(), missing: 0, held: None, ..state })
            }
        }
    }

    /// Whether the reader may know of an account. One whose number is not known may be anybody's.
    pub(super) fn knows_member(&self, member: &MemberTrouble) -> bool {
        match &member.account {
            Some(account) => self.1.sees_account(account.as_str()),
            None => self.1.is_everything(),
        }
    }

    /// That the reader may see nothing of what is watched; `None` where they may see something, or nothing is watched yet. An inventory
    /// without scopes would look like one that is not known yet.
    pub(super) fn blindness<'s>(&self, watched: impl Iterator<Item = &'s (Scope, Kind)>) -> Option<Trouble> {
        let mut watched = watched.peekable();
        if self.1.is_everything() || watched.peek().is_none() {
            return None;
        }
        let sees_none = !watched.any(|(scope, kind)| self.reach(scope, kind) > Reach::Nothing);
        sees_none.then(|| Trouble {
            class: ErrorClass::Denied.into(),
            what: "you may see nothing of what this server watches".to_owned(),
            fix: "Ask a person who runs the server for a grant of the accounts, regions and kinds that you need."
                .to_owned(),
            since: self.0.clock.now(),
            retry_at: None,
        })
    }
}
