//! The scopes of a kind's rows, each with a number.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::{ResourceId, Scope, ScopeFilter, Timestamp};

/// Scopes by number.
#[derive(Default)]
pub(super) struct ScopeNumbers {
    all: Vec<Arc<Scope>>,
    numbers: HashMap<Scope, u16>,
    /// The number that was asked for last: rows come by the thousand from one scope.
    last: u16,
}

/// The scopes of a search, and those that are no longer watched.
pub(super) struct WantedScopes<'a> {
    pub(super) filter: &'a ScopeFilter,
    pub(super) retired: &'a BTreeMap<Scope, Timestamp>,
}

/// The same, by number.
#[derive(PartialEq)]
pub(super) enum NumberedScopes {
    Only(u16),
    Some(NumberSet),
    AllBut(NumberSet),
}

/// A set of numbers: the bit of each is set.
#[derive(Debug, Default, PartialEq)]
pub(super) struct NumberSet(Vec<u64>);

impl NumberSet {
    fn has(&self, number: u16) -> bool {
        self.0.get(usize::from(number / 64)).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

impl FromIterator<u16> for NumberSet {
    fn from_iter<I: IntoIterator<Item = u16>>(numbers: I) -> Self {
        let mut words = Vec::new();
        for number in numbers {
            let place = usize::from(number / 64);
            if words.len() <= place {
                words.resize(place + 1, 0);
            }
            if let Some(word) = words.get_mut(place) {
                *word |= 1 << (number % 64);
            }
        }
        NumberSet(words)
    }
}

impl NumberedScopes {
    pub(super) fn hold(&self, scope: u16) -> bool {
        match self {
            NumberedScopes::Only(wanted) => *wanted == scope,
            NumberedScopes::Some(wanted) => wanted.has(scope),
            NumberedScopes::AllBut(left_out) => !left_out.has(scope),
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

    /// Those of a search; `None` if no row is in any that is wanted.
    pub(super) fn known(&self, wanted: &WantedScopes<'_>) -> Option<NumberedScopes> {
        Some(match wanted.filter {
            ScopeFilter::One(scope) => NumberedScopes::Only(self.number(scope)?),
            ScopeFilter::Everywhere => {
                NumberedScopes::AllBut(wanted.retired.keys().filter_map(|scope| self.number(scope)).collect())
            }
            ScopeFilter::Several(set) => {
                let is_left = |scope: &Scope| set.with_retired || !wanted.retired.contains_key(scope);
                let are_meant = |scope: &Scope| wanted.filter.takes(scope) && is_left(scope);
                let mut numbers = self.iter().filter(|(_, scope)| are_meant(scope)).map(|(number, _)| number);
                let first = numbers.next()?;
                match numbers.next() {
                    None => NumberedScopes::Only(first),
                    Some(second) => NumberedScopes::Some([first, second].into_iter().chain(numbers).collect()),
                }
            }
        })
    }
}
