//! The scopes of a kind's rows, each with a number.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::{ResourceId, Scope, Timestamp};

/// Scopes by number.
#[derive(Default)]
pub(super) struct ScopeNumbers {
    all: Vec<Arc<Scope>>,
    numbers: HashMap<Scope, u16>,
    /// The number that was asked for last: rows come by the thousand from one scope.
    last: u16,
}

/// The scopes of a search: one, or all that are watched.
pub(super) struct WantedScopes<'a> {
    pub(super) scope: Option<&'a Scope>,
    pub(super) retired: &'a BTreeMap<Scope, Timestamp>,
}

/// The same, by number.
#[derive(PartialEq)]
pub(super) enum NumberedScopes {
    Only(u16),
    AllBut(Vec<u16>),
}

impl NumberedScopes {
    pub(super) fn hold(&self, scope: u16) -> bool {
        match self {
            NumberedScopes::Only(wanted) => *wanted == scope,
            NumberedScopes::AllBut(left_out) => !left_out.contains(&scope),
        }
    }
}

impl ScopeNumbers {
    /// The number of a resource's scope, which is added if new; `None` when numbers run out.
    pub(super) fn intern(&mut self, id: &ResourceId) -> Option<u16> {
        if self.get(self.last).is_some_and(|last| last.account == id.account && last.region == id.region) {
            return Some(self.last);
        }
        let scope = id.scope();
        self.last = if let Some(number) = self.number(&scope) {
            number
        } else {
            let number = u16::try_from(self.all.len()).ok()?;
            self.all.push(Arc::new(scope.clone()));
            self.numbers.insert(scope, number);
            number
        };
        Some(self.last)
    }

    /// The number of a known scope.
    pub(super) fn number(&self, scope: &Scope) -> Option<u16> {
        self.numbers.get(scope).copied()
    }

    /// The scope with a number.
    pub(super) fn get(&self, number: u16) -> Option<&Arc<Scope>> {
        self.all.get(usize::from(number))
    }

    /// All scopes with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &Arc<Scope>)> {
        (0..).zip(&self.all)
    }

    /// Those of a search; `None` if no row is in the one that is wanted.
    pub(super) fn known(&self, wanted: &WantedScopes<'_>) -> Option<NumberedScopes> {
        Some(match wanted.scope {
            Some(scope) => NumberedScopes::Only(self.number(scope)?),
            None => NumberedScopes::AllBut(wanted.retired.keys().filter_map(|scope| self.number(scope)).collect()),
        })
    }
}
