//! What the store holds of the way from the internet to network interfaces.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::answer::{Exposure, Hop, ReachVerdict, Segment};
use super::groups::maps;
use super::parts::{Documents, Known, RouteTable};
use super::ports::{Ports, Protocol};
use super::reach::{PublicAddresses, Reach, no_address};
use super::routes::{Routes, leads_elsewhere};
use crate::kinds::{INTERNET_GATEWAY, KindSpec, NETWORK_ACL, NETWORK_INTERFACE, ROUTE_TABLE, SECURITY_GROUP, SUBNET};
use crate::model::{Current, Document, ResourceId, Row, Scope, ScopeFilter};
use crate::query::unsure::Unsure;
use crate::store::{Comparison, Matcher, On, ReadError, RowView, Snapshot, Store, ValuePattern};

/// How many network interfaces are read from one snapshot.
const STEP: usize = 1_000;

/// A network interface, as far as reachability depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    /// Its security groups.
    pub groups: Vec<String>,
    /// Its public addresses.
    pub addresses: PublicAddresses,
}

impl Interface {
    /// The network interfaces in the document of an instance.
    #[must_use]
    pub fn of_instance(instance: &Document) -> Vec<Interface> {
        let interfaces = maps(instance.get("NetworkInterfaces"));
        interfaces.map(|map| Interface::of(&Document::new(map.clone()))).collect()
    }

    fn of(document: &Document) -> Self {
        let text = |path: &str| document.text(path).unwrap_or_default().to_owned();
        let mut groups = document.scalars("Groups.GroupId");
        groups.sort();
        let mut addresses = PublicAddresses {
            ipv4: document.scalars("PrivateIpAddresses.Association.PublicIp"),
            ..PublicAddresses::default()
        };
        if let Some(first) = document.text("Association.PublicIp")
            && !addresses.ipv4.iter().any(|known| known == first)
        {
            addresses.ipv4.insert(0, first.to_owned());
        }
        document.scalars("Ipv6Addresses.Ipv6Address").iter().for_each(|address| addresses.add_ipv6(address));
        Interface { id: text("NetworkInterfaceId"), vpc: text("VpcId"), subnet: text("SubnetId"), groups, addresses }
    }

    /// The instance that the row of a network interface is attached to, and the interface.
    fn of_row(row: &Row) -> Option<(String, Interface)> {
        Interface::of_view(&row.id.id, &RowView::of(row))
    }

    /// The same of a row that is only looked at, with the values of [`INTERFACE_FILTERS`].
    pub(in crate::query) fn of_view(id: &str, row: &RowView<'_>) -> Option<(String, Interface)> {
        let values = |filter| facets(NETWORK_INTERFACE, row, filter);
        let first = |filter| values(filter).next().unwrap_or_default().to_owned();
        let instance = values("attachment.instance-id").next()?.to_owned();
        let mut groups: Vec<String> = values("group-id").map(str::to_owned).collect();
        groups.sort();
        let ipv4 = values("addresses.association.public-ip").map(str::to_owned).collect();
        let mut addresses = PublicAddresses { ipv4, ..PublicAddresses::default() };
        values("ipv6-addresses.ipv6-address").for_each(|address| addresses.add_ipv6(address));
        let interface =
            Interface { id: id.to_owned(), vpc: first("vpc-id"), subnet: first("subnet-id"), groups, addresses };
        Some((instance, interface))
    }
}

/// The values of a filter in a row.
fn facets<'r>(kind: &KindSpec, row: &RowView<'r>, filter: &str) -> impl Iterator<Item = &'r str> {
    let number = kind.filter(filter).map(|filter| filter.number);
    let facets = row.facets.iter().filter(move |(facet, _)| Some(*facet) == number);
    facets.map(|(_, value)| *value)
}

/// The filters whose values make an [`Interface`].
pub(in crate::query) const INTERFACE_FILTERS: [&str; 6] = [
    "attachment.instance-id",
    "group-id",
    "addresses.association.public-ip",
    "ipv6-addresses.ipv6-address",
    "vpc-id",
    "subnet-id",
];

