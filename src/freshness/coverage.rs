//! Whether a kind in a scope was looked at: what decides between an answer, a reason, and "not yet".

use super::ScopeFreshness;

/// What an answer can say of one (scope, kind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeCoverage {
    /// It was swept completely, by this process or an earlier one. What is held of it may be old, and then is stale.
    Covered,
    /// It never was, and the last attempt ended with a reason, such as a denial.
    Failed,
    /// It never was, and no attempt has ended yet.
    Pending,
}

impl ScopeFreshness {
    /// Whether it was looked at. What is no longer watched is as it was when that ended, and nobody waits for it.
    #[must_use]
    pub fn coverage(&self) -> ScopeCoverage {
        match (&self.complete, &self.trouble) {
            _ if self.unwatched_since.is_some() => ScopeCoverage::Covered,
            (Some(_), _) => ScopeCoverage::Covered,
            (None, Some(_)) => ScopeCoverage::Failed,
            (None, None) => ScopeCoverage::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::{Swept, WatchedScope};
    use crate::model::fixtures::{at_millis, kind, scope};
    use crate::model::{ErrorClass, Trouble};

    #[test]
    fn a_scope_is_pending_until_a_sweep_is_complete_or_given_up() {
        let mut state = WatchedScope::new(scope(), kind(), std::time::Duration::ZERO, None).state;
        assert_eq!(state.coverage(), ScopeCoverage::Pending);
        let (what, fix) = ("denied".to_owned(), String::new());
        let trouble = Trouble { class: ErrorClass::Denied.into(), what, fix, since: at_millis(0), retry_at: None };
        state.stumble = Some(Box::new(trouble.clone()));
        state.running_since = Some(at_millis(1));
        assert_eq!(state.coverage(), ScopeCoverage::Pending, "the sweep goes on and asks again");
        state.trouble = Some(Box::new(trouble));
        assert_eq!(state.coverage(), ScopeCoverage::Failed);
        state.unwatched_since = Some(at_millis(2));
        assert_eq!(state.coverage(), ScopeCoverage::Covered, "nobody waits for it");
        state.unwatched_since = None;
        state.complete = Some(Swept { started: at_millis(1), ended: at_millis(2) });
        assert_eq!(state.coverage(), ScopeCoverage::Covered, "what it showed is known, though old");
    }
}
