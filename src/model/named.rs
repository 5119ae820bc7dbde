//! The ids that a caller named: the only ids that a call which changes AWS may carry.
//!
//! Whatever a describe, a proxy or a cache answers, no id of an answer can become part of a [`Named`], so no answer can widen
//! what a call changes. Only the parser of a tool's arguments makes one; a test of the sources (`tests/it/named.rs`) holds
//! every other module to that, because the privacy of Rust's modules cannot say it across two branches of one crate.

use std::sync::Arc;

use super::id::Scope;

/// Ids that a caller named in the arguments of one tool call, each once, in the order in which they were given.
#[derive(Debug)]
pub struct Named(Vec<Arc<str>>);

/// Some of the ids of a [`Named`], all of them in one account and region. Every call that changes AWS takes one.
///
/// It points into the [`Named`] that it was chosen from, so it holds nothing that was not named.
#[derive(Clone, Debug)]
pub struct Chosen<'n> {
    ids: Vec<&'n Arc<str>>,
    scope: Scope,
}

impl Named {
    /// Takes the ids that the arguments of a call hold. The parser of arguments calls this, and nothing else may.
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

    /// The place of `id` among the ids; `None` when nobody named it.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<usize> {
        self.0.iter().position(|named| **named == *id)
    }

    /// The named ids that `wanted` accepts, to be looked for in `scope`.
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

    /// Whether `id` is one of them, letter by letter.
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
