//! Questions to the index in memory, as far as the asker may see.

use std::borrow::Cow;

use super::handle::Store;
use super::index::{AlikeRows, IndexRows, OrderedPage, RowSelection, Scan};
use super::matcher::{Matcher, On};
use crate::model::{Kind, ResourceId, Scope, ScopeFilter, Seq};

impl Store {
    /// The matcher that finds of a kind what the asker may see; `None` where the index cannot tell that.
    fn of_the_asker<'m>(&self, kind: &Kind, matcher: &'m Matcher) -> Option<Cow<'m, Matcher>> {
        match &self.1 {
            None => Some(Cow::Borrowed(matcher)),
            Some(sight) => matcher.limited_to(&sight.visibility, kind).map(Cow::Owned),
        }
    }

    /// As [`Index::scan`](super::Index::scan) of what the asker may see. `None` where only rows can tell that.
    #[must_use]
    pub fn find(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Option<Scan> {
        self.0.index.scan(kind, scope, &*self.of_the_asker(kind, matcher)?, after, limit)
    }

    /// As [`Index::alike`](super::Index::alike) of what the asker may see. `None` where only rows can tell that.
    #[must_use]
    pub fn alike(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        by: &[On],
    ) -> Option<(Vec<AlikeRows>, Seq)> {
        self.0.index.alike(kind, scope, &*self.of_the_asker(kind, matcher)?, by)
    }

    /// As [`Index::copied`](super::Index::copied) of what the asker may see. `None` where only rows can tell that.
    #[must_use]
    pub fn copied(
        &self,
        kind: &Kind,
        at: Seq,
        selection: &RowSelection<'_>,
        mut sees: impl FnMut(&Scope) -> bool,
    ) -> Option<IndexRows> {
        let Some(sight) = &self.1 else { return self.0.index.copied(kind, at, selection, sees) };
        if sight.visibility.goes_by_tags(kind) {
            return None;
        }
        let may_see = |scope: &Scope| {
            sight.visibility.may_see_any_of(scope.account.as_str(), scope.region.as_str(), kind) && sees(scope)
        };
        self.0.index.copied(kind, at, selection, may_see)
    }

    /// As [`Index::ordered`](super::Index::ordered) of what the asker may see. `None` where only rows can tell that.
    #[must_use]
    pub fn ordered<K: Ord + Clone>(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        page: &OrderedPage<'_, K>,
        place: &dyn Fn(Option<&str>) -> K,
    ) -> Option<Scan> {
        self.0.index.ordered(kind, scope, &*self.of_the_asker(kind, matcher)?, page, place)
    }
}
