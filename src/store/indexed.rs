//! Questions to the index in memory, as far as the asker may see.

use std::borrow::Cow;

use super::handle::Store;
use super::index::{AlikeRows, IndexRows, OrderedPage, RowSelection, Scan};
use super::matcher::{Matcher, On};
use super::snapshot::{ReadError, Snapshot};
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
        let any = Matcher::any();
        let Some(sight) = &self.1 else { return self.0.index.copied(kind, at, selection, &any, sees) };
        // Where only scopes decide, they are looked at once for all of their rows.
        let limits = if sight.visibility.goes_by_tags(kind) { any.limited_to(&sight.visibility, kind)? } else { any };
        let may_see = |scope: &Scope| {
            sight.visibility.may_see_any_of(scope.account.as_str(), scope.region.as_str(), kind) && sees(scope)
        };
        self.0.index.copied(kind, at, selection, &limits, may_see)
    }

    /// How many resources of a kind the asker sees in some scopes or all, as `snapshot` has them. Where tags decide the index tells, if
    /// it stands at the same record and holds every row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, snapshot: &Snapshot, kind: &Kind, scope: &ScopeFilter) -> Result<u64, ReadError> {
        let goes_by_tags = self.1.as_ref().is_some_and(|sight| sight.visibility.goes_by_tags(kind));
        if goes_by_tags
            && !self.may_lack_rows(kind)
            && let Some(found) = self.find(kind, scope, &Matcher::any(), None, 0)
            && found.seq == snapshot.seq()
        {
            return Ok(found.total);
        }
        snapshot.count(kind, scope)
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
