//! The memory of listed items, as the reader of a listing asks for it.

use std::sync::Arc;

use super::Freshness;
use crate::model::{ItemHash, ItemMemory, Kind, Scope, UnchangedItem};

/// What is remembered of the items of one kind in one scope.
struct KnownItems {
    freshness: Freshness,
    scope: Scope,
    kind: Kind,
}

impl Freshness {
    /// What the writer remembers of the listed items of a kind in a scope.
    #[must_use]
    pub fn known_items(&self, scope: &Scope, kind: &Kind) -> Arc<dyn ItemMemory> {
        Arc::new(KnownItems { freshness: self.clone(), scope: scope.clone(), kind: kind.clone() })
    }
}

impl ItemMemory for KnownItems {
    fn unchanged(&self, items: &[(&str, ItemHash)]) -> Vec<Option<UnchangedItem>> {
        self.freshness.view(&self.scope, &self.kind, |watched| {
            items.iter().map(|(id, hash)| watched?.memory.unchanged(id, *hash)).collect()
        })
    }
}
