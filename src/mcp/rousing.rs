//! Has scopes that are swept rarely swept at once when a question means them: an id that is not held, a URI that names them, a
//! subscription. What is bounded, and how, is decided by [`Freshness::rouse`](crate::freshness::Freshness::rouse).

use std::collections::BTreeSet;

use super::core::Core;
use super::uri::Address;
use crate::freshness::{RousedScopes, ScopeCoverage};
use crate::kinds::KindSpec;
use crate::model::{Scope, ScopeFilter};

/// The quiet scopes that a question about one kind means.
pub struct RousedSweeps<'c> {
    core: &'c Core,
    kind: &'static KindSpec,
    roused: RousedScopes,
}

impl Core {
    /// Has the quiet scopes swept at once in which a resource of `kind` may be that is not held.
    #[must_use]
    pub fn rouse(&self, kind: &'static KindSpec, scope: &ScopeFilter) -> RousedSweeps<'_> {
        let (is_named, freshness) = (!scope.is_everywhere(), self.ingest.freshness());
        let mut states = self.scopes(&[kind]);
        states.retain(|state| scope.takes(&state.scope));
        if is_named {
            let pending = states.iter().filter(|state| state.coverage() == ScopeCoverage::Pending);
            // Of these nothing is held yet: they are swept before the rest.
            freshness.hurry(&pending.map(|state| state.scope.clone()).collect());
        }
        let meant = states.into_iter().map(|state| state.scope).collect();
        RousedSweeps { core: self, kind, roused: freshness.rouse(&meant, is_named) }
    }

    /// Has a scope that is named swept soon if it is quiet, unless it was swept within the usual interval of `kind`.
    pub fn rouse_named(&self, kind: &'static KindSpec, scope: &Scope) {
        let freshness = self.ingest.freshness();
        let Some(state) = freshness.of(scope, &kind.kind()) else { return };
        if state.complete.is_some_and(|swept| self.now().since(swept.started) >= kind.interval) {
            drop(freshness.rouse(&BTreeSet::from([scope.clone()]), true));
        }
    }

    /// Has the scopes of what somebody subscribed to swept at once if they are quiet. While the subscription lasts they are not.
    pub fn rouse_subscribed(&self, address: &Address) {
        let freshness = self.ingest.freshness();
        match address {
            Address::Qualified { scope, .. } | Address::Collection { scope, .. } => freshness.attend(scope),
            Address::Resource { kind, id } | Address::History { kind, id } => {
                match self.seen(kind, id, &ScopeFilter::Everywhere) {
                    Ok(Some(held)) => freshness.attend(&held.id.scope()),
                    Ok(None) => drop(self.rouse(kind, &ScopeFilter::Everywhere)),
                    // A store that cannot be read says so to whoever reads.
                    Err(_) => {}
                }
            }
            Address::Summary | Address::Freshness | Address::Changes => {}
        }
    }
}

impl RousedSweeps<'_> {
    /// In how many of the woken scopes the sweep that was asked for has neither ended nor failed.
    #[must_use]
    pub fn under_way(&self) -> usize {
        let freshness = self.core.ingest.freshness();
        let is_under_way = |scope: &Scope, asked| {
            let state = freshness.of(scope, &self.kind.kind());
            state.is_some_and(|state| {
                let is_swept = state.complete.is_some_and(|swept| swept.started >= asked);
                !is_swept && state.trouble.is_none() && state.unwatched_since.is_none()
            })
        };
        self.roused.woken.iter().filter(|(scope, asked)| is_under_way(scope, *asked)).count()
    }

    /// What an answer says of scopes that it did not wait for: those still under way, and those that rest.
    #[must_use]
    pub fn told(&self, under_way: usize) -> Option<String> {
        let scopes =
            |count: usize| if count == 1 { "1 quiet scope".to_owned() } else { format!("{count} quiet scopes") };
        let waits =
            (under_way > 0).then(|| format!("{}: being swept now, so ask again in a few seconds", scopes(under_way)));
        let resting = self.roused.resting;
        let rests = (resting > 0).then(|| {
            format!(
                "{}: swept rarely, because nothing happens there; name `account` and `region` to have one swept at once",
                scopes(resting)
            )
        });
        let told: Vec<String> = waits.into_iter().chain(rests).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}
