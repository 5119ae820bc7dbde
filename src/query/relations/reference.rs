//! References between resources: the ids that kinds declare among their filters. Rows hold them, so no document is read.

use crate::kinds::{self, KINDS, KindSpec};
use crate::model::{Form, ResourceId, Row};
use crate::store::{Comparison, On, ValuePattern};

/// Filters that name what uses the resource which has them, by kind.
const USED_BY: [(&str, &[&str]); 6] = [
    ("network-acl", &["association.subnet-id"]),
    ("route-table", &["association.subnet-id", "association.gateway-id"]),
    ("internet-gateway", &["attachment.vpc-id"]),
    ("volume", &["attachment.instance-id"]),
    ("network-interface", &["attachment.instance-id"]),
    ("address", &["instance-id", "network-interface-id"]),
];

/// Where a resource came from, which it does not need any more.
const ORIGINS: [(&str, &[&str]); 3] =
    [("volume", &["snapshot-id"]), ("snapshot", &["volume-id"]), ("image", &["source-image-id", "source-instance-id"])];

/// One kind of reference: resources of `from` name others by the filter `via`.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// The kind of those that hold it.
    pub from: &'static KindSpec,
    /// The filter that holds the ids.
    pub via: &'static str,
    /// The filter's number.
    pub facet: u16,
    /// What the ids begin with.
    prefixes: &'static [&'static str],
}

/// What the resource that holds a reference has to do with the one that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It uses it.
    Uses,
    /// It is used by it.
    UsedBy,
    /// It was made from it, and does not need it any more.
    MadeFrom,
    /// It was made into it.
    MadeInto,
}

impl Direction {
    /// The same, seen from the other resource.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Direction::Uses => Direction::UsedBy,
            Direction::UsedBy => Direction::Uses,
            Direction::MadeFrom => Direction::MadeInto,
            Direction::MadeInto => Direction::MadeFrom,
        }
    }
}

/// A reference from one resource to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The kind of the resource that holds it.
    pub from_kind: &'static str,
    /// That resource.
    pub from: ResourceId,
    /// The filter that holds it.
    pub via: &'static str,
    /// The kind of the resource that it names; `None` for a kind of which nothing is held.
    pub to_kind: Option<&'static str>,
    /// The id that it names.
    pub to: String,
}

impl Reference {
    /// What the resource that holds it has to do with the one that it names.
    #[must_use]
    pub fn direction(&self) -> Direction {
        let is_in = |table: &[(&str, &[&str])]| {
            table.iter().any(|(kind, filters)| *kind == self.from.slug && filters.contains(&self.via))
        };
        match () {
            () if is_in(&USED_BY) => Direction::UsedBy,
            () if is_in(&ORIGINS) => Direction::MadeFrom,
            () => Direction::Uses,
        }
    }

    /// Whether it may name resources of `kind`.
    #[must_use]
    pub fn may_name(&self, kind: &KindSpec) -> bool {
        kind.prefix.is_some_and(|prefix| self.prefixes.contains(&prefix))
    }

    /// Whether an id that it holds is one. A word in an id's place, such as `local`, names nothing.
    #[must_use]
    pub fn names(&self, id: &str) -> bool {
        self.prefixes.iter().any(|prefix| id.starts_with(prefix))
    }

    /// That a row holds this reference to the resource with this id.
    #[must_use]
    pub fn test(&self, id: &str) -> Comparison {
        Comparison { on: On::Facet(self.facet), pattern: ValuePattern::exactly(id) }
    }
}

/// Every kind of reference. A status has the id of its instance and is no resource of its own.
pub fn references() -> impl Iterator<Item = Reference> {
    let kinds = KINDS.iter().copied().filter(|kind| kind.status_of.is_none());
    kinds.flat_map(|from| {
        from.filters.iter().filter_map(move |filter| {
            let (Form::Id(prefixes) | Form::IdOr(prefixes, _)) = filter.form else { return None };
            // Its own id, also where it is repeated in a part of the document.
            let is_own = from.prefix.is_some_and(|own| prefixes == [own]) && !is_of_another(from, filter.name);
            // Of what ties two resources together, and is none itself.
            let is_tie = prefixes.iter().any(|prefix| prefix.ends_with("assoc-") || prefix.ends_with("attach-"));
            (!is_own && !is_tie).then_some(Reference { from, via: filter.name, facet: filter.number, prefixes })
        })
    })
}

/// Whether a filter with ids of the kind's own form names other resources of that kind.
fn is_of_another(kind: &KindSpec, filter: &str) -> bool {
    filter.contains("ip-permission") || kind.slug == "image" && filter == "source-image-id"
}

/// Every kind of reference that resources of `kind` hold, in the order of its filters.
pub fn references_of(kind: &'static KindSpec) -> impl Iterator<Item = Reference> {
    references().filter(move |reference| reference.from.slug == kind.slug)
}

/// The references that a row holds, in the order of its kind's filters. Those to itself are left out.
pub fn edges<'r>(kind: &'static KindSpec, row: &'r Row) -> impl Iterator<Item = (Reference, Edge)> + 'r {
    references_of(kind).flat_map(move |reference| {
        let named = row.fields.facets.iter().filter(move |(facet, id)| *facet == reference.facet && *id != *row.id.id);
        named.filter(move |(_, id)| reference.names(id)).map(move |(_, id)| {
            let to_kind = kinds::of_id(id).map(|kind| kind.slug);
            let edge = Edge { from_kind: kind.slug, from: row.id.clone(), via: reference.via, to_kind, to: id.clone() };
            (reference, edge)
        })
    })
}