/// Where documents are read from.
enum ReachHeld<'a> {
    /// Whatever the store holds by now.
    Newest(&'a Store),
    /// One state of it, with the rows that were looked through, by scope and kind.
    At(&'a Snapshot, RefCell<HashMap<(Scope, &'static str), Vec<Row>>>),
}

impl ReachHeld<'_> {
    fn current(&self, id: &ResourceId) -> Result<Option<Current>, ReadError> {
        match self {
            ReachHeld::Newest(store) => store.snapshot()?.current(id),
            ReachHeld::At(snapshot, _) => snapshot.current(id),
        }
    }

    /// The resources of a kind that match.
    fn ids(&self, scope: &Scope, kind: &'static KindSpec, matcher: &Matcher) -> Result<Vec<ResourceId>, ReadError> {
        let (snapshot, rows) = match self {
            ReachHeld::Newest(store) => {
                return Ok(store.scan(&kind.kind(), &scope.into(), matcher, None, usize::MAX)?.ids);
            }
            ReachHeld::At(snapshot, rows) => (snapshot, rows),
        };
        let mut rows = rows.borrow_mut();
        let rows = match rows.entry((scope.clone(), kind.slug)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(snapshot.rows(&kind.kind(), &scope.into(), None, usize::MAX)?),
        };
        Ok(rows.iter().filter(|row| matcher.matches(row)).map(|row| row.id.clone()).collect())
    }
}

/// Answers for many network interfaces; each subnet and set of security groups is judged once.
pub struct Reaches<'a> {
    held: ReachHeld<'a>,
    unsure: Unsure<'a>,
    made: HashMap<(Scope, String, Vec<String>), Arc<Reach>>,
}

impl<'a> Reaches<'a> {
    /// Of what `store` holds. `unsure` says which of it cannot be relied on.
    #[must_use]
    pub fn new(store: &'a Store, unsure: Unsure<'a>) -> Self {
        Reaches { held: ReachHeld::Newest(store), unsure, made: HashMap::new() }
    }

    /// Of what one state of the store holds.
    #[must_use]
    pub fn at(snapshot: &'a Snapshot, unsure: Unsure<'a>) -> Self {
        let held = ReachHeld::At(snapshot, RefCell::default());
        Reaches { held, unsure, made: HashMap::new() }
    }

    /// What the internet can reach at any network interface like this one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(&mut self, scope: &Scope, interface: &Interface) -> Result<Arc<Reach>, ReadError> {
        let key = (scope.clone(), interface.subnet.clone(), interface.groups.clone());
        if let Some(made) = self.made.get(&key) {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(Reach::of(&self.documents(scope, interface)?));
        self.made.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// Whether the internet can reach any of these ports at any of an instance's network interfaces: the worst answer.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn ask(
        &mut self,
        scope: &Scope,
        interfaces: &[Interface],
        protocol: Protocol,
        ports: Ports,
    ) -> Result<Exposure, ReadError> {
        let mut worst: Option<Exposure> = None;
        for interface in interfaces.iter().filter(|interface| !interface.addresses.is_empty()) {
            let answer = self.of(scope, interface)?.ask(&interface.addresses, protocol, ports);
            if worst.as_ref().is_none_or(|worst| worst.verdict < answer.verdict) {
                worst = Some(answer);
            }
        }
        Ok(worst.unwrap_or_else(no_address))
    }

