//! Which kinds cannot be relied on where an answer follows from absence.

use super::core::Core;
use super::damage::AnswerSubject;
use crate::kinds::KindSpec;
use crate::model::Scope;

impl Core {
    /// Why what is held of `kind` in `scope` may not be all there is now; `None` where it can be relied on. See
    /// [`crate::query::Unsure`].
    #[must_use]
    pub fn unsure(&self, scope: &Scope, kind: &'static KindSpec) -> Option<String> {
        let freshness = self.ingest.freshness();
        let Some(state) = freshness.of(scope, &kind.kind()) else {
            return Some("not watched by this server now".to_owned());
        };
        if state.complete.is_none() {
            let trouble = state.failing().map(|trouble| format!(": {}", trouble.what)).unwrap_or_default();
            return Some(format!("the first sweep is not complete{trouble}"));
        }
        if !state.unreadable.is_empty() {
            return Some("AWS lists some in a form that cannot be read".to_owned());
        }
        if !self.damage(AnswerSubject::Now(&[kind], Some(scope))).is_empty() {
            return Some("some stored records are damaged".to_owned());
        }
        self.stale(scope, kind).map(|stale| stale.why)
    }

    /// A sentence for each of these kinds that cannot be relied on in a scope that `of` is watched in, or in `scope`.
    #[must_use]
    pub fn doubts(&self, of: &'static KindSpec, kinds: &[&'static KindSpec], scope: Option<&Scope>) -> Vec<String> {
        let scopes = self.scopes_asked_for(&[of], scope);
        let each = scopes.iter().flat_map(|state| {
            kinds.iter().filter_map(|kind| {
                let why = self.unsure(&state.scope, kind)?;
                Some(format!("{} in {}: {why}", kind.plural, state.scope))
            })
        });
        each.collect()
    }
}
