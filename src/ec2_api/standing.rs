//! Whether the copy of a kind in a scope can be answered from, and how old it is.

use std::time::Duration;

use thiserror::Error;

use crate::freshness::{ScopeCoverage, ScopeFreshness};
use crate::kinds::KindSpec;
use crate::model::{ErrorClass, Scope, Timestamp, Trouble, TroubleClass};

/// How a kind is watched that is not.
const WATCH_KIND: &str = "them (`kinds` in its configuration file, or --kinds)";

/// How an account and region are watched that were given up.
const WATCH_PLACE: &str = "this account and region (`regions` of the account in its configuration file, or --regions)";

/// How fresh the copy of a kind in a scope is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyStanding {
    /// The start of the last complete sweep: everything in the copy is as it was then, or newer.
    pub as_of: Timestamp,
    /// Why it may be out of date; `None` while it is fresh.
    pub stale: Option<String>,
    /// What of it AWS's last listing did not show, though it is not proved gone.
    pub doubt: Option<String>,
}

/// Why the copy is not answered from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StandingError {
    /// Nobody watches it.
    #[error("Muster does not watch {plural} in {scope}{why}. Send this call to AWS, or have Muster watch {fix}")]
    Unwatched {
        /// What is not watched.
        plural: &'static str,
        /// Where.
        scope: String,
        /// Since when, and why.
        why: String,
        /// What to have watched, and how.
        fix: &'static str,
    },
    /// Its first sweep is not over.
    #[error("Muster looks at {plural} in {scope} for the first time, and has seen {seen}: ask again in a few seconds")]
    Pending {
        /// What is looked at.
        plural: &'static str,
        /// Where.
        scope: String,
        /// How many it has seen.
        seen: u64,
    },
    /// It never could be looked at, or may not be looked at any more.
    #[error("Muster cannot look at {plural} in {scope}, since {since}: {what}. {fix}")]
    Failed {
        /// What could not be looked at.
        plural: &'static str,
        /// Where.
        scope: String,
        /// Since when.
        since: Timestamp,
        /// What happened.
        what: String,
        /// What to do about it.
        fix: String,
    },
    /// The copy is older than it may be.
    #[error(
        "Muster's copy of {plural} in {scope} is {age} s old, and --max-stale allows {most} s: {why}. Send this call to AWS, or allow \
         more"
    )]
    TooOld {
        /// What the copy is of.
        plural: &'static str,
        /// Where.
        scope: String,
        /// How old it is, in seconds.
        age: u64,
        /// How old it may be.
        most: u64,
        /// Why it is that old, with the fix.
        why: String,
    },
    /// AWS lists what cannot be read.
    #[error(
        "AWS lists {count} of the {plural} in {scope} in a form that Muster cannot read, so its copy lacks them: {why}. Send this call \
         to AWS"
    )]
    Unreadable {
        /// What cannot be read.
        plural: &'static str,
        /// Where.
        scope: String,
        /// How many.
        count: u64,
        /// What is wrong with the first.
        why: String,
    },
}

/// How the copy of a kind in a scope stands at `now`. `everywhere` is trouble of all scopes; `most` is how old the copy may be.
///
/// # Errors
/// [`StandingError`].
pub fn standing(
    kind: &KindSpec,
    scope: &Scope,
    state: Option<&ScopeFreshness>,
    everywhere: Option<&Trouble>,
    now: Timestamp,
    most: Option<Duration>,
) -> Result<CopyStanding, StandingError> {
    let (plural, scope) = (kind.plural, scope.to_string());
    let Some(state) = state else {
        return Err(StandingError::Unwatched { plural, scope, why: String::new(), fix: WATCH_KIND });
    };
    if let Some(since) = state.unwatched_since {
        let why = state.unwatched_why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let fix = if state.is_kind_left() { WATCH_KIND } else { WATCH_PLACE };
        return Err(StandingError::Unwatched { plural, scope, why: format!(" since {since}{why}"), fix });
    }
    let trouble = state.failing().or(everywhere);
    let Some(complete) = state.complete else {
        return Err(match (state.coverage(), trouble) {
            (ScopeCoverage::Failed, Some(trouble)) => StandingError::failed(plural, scope, trouble),
            _ => StandingError::Pending { plural, scope, seen: state.seen },
        });
    };
    if let Some(first) = state.unreadable.iter().next() {
        let (count, why) = (state.unreadable.count(), first.why());
        return Err(StandingError::Unreadable { plural, scope, count, why });
    }
    let overdue = state.stale(now);
    // Time mends what failed in passing, and the copy stays as good as its age; somebody has to mend what is denied.
    if overdue.is_some()
        && let Some(denied) = state.failing().filter(|trouble| trouble.class == TroubleClass::Call(ErrorClass::Denied))
    {
        return Err(StandingError::failed(plural, scope, denied));
    }
    let overdue = overdue.map(|why| match trouble {
        Some(trouble) if why.contains(&trouble.what) => format!("{why}. {}", trouble.next_step()),
        Some(trouble) => format!("{why}: {}. {}", trouble.what, trouble.next_step()),
        None => why,
    });
    // It stands within sentences.
    let overdue = overdue.map(|why| why.trim_end_matches('.').to_owned());
    let age = now.since(complete.started);
    // While events are proved to report every change, the copy is as fresh as the last of them.
    let is_proved = state.events.as_ref().is_some_and(|events| events.unproved.is_none());
    if let Some(most) = most
        && age > most
        && (overdue.is_some() || !is_proved)
    {
        let why = overdue.unwrap_or_else(|| format!("it is swept every {} s", state.current_interval().as_secs()));
        return Err(StandingError::TooOld { plural, scope, age: age.as_secs(), most: most.as_secs(), why });
    }
    let doubt = (state.missing > 0).then(|| {
        format!("{} of the {plural} were missing from the last complete sweep and may be gone", state.missing)
    });
    Ok(CopyStanding { as_of: complete.started, stale: overdue, doubt })
}