    /// The answer of [`Reaches::ask`] without what decides: for many instances.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn verdict(
        &mut self,
        scope: &Scope,
        interfaces: &[Interface],
        protocol: Protocol,
        ports: Ports,
    ) -> Result<ReachVerdict, ReadError> {
        let mut worst = ReachVerdict::NotReachable;
        for interface in interfaces.iter().filter(|interface| !interface.addresses.is_empty()) {
            worst = worst.max(self.of(scope, interface)?.verdict(&interface.addresses, protocol, ports));
        }
        Ok(worst)
    }

    /// What of an instance is open to the internet, and what may be: stretches of ports with the verdicts `reachable` and
    /// `unknown`, joined over its network interfaces and both families.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(&mut self, scope: &Scope, interfaces: &[Interface]) -> Result<Vec<Open>, ReadError> {
        let mut found: Vec<Open> = Vec::new();
        for interface in interfaces.iter().filter(|interface| !interface.addresses.is_empty()) {
            let reach = self.of(scope, interface)?;
            let open =
                reach.segments(&interface.addresses).filter(|segment| segment.verdict != ReachVerdict::NotReachable);
            for Segment { family, protocol, ports, verdict, hops } in open {
                let from = family.everything();
                let open = Open { protocol: *protocol, ports: *ports, from, verdict: *verdict, hops: hops.clone() };
                if !found.contains(&open) {
                    found.push(open);
                }
            }
        }
        Ok(found)
    }

    /// The documents between the internet and a network interface.
    fn documents(&self, scope: &Scope, interface: &Interface) -> Result<Documents, ReadError> {
        let Interface { vpc, subnet, groups, .. } = interface;
        let held = |id: &String| Ok((id.clone(), self.document(scope, SECURITY_GROUP, id)?));
        let subnet_document = self.document(scope, SUBNET, subnet)?;
        let table = self.table(scope, vpc, subnet, subnet_document.as_ref().ok())?;
        Ok(Documents {
            vpc: vpc.clone(),
            subnet: (subnet.clone(), subnet_document),
            groups: groups.iter().map(held).collect::<Result<_, ReadError>>()?,
            acl: self.acl(scope, subnet)?,
            gateways: self.gateways(scope, table.as_ref().ok())?,
            table,
        })
    }

    /// Why what is held of a kind cannot be relied on.
    fn doubt(&self, scope: &Scope, kind: &'static KindSpec) -> Option<String> {
        (self.unsure)(scope, kind).map(|why| format!("{}: {why}", kind.plural))
    }

    fn document(&self, scope: &Scope, kind: &'static KindSpec, id: &str) -> Result<Known<Document>, ReadError> {
        if let Some(why) = self.doubt(scope, kind) {
            return Ok(Err(why));
        }
        match self.held.current(&ResourceId::new(scope, &kind.kind(), id)) {
            Ok(Some(current)) => Ok(Ok(current.document)),
            Ok(None) => Ok(Err(format!("{id} is not held"))),
            Err(ReadError::Damaged(_)) => Ok(Err(format!("what is held of {id} is damaged"))),
            Err(error) => Err(error),
        }
    }

    /// The only resource of a kind whose filters have these values; `None` when there is none.
    fn only(
        &self,
        scope: &Scope,
        kind: &'static KindSpec,
        filters: &[(&str, &str)],
    ) -> Result<Known<Option<(String, Document)>>, ReadError> {
        if let Some(why) = self.doubt(scope, kind) {
            return Ok(Err(why));
        }
        let matcher =
            filters.iter().fold(Matcher::any(), |matcher, (name, value)| matcher.and(test(kind, name, value)));
        let found = self.held.ids(scope, kind, &matcher)?;
        match found.as_slice() {
            [] => Ok(Ok(None)),
            [id] => Ok(self.document(scope, kind, &id.id)?.map(|document| Some((id.id.to_string(), document)))),
            _ => Ok(Err(format!("{} {} are held where there is only one", found.len(), kind.plural))),
        }
    }

    fn acl(&self, scope: &Scope, subnet: &str) -> Result<Known<(String, Document)>, ReadError> {
        let found = self.only(scope, NETWORK_ACL, &[("association.subnet-id", subnet)])?;
        Ok(found.and_then(|found| found.ok_or_else(|| format!("no network ACL of {subnet} is held"))))
    }

    fn table(
        &self,
        scope: &Scope,
        vpc: &str,
        subnet: &str,
        subnet_document: Option<&Document>,
    ) -> Result<Known<RouteTable>, ReadError> {
        let own = match self.only(scope, ROUTE_TABLE, &[("association.subnet-id", subnet)])? {
            Ok(own) => own,
            Err(why) => return Ok(Err(why)),
        };
        let is_explicit = own.is_some();
        let main = [("vpc-id", vpc), ("association.main", "true")];
        let table = match own {
            Some(own) => Ok(Some(own)),
            None => self.only(scope, ROUTE_TABLE, &main)?,
        };
        let (id, document) = match table {
            Ok(Some(table)) => table,
            Ok(None) => return Ok(Err(format!("no route table of {subnet}, and no main one of {vpc}, is held"))),
            Err(why) => return Ok(Err(why)),
        };
        let edges = Matcher::any().and(test(ROUTE_TABLE, "vpc-id", vpc)).and(vec![Comparison {
            on: on(ROUTE_TABLE, "association.gateway-id"),
            pattern: ValuePattern::new("igw-*"),
        }]);
        let mut edge = None;
        for id in self.held.ids(scope, ROUTE_TABLE, &edges)? {
            match self.document(scope, ROUTE_TABLE, &id.id)? {
                Ok(table) if leads_elsewhere(&table, subnet_document) => edge = Some(id.id.to_string()),
                Ok(_) => {}
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(RouteTable { id, document, is_explicit, edge }))
    }

    /// The internet gateways that a route table leads to, as far as they are held.
    fn gateways(&self, scope: &Scope, table: Option<&RouteTable>) -> Result<Known<Vec<(String, Document)>>, ReadError> {
        if let Some(why) = self.doubt(scope, INTERNET_GATEWAY) {
            return Ok(Err(why));
        }
        let routes = table.and_then(|table| Routes::of(&table.document)).unwrap_or_default();
        let mut found = Vec::new();
        for id in routes.gateways() {
            if let Ok(document) = self.document(scope, INTERNET_GATEWAY, id)? {
                found.push((id.to_owned(), document));
            }
        }
        Ok(Ok(found))
    }
}

