//! What uses a resource, and what it uses: from the ids that kinds declare among their filters, never from documents.
//!
//! Most references say that the resource that holds them uses the one that they name: an instance its subnet. Some kinds hold
//! references to what uses *them*: a volume the instance that it is attached to, a network ACL its subnets.

mod reference;

use std::collections::BTreeMap;

pub use self::reference::{Direction, Edge, Reference, edges, references, references_of};

use crate::kinds::{KINDS, KindSpec};
use crate::model::{Row, ScopeFilter};
use crate::query::unsure::Unsure;
use crate::store::{Matcher, On, ReadError, Store};

/// What may use a resource of each kind and is no kind of this inventory. Much of what AWS runs in a VPC (load balancers, databases,
/// functions) shows as a network interface, which is one.
const NOT_HELD: [(&str, &[&str]); 13] = [
    ("instance", &["load balancer target groups", "Auto Scaling groups"]),
    ("vpc", &["VPC endpoints", "VPC peering connections", "transit gateway attachments", "VPN gateways", "flow logs"]),
    ("subnet", &["load balancers", "Auto Scaling groups", "database subnet groups", "transit gateway attachments"]),
    ("route-table", &["VPC endpoints", "VPN gateways"]),
    ("internet-gateway", &[]),
    ("nat-gateway", &[]),
    ("network-acl", &[]),
    ("security-group", &["launch templates", "groups of peered VPCs", "stopped databases and functions"]),
    ("network-interface", &["VPC endpoints", "flow logs"]),
    ("address", &["DNS records", "allow lists elsewhere"]),
    ("volume", &["backup and lifecycle policies"]),
    ("snapshot", &["launch templates", "images of other accounts", "backup and lifecycle policies"]),
    ("image", &["launch templates", "Auto Scaling groups", "other accounts"]),
];

/// Resources of one kind that are related to another in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedResource {
    /// Their kind; what their ids begin with, for a kind of which nothing is held.
    pub kind: String,
    /// The filters that hold the references, in either resource.
    pub via: Vec<&'static str>,
    /// How many there are.
    pub count: u64,
    /// The first of them, in the order of their ids.
    pub ids: Vec<String>,
}

/// What a resource uses and what uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    /// By what they have to do with it, from its point of view; of each the most numerous first.
    pub related: BTreeMap<Direction, Vec<RelatedResource>>,
    /// The kinds that may use it, were searched and can be relied on.
    pub searched: Vec<&'static str>,
    /// The kinds that may use it and cannot be relied on, with the reason.
    pub unsure: Vec<(&'static str, String)>,
    /// What may use it and is no kind of this inventory.
    pub not_held: &'static [&'static str],
}

/// Whether a resource can be deleted without something that uses it noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletable {
    /// No: something uses it.
    InUse,
    /// Nothing that is held uses it, and something that is not held may.
    Unknown,
    /// Everything that can use it is held, and nothing does.
    NoUseFound,
}

impl Relations {
    /// Those that have this to do with it.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &[RelatedResource] {
        self.related.get(&direction).map_or(&[], Vec::as_slice)
    }

    /// Whether the resource can be deleted.
    #[must_use]
    pub fn deletable(&self) -> Deletable {
        if !self.of(Direction::UsedBy).is_empty() {
            return Deletable::InUse;
        }
        if self.unsure.is_empty() && self.not_held.is_empty() { Deletable::NoUseFound } else { Deletable::Unknown }
    }
}

/// Related resources of one kind, while they are gathered.
#[derive(Default)]
struct Found {
    via: Vec<&'static str>,
    /// How many there are, where not all are listed.
    count: u64,
    ids: Vec<String>,
}

impl Found {
    fn add(&mut self, via: &'static str, id: String) {
        if !self.via.contains(&via) {
            self.via.push(via);
        }
        self.ids.push(id);
    }
}

