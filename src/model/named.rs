//! The ids that a caller named: only these may be part of a call that changes AWS.
//!
//! No id from an answer of a describe, proxy or cache can become part of a [`Named`], so no answer can widen what a call changes.
//! Only the parser of a tool's arguments makes one. Rust's privacy cannot express that across two branches of one crate, so a test
//! of the sources (`tests/it/named.rs`) enforces it.

use std::sync::Arc;

use super::id::Scope;

/// The ids that a caller named in the arguments of one tool call: each once, in the given order.
#[derive(Debug)]
pub struct Named(Vec<Arc<str>>);

/// Some ids of a [`Named`], all in one account and region. Every call that changes AWS takes one.
///
/// It borrows from the [`Named`], so it holds only named ids.
#[derive(Clone, Debug)]
pub struct Chosen<'n> {
    ids: Vec<&'n Arc<str>>,
    scope: Scope,
}

impl Named {
    /// Takes the ids from the arguments of a call. Only the parser of arguments may call this.
    pub(crate) fn parsed_from_arguments(ids: Vec<String>) -> Self {
        let mut named: Vec<Arc<str>> = Vec::with_capacity(ids.len());
        for id in ids {
            if !named.iter().any(|known| **known == *id) {
                named.push(id.into());
            }
        }
        Named(named)
    }

    /// The ids, in the order in which they were given.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|id| &**id)
    }

    /// The position of `id`; `None` if nobody named it.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<usize> {
        self.0.iter().position(|named| **named == *id)
    }

    /// The named ids that `wanted` accepts, to be changed in `scope`.
    #[must_use]
    pub fn choose(&self, scope: &Scope, wanted: impl Fn(&str) -> bool) -> Chosen<'_> {
        Chosen { ids: self.0.iter().filter(|id| wanted(id)).collect(), scope: scope.clone() }
    }
}

impl<'n> Chosen<'n> {
    /// The account and region that the ids are in.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The ids, in the order in which they were named.
    #[must_use]
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &'n Arc<str>> {
        self.ids.iter().copied()
    }

    /// Whether `id` is exactly one of them.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.ids.iter().any(|chosen| ***chosen == *id)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The only id; `None` when there are none or several.
    #[must_use]
    pub fn single(&self) -> Option<&'n Arc<str>> {
        match self.ids.as_slice() {
            [id] => Some(id),
            _ => None,
        }
    }

    /// The ids as the SDK takes them.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.ids.iter().map(ToString::to_string).collect()
    }
}
