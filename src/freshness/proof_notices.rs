//! Tells whoever sets how often a scope is swept that this may have changed.
//!
//! Freshness itself changes with nearly every step of a sweep, anywhere. Thousands of scopes that looked at each change would do
//! nothing else, so each is told only what concerns it. What changes through time alone is not told:
//! [`Freshness::proof_lapses`](super::Freshness::proof_lapses) says when that is.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::Scope;

/// Who is told about each scope.
#[derive(Debug, Default)]
pub(super) struct ProofNotices(Mutex<HashMap<Scope, Arc<Notify>>>);

impl ProofNotices {
    /// What is notified about a scope from now on, in place of what was before.
    pub(super) fn follow(&self, scope: &Scope) -> Arc<Notify> {
        let notice = Arc::new(Notify::new());
        self.0.lock().insert(scope.clone(), Arc::clone(&notice));
        notice
    }

    /// Tells whoever follows a scope.
    pub(super) fn tell(&self, scope: &Scope) {
        if let Some(notice) = self.0.lock().get(scope) {
            notice.notify_one();
        }
    }

    /// Forgets the scopes that nobody follows any more.
    pub(super) fn forget_ended(&self) {
        self.0.lock().retain(|_, notice| Arc::strong_count(notice) > 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::model::fixtures::{scope, scope_in};

    #[test]
    fn the_last_who_follows_a_scope_is_told_about_it_alone() {
        let notices = ProofNotices::default();
        let is_told = |notice: &Notify| notice.notified().now_or_never().is_some();
        let (before, elsewhere) = (notices.follow(&scope()), notices.follow(&scope_in("us-west-2")));
        let now = notices.follow(&scope());
        notices.tell(&scope());
        notices.tell(&scope());
        assert_eq!((is_told(&before), is_told(&elsewhere), is_told(&now)), (false, false, true));
        assert!(!is_told(&now), "once, however often it happened");
        drop(now);
        notices.forget_ended();
        assert_eq!(notices.0.lock().keys().collect::<Vec<_>>(), [&scope_in("us-west-2")]);
    }
}
