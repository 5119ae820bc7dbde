//! Freshness as somebody knows it who does not see everything.

use std::sync::Arc;

use super::Freshness;
use super::member_trouble::MemberTrouble;
use super::scope::ScopeFreshness;
use super::unread::Unread;
use crate::model::{ErrorClass, Kind, Scope, Trouble};
use crate::policy::{Visibility, VisiblePart};

impl Freshness {
    /// The same for somebody with this visibility: what they may see nothing of does not seem to be watched.
    #[must_use]
    pub fn seen_by(&self, visibility: &Visibility) -> Self {
        Freshness(Arc::clone(&self.0), visibility.clone())
    }

    /// How much the reader may see of a kind in a scope.
    pub(super) fn reach(&self, scope: &Scope, kind: &Kind) -> VisiblePart {
        self.1.reach(scope.account.as_str(), scope.region.as_str(), kind)
    }

    /// The state of a kind in a scope as the reader may know it: not how many there are where some of them are hidden, and not whom
    /// or what else a failure names.
    pub(super) fn seen_of(&self, mut state: ScopeFreshness) -> Option<ScopeFreshness> {
        if self.1.is_everything() {
            return Some(state);
        }
        for trouble in [&mut state.trouble, &mut state.stumble].into_iter().flatten() {
            **trouble = self.told_of((**trouble).clone());
        }
        if let Some(unproved) = state.events.as_mut().and_then(|events| events.unproved.as_mut()) {
            *unproved = unproved.plainly();
        }
        state.unwatched_why = state.unwatched_why.map(|why| self.1.masked(&why).into());
        match self.reach(&state.scope, &state.kind) {
            VisiblePart::Nothing => None,
            VisiblePart::All => Some(state),
            VisiblePart::ByTags => {
                let unreadable = Unread::none();
                Some(ScopeFreshness { seen: 0, unreadable, absent: None, missing: 0, held: None, ..state })
            }
        }
    }

    /// A trouble without what it names of the rest.
    pub(super) fn told_of(&self, trouble: Trouble) -> Trouble {
        if self.1.is_everything() {
            return trouble;
        }
        Trouble { what: self.1.masked(&trouble.what), fix: self.1.masked(&trouble.fix), ..trouble }
    }

    /// The trouble of an account, without what it names of the rest.
    pub(super) fn told_of_member(&self, member: &MemberTrouble) -> MemberTrouble {
        MemberTrouble { trouble: self.told_of(member.trouble.clone()), ..member.clone() }
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
        let sees_none = !watched.any(|(scope, kind)| self.reach(scope, kind) > VisiblePart::Nothing);
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
