//! The names of a kind's rows, for lists of thousands.

use super::{KindIndex, packed};
use crate::model::packed::unpacked;
use crate::model::{Kind, ResourceId};
use crate::store::index::rows::IndexedRow;
use crate::store::index::scopes::WantedScopes;
use crate::store::index::terms::{TermSet, TermValue};
use crate::store::matcher::On;

impl KindIndex {
    /// Shows `visit` the id and name of at most `limit` rows of a kind, in list order, after `after`. Returns the last one; `None`
    /// if there was none. A row is named by its `Name` tag, or else by the value of the filter `named_by`.
    pub(in crate::store::index) fn each_name(
        &self,
        kind: &Kind,
        scopes: &WantedScopes<'_>,
        named_by: Option<u16>,
        after: Option<&ResourceId>,
        limit: usize,
        mut visit: impl FnMut(&str, Option<&str>),
    ) -> Option<ResourceId> {
        let scopes = self.scopes.known(scopes)?;
        let after = after.map(|after| (packed(&after.id), after.scope()));
        let first = after.as_ref().map_or(&[][..], |(id, _)| id);
        let following = self.rows.near(first).skip_while(|row| !self.is_after(row, after.as_ref()));
        let values = named_by.map(|facet| self.terms.shown(&On::Facet(facet)));
        let mut last = None;
        for row in following.filter(|row| scopes.hold(row.scope)).take(limit) {
            let id = unpacked(row.id);
            match self.name(&row, values.as_ref()) {
                Some(TermValue::Text(name)) => visit(&id, Some(&name)),
                Some(TermValue::Own) => visit(&id, Some(&id)),
                None => visit(&id, None),
            }
            last = Some(row);
        }
        let last = last?;
        Some(ResourceId::new(self.scopes.get(last.scope)?, kind, &*unpacked(last.id)))
    }

    /// The name of a row: that of its `Name` tag, or else the one of `values` that it has.
    fn name(&self, row: &IndexedRow<'_>, values: Option<&TermSet>) -> Option<TermValue<'_>> {
        let tag = row.terms.iter().find(|number| self.terms.is_name(*number));
        self.terms.value(tag.or_else(|| values?.shared(row.terms).next())?)
    }
}