impl StandingError {
    fn failed(plural: &'static str, scope: String, trouble: &Trouble) -> Self {
        let (what, fix) = (trouble.what.trim_end_matches('.').to_owned(), trouble.next_step());
        StandingError::Failed { plural, scope, since: trouble.since, what, fix }
    }
}

impl CopyStanding {
    /// How fresh what the copy had is when it was as fresh as `as_of`: it may have been seen whole again since then.
    #[must_use]
    pub fn then(self, as_of: Timestamp) -> Self {
        CopyStanding { as_of: self.as_of.min(as_of), ..self }
    }

    /// How fresh two copies are together.
    #[must_use]
    pub fn and(self, other: CopyStanding) -> Self {
        let both = |one: Option<String>, other: Option<String>| match (one, other) {
            (Some(one), Some(other)) if one != other => Some(format!("{one}; {other}")),
            (one, other) => one.or(other),
        };
        CopyStanding {
            as_of: self.as_of.min(other.as_of),
            stale: both(self.stale, other.stale),
            doubt: both(self.doubt, other.doubt),
        }
    }

    /// Everything that the copy may be wrong in.
    #[must_use]
    pub fn caveat(&self) -> Option<String> {
        match (&self.stale, &self.doubt) {
            (Some(stale), Some(doubt)) => Some(format!("{stale}; {doubt}")),
            (one, other) => one.clone().or_else(|| other.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::{Swept, WatchedScope};
    use crate::kinds::VOLUME;
    use crate::model::fixtures::{at_millis, scope};

    fn state() -> ScopeFreshness {
        WatchedScope::new(scope(), VOLUME.kind(), Duration::from_mins(1), None).state
    }

    fn swept() -> ScopeFreshness {
        let complete = Some(Swept { started: at_millis(1_000), ended: at_millis(2_000) });
        ScopeFreshness { complete, swept_now: true, ..state() }
    }

    fn denied() -> Trouble {
        let (what, fix) = ("UnauthorizedOperation".to_owned(), "Allow it.".to_owned());
        Trouble { class: ErrorClass::Denied.into(), what, fix, since: at_millis(0), retry_at: None }
    }

    fn passing() -> Trouble {
        Trouble { class: ErrorClass::Transient.into(), ..denied() }
    }

    fn at(state: Option<&ScopeFreshness>, now: i64, most: Option<u64>) -> Result<CopyStanding, StandingError> {
        standing(VOLUME, &scope(), state, None, at_millis(now), most.map(Duration::from_secs))
    }

    #[test]
    fn what_was_never_seen_whole_is_not_answered_from() {
        let error = at(None, 0, None).unwrap_err();
        assert!(matches!(error, StandingError::Unwatched { .. }));
        assert!(error.to_string().contains("--kinds") && !error.to_string().contains("--regions"), "{error}");
        assert!(matches!(at(Some(&state()), 0, None), Err(StandingError::Pending { .. })));
        let stumbling =
            ScopeFreshness { stumble: Some(Box::new(denied())), running_since: Some(at_millis(0)), ..state() };
        assert!(matches!(at(Some(&stumbling), 0, None), Err(StandingError::Pending { .. })), "it goes on");
        let failed = ScopeFreshness { trouble: Some(Box::new(denied())), ..state() };
        let error = at(Some(&failed), 0, None).unwrap_err().to_string();
        assert!(error.contains("UnauthorizedOperation. Allow it."), "{error}");
        let left = ScopeFreshness { unwatched_since: Some(at_millis(5)), ..swept() };
        let error = at(Some(&left), 9_000, None).unwrap_err();
        assert!(matches!(error, StandingError::Unwatched { .. }));
        assert!(error.to_string().contains("--regions") && !error.to_string().contains("--kinds"), "{error}");
    }

    #[test]
    fn an_old_copy_is_answered_from_with_its_age_unless_that_is_forbidden() {
        let fresh = at(Some(&swept()), 30_000, Some(60)).unwrap();
        assert_eq!(fresh, CopyStanding { as_of: at_millis(1_000), stale: None, doubt: None });
        assert_eq!(fresh.clone().then(at_millis(30_000)), fresh);
        assert_eq!(fresh.then(at_millis(400)).as_of, at_millis(400), "a page of a walk that began before");
        let stale = at(Some(&swept()), 100_000, None).unwrap();
        assert!(stale.caveat().unwrap().contains("last complete sweep 99 s ago"));
        let error = at(Some(&swept()), 100_000, Some(60)).unwrap_err().to_string();
        assert!(error.contains("99 s old, and --max-stale allows 60 s"), "{error}");
        assert!(at(Some(&swept()), 30_000, Some(10)).is_err(), "fresh by its interval, and still older than that");
        let failing = ScopeFreshness { trouble: Some(Box::new(passing())), missing: 2, ..swept() };
        let caveat = at(Some(&failing), 100_000, None).unwrap().caveat().unwrap();
        assert!(caveat.contains("Allow it;") && caveat.contains("2 of the volumes"), "{caveat}");
        let failing = ScopeFreshness { trouble: Some(Box::new(denied())), ..swept() };
        let error = at(Some(&failing), 100_000, None).unwrap_err();
        assert!(matches!(error, StandingError::Failed { .. }), "{error}");
        assert!(error.to_string().contains("UnauthorizedOperation. Allow it."), "{error}");
    }
}
