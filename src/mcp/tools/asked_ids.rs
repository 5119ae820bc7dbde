//! The ids that the filters of a search ask for, and what became of those that it did not find.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schema;
use super::table::AnswerText;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::ScopeFilter;
use crate::model::text::shown;
use crate::query::selection::MatchingRows;
use crate::query::{Filters, Query};

/// How many ids the text names.
const NAMED: usize = 50;

/// The ids that were asked for and not found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedIds {
    /// No such resource is known where the search looked.
    unknown: Vec<String>,
    /// They are known, but other filters leave them out.
    excluded: Vec<String>,
    /// They are known, but not in the account or region that the search is confined to.
    elsewhere: Vec<String>,
}

impl AskedIds {
    /// Those of a search. Ids with wildcards ask for none in particular.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(core: &Core, kind: &'static KindSpec, query: &Query) -> Result<Self, RequestError> {
        let Some(filter) = kind.id_filter() else {
            return Ok(AskedIds::default());
        };
        let by_id = query.filters.each().filter(|(name, ..)| *name == filter.name).flat_map(|(_, _, tests)| tests);
        let asked: BTreeSet<String> = by_id.filter_map(|test| test.pattern.exact()).map(str::to_owned).collect();
        if asked.is_empty() {
            return Ok(AskedIds::default());
        }
        let found = |filters: Filters, scope: &ScopeFilter| {
            let filters = filters.and_ids(kind, asked.clone(), std::iter::once((filter.name, &[][..])));
            let point = query.point;
            let mut ids = BTreeSet::new();
            let selection = MatchingRows { kind: &query.kind, scope, filters: &filters, point, is_lent: false };
            selection.each(&core.store, |row| {
                ids.insert(row.id.id.to_string());
            })?;
            Ok::<_, RequestError>(ids)
        };
        let found_ids = found(query.filters.clone(), &query.scope)?;
        if asked.is_subset(&found_ids) {
            return Ok(AskedIds::default());
        }
        let known = found(Filters::default(), &query.scope)?;
        let (excluded, left): (_, Vec<String>) =
            asked.difference(&found_ids).cloned().partition(|id| known.contains(id));
        let anywhere =
            if left.is_empty() { BTreeSet::new() } else { found(Filters::default(), &ScopeFilter::Everywhere)? };
        let (elsewhere, unknown) = left.into_iter().partition(|id| anywhere.contains(id));
        Ok(AskedIds { unknown, excluded, elsewhere })
    }

    /// In lines of text.
    #[must_use]
    pub fn said(&self) -> String {
        let parts = [
            (&self.unknown, "Not known"),
            (&self.excluded, "Known, but left out by the other filters"),
            (&self.elsewhere, "Known, but in another account or region"),
        ];
        let mut said = AnswerText::default();
        for (ids, what) in parts.iter().filter(|(ids, _)| !ids.is_empty()) {
            let named: Vec<String> = ids.iter().take(NAMED).map(|id| shown(id, 80)).collect();
            let more = match ids.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            said.add(format_args!("\n{what}: {}{more}", named.join(", ")));
        }
        said.into()
    }

    /// The fields of an answer.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let parts =
            [("ids_unknown", &self.unknown), ("ids_excluded", &self.excluded), ("ids_elsewhere", &self.elsewhere)];
        let parts = parts.into_iter().filter(|(_, ids)| !ids.is_empty());
        parts.map(|(name, ids)| (name.to_owned(), json!(ids))).collect()
    }

    /// The schema of those that are not known.
    #[must_use]
    pub fn unknown_described() -> Value {
        schema::list(json!({"type": "string"}), "IDs in the filters that are not known.")
    }

    /// The schema of those that are elsewhere.
    #[must_use]
    pub fn elsewhere_described() -> Value {
        schema::list(json!({"type": "string"}), "IDs in the filters that are known, but in another account or region.")
    }

    /// The schema of those that are left out.
    #[must_use]
    pub fn excluded_described() -> Value {
        schema::list(json!({"type": "string"}), "IDs in the filters that are known, but left out by the other filters.")
    }
}