/// What has to do with the resource of `row`, everywhere that is watched, in kinds that are. At most `limit` ids of each kind are listed.
///
/// # Errors
/// When the store cannot be read.
pub fn relations(
    store: &Store,
    kind: &'static KindSpec,
    row: &Row,
    limit: usize,
    unsure: Unsure<'_>,
    is_watched: &dyn Fn(&'static KindSpec) -> bool,
) -> Result<Relations, ReadError> {
    let mut found: BTreeMap<(Direction, String), Found> = BTreeMap::new();
    for (reference, edge) in edges(kind, row) {
        let to = edge.to_kind.map_or_else(|| prefix_of(&edge.to), str::to_owned);
        found.entry((reference.direction(), to)).or_default().add(edge.via, edge.to);
    }
    let mut relations = Relations {
        not_held: NOT_HELD.iter().find(|(slug, _)| *slug == kind.slug).map_or(&[], |(_, names)| *names),
        ..Relations::default()
    };
    for from in KINDS.iter().copied() {
        let naming: Vec<Reference> =
            references().filter(|reference| reference.from.slug == from.slug && reference.may_name(kind)).collect();
        // What uses it may stand in itself: then it has to be fresh.
        let says_itself = |reference: &Reference| reference.direction() == Direction::UsedBy;
        let is_own = from.slug == kind.slug && references().any(|one| one.from.slug == from.slug && says_itself(&one));
        if naming.is_empty() && !is_own {
            continue;
        }
        match unsure(&row.id.scope(), from) {
            Some(why) => relations.unsure.push((from.slug, why)),
            None => relations.searched.push(from.slug),
        }
        let mut by_direction: BTreeMap<Direction, Vec<&Reference>> = BTreeMap::new();
        for reference in &naming {
            by_direction.entry(reference.direction().reversed()).or_default().push(reference);
        }
        for (direction, naming) in by_direction.into_iter().filter(|_| is_watched(from)) {
            holding(store, row, from, &naming, limit, found.entry((direction, from.slug.to_owned())).or_default())?;
        }
    }
    for ((direction, kind), Found { mut via, count, mut ids }) in found {
        ids.sort();
        ids.dedup();
        if ids.is_empty() {
            continue;
        }
        let count = count.max(ids.len() as u64);
        ids.truncate(limit);
        via.sort_unstable();
        relations.related.entry(direction).or_default().push(RelatedResource { kind, via, count, ids });
    }
    for related in relations.related.values_mut() {
        related.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.cmp(&b.kind)));
    }
    Ok(relations)
}

/// Adds the resources of `from` that hold one of these references to the resource of `row`.
fn holding(
    store: &Store,
    row: &Row,
    from: &'static KindSpec,
    naming: &[&Reference],
    limit: usize,
    found: &mut Found,
) -> Result<(), ReadError> {
    let id = &*row.id.id;
    let any = Matcher::any().and(naming.iter().map(|reference| reference.test(id)).collect());
    // One more than is listed, since one of them may be the resource itself.
    let named = store.scan(&from.kind(), &ScopeFilter::Everywhere, &any, None, limit.saturating_add(1))?;
    let is_own = |reference: &&&Reference| On::Facet(reference.facet).values(row).any(|value| value == id);
    let itself = row.id.kind == from.kind() && naming.iter().any(|reference| is_own(&reference));
    found.count = found.count.max(named.total.saturating_sub(u64::from(itself)));
    if found.count == 0 {
        return Ok(());
    }
    for reference in naming {
        let one = Matcher::any().and(vec![reference.test(id)]);
        if !found.via.contains(&reference.via)
            && store.scan(&from.kind(), &ScopeFilter::Everywhere, &one, None, 0)?.total > 0
        {
            found.via.push(reference.via);
        }
    }
    found.ids.extend(named.ids.iter().filter(|named| named.id != row.id.id).map(|named| named.id.to_string()));
    Ok(())
}

/// What the id of an unknown kind begins with.
fn prefix_of(id: &str) -> String {
    id.rsplit_once('-').map_or(id, |(prefix, _)| prefix).to_owned()
}

#[cfg(test)]
mod tests;