/// Ports of an instance that the internet can reach, or may be able to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The protocol.
    pub protocol: Protocol,
    /// The ports.
    pub ports: Ports,
    /// From everywhere: `0.0.0.0/0` or `::/0`.
    pub from: &'static str,
    /// `reachable` or `unknown`.
    pub verdict: ReachVerdict,
    /// What traffic passes, from the internet inwards.
    pub hops: Vec<Hop>,
}

/// Every instance that has a public address, with the network interfaces that have one, in some scopes or everywhere. Only these can
/// be reached directly; where network interfaces cannot be relied on, some may be missing.
///
/// # Errors
/// When the store cannot be read.
pub fn each_public(store: &Store, scope: &ScopeFilter) -> Result<HashMap<(Scope, String), Vec<Interface>>, ReadError> {
    let with = |filter| Comparison { on: on(NETWORK_INTERFACE, filter), pattern: ValuePattern::new("*") };
    let public = vec![with("addresses.association.public-ip"), with("ipv6-addresses.ipv6-address")];
    let matcher = Matcher::any().and(public).and(vec![with("attachment.instance-id")]);
    // At once: each page would count anew how many there are.
    let ids = store.scan(&NETWORK_INTERFACE.kind(), scope, &matcher, None, usize::MAX)?.ids;
    let mut found: HashMap<(Scope, String), Vec<Interface>> = HashMap::new();
    for ids in ids.chunks(STEP) {
        let snapshot = store.snapshot()?;
        for id in ids {
            let Some((instance, interface)) = snapshot.row(id)?.as_ref().and_then(Interface::of_row) else { continue };
            if !interface.addresses.is_empty() {
                found.entry((id.scope(), instance)).or_default().push(interface);
            }
        }
    }
    Ok(found)
}

/// What a filter of a kind is on. Filters are named here as the registry names them, which a test holds.
fn on(kind: &KindSpec, filter: &str) -> On {
    // A number that no filter has matches nothing.
    On::Facet(kind.filter(filter).map_or(u16::MAX, |filter| filter.number))
}

/// That a filter has this value as it stands.
fn test(kind: &KindSpec, filter: &str, value: &str) -> Vec<Comparison> {
    vec![Comparison { on: on(kind, filter), pattern: ValuePattern::exactly(value) }]
}

#[cfg(test)]
mod tests;
