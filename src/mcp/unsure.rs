//! Which kinds, and which accounts, cannot be relied on where an answer follows from absence.

use std::collections::BTreeMap;

use super::core::Core;
use super::damage::AnswerSubject;
use super::error::RequestError;
use crate::freshness::MemberTrouble;
use crate::kinds::KindSpec;
use crate::model::text::shown;
use crate::model::{Scope, ScopeFilter};
use crate::policy::Reach;

/// How many scopes are named for one reason.
const SCOPES: usize = 5;
/// How much of an account's name is shown.
const NAME: usize = 80;

impl Core {
    /// Why what is held of `kind` in `scope` may not be all there is now; `None` where it can be relied on. See
    /// [`crate::query::Unsure`].
    #[must_use]
    pub fn unsure(&self, scope: &Scope, kind: &'static KindSpec) -> Option<String> {
        self.lacking(scope, kind).or_else(|| self.stale(scope, kind).map(|stale| stale.why))
    }

    /// Why some of `kind` in `scope` may not be held at all; `None` where all of it is, however old.
    #[must_use]
    pub fn lacking(&self, scope: &Scope, kind: &'static KindSpec) -> Option<String> {
        if !self.knows_kind(kind) {
            return Some("you may see none of them".to_owned());
        }
        if !self.watches(kind) {
            return Some(format!("not watched here: `kinds` of the server leaves {} out", kind.plural));
        }
        let (freshness, visibility) = (self.ingest.freshness(), self.visibility());
        let Some(state) = freshness.of(scope, &kind.kind()) else {
            let hidden = if visibility.is_everything() { "" } else { ", or nothing that you may see" };
            return Some(format!("not watched by this server now{hidden}"));
        };
        if visibility.reach(scope.account.as_str(), scope.region.as_str(), &kind.kind()) == Reach::ByTags {
            return Some("you may see only those with certain tags".to_owned());
        }
        if state.complete.is_none() {
            let trouble = state.failing().map(|trouble| format!(": {}", trouble.what)).unwrap_or_default();
            return Some(format!("the first sweep is not complete{trouble}"));
        }
        if !state.unreadable.is_empty() {
            return Some("AWS lists some in a form that cannot be read".to_owned());
        }
        if !self.damage(AnswerSubject::Now(&[kind], &scope.into())).is_empty() {
            return Some("some stored records are damaged".to_owned());
        }
        None
    }

    /// The error that the account of this name or number cannot be reached, so that it is not known what it holds; `None` where no
    /// account that cannot be reached is called so.
    #[must_use]
    pub fn unsure_of_account(&self, called: &str) -> Option<RequestError> {
        let MemberTrouble { trouble, .. } =
            self.ingest.freshness().unreached().into_iter().find(|member| member.is_called(called))?;
        let what = format!("what account {} holds", shown(called, NAME));
        Some(RequestError::Unsure { what, why: format!("{}. {}", trouble.what, trouble.next_step()) })
    }

    /// Which of these kinds cannot be relied on in the scopes that `of` is watched in, or in `scope`: a sentence for each reason.
    #[must_use]
    pub fn doubts(&self, of: &'static KindSpec, kinds: &[&'static KindSpec], scope: &ScopeFilter) -> Vec<String> {
        let mut reasons: BTreeMap<String, (Vec<&str>, Vec<String>)> = BTreeMap::new();
        for state in self.scopes_asked_for(&[of], scope) {
            for kind in kinds {
                let stale = || match (self.stale(&state.scope, kind)?, self.ingest.freshness().trouble()) {
                    // What is wrong everywhere is said once, without the age of each.
                    (_, Some(trouble)) => Some(format!("{}. {}", trouble.what, trouble.next_step())),
                    (stale, None) => Some(stale.why),
                };
                let Some(why) = self.lacking(&state.scope, kind).or_else(stale) else { continue };
                let (plurals, scopes) = reasons.entry(why).or_default();
                let place = state.scope.to_string();
                if !plurals.contains(&kind.plural) {
                    plurals.push(kind.plural);
                }
                if !scopes.contains(&place) {
                    scopes.push(place);
                }
            }
        }
        let said = reasons.into_iter().map(|(why, (plurals, mut scopes))| {
            let more = scopes.len().saturating_sub(SCOPES);
            scopes.truncate(SCOPES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{} in {}{more}: {why}", plurals.join(", "), scopes.join(", "))
        });
        said.collect()
    }
}
