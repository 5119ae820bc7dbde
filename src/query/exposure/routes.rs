//! Where a route table sends what goes to the internet: the most specific route decides.

use super::address_set::{AddressSet, Family};
use super::groups::maps;
use crate::model::{Document, Map, Value};

/// The routes of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// A route to an internet gateway for a prefix list, whose addresses are not held.
    listed: Option<String>,
}

#[derive(Clone, Debug)]
struct Route {
    family: Family,
    length: u32,
    range: AddressSet,
    /// As it is written.
    destination: String,
    /// The internet gateway that it leads to, if it leads to one that is there.
    gateway: Option<String>,
}

impl Routes {
    /// Of the document of a route table; `None` when a route cannot be read, which might lead anywhere.
    #[must_use]
    pub(super) fn of(document: &Document) -> Option<Self> {
        let mut routes = Routes::default();
        for map in maps(document.get("Routes")) {
            if let Some(list) = text(map, "DestinationPrefixListId") {
                routes.listed = routes.listed.or_else(|| gateway(map).map(|_| list.to_owned()));
                continue;
            }
            let (family, destination) = match (text(map, "DestinationCidrBlock"), text(map, "DestinationIpv6CidrBlock"))
            {
                (Some(range), _) => (Family::V4, range),
                (None, Some(range)) => (Family::V6, range),
                (None, None) => return None,
            };
            let length = destination.split_once('/')?.1.parse().ok()?;
            let range = AddressSet::of(family, destination)?;
            let destination = destination.to_owned();
            routes.routes.push(Route { family, length, range, destination, gateway: gateway(map) });
        }
        routes.routes.sort_by_key(|route| route.length);
        Some(routes)
    }

    /// The internet gateways that any route leads to.
    pub(super) fn gateways(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().filter_map(|route| route.gateway.as_deref())
    }

    /// The addresses whose traffic leaves by the internet gateway `id`.
    #[must_use]
    pub(super) fn through(&self, family: Family, id: &str) -> AddressSet {
        self.routes.iter().filter(|route| route.family == family).fold(AddressSet::default(), |all, route| {
            if route.gateway.as_deref() == Some(id) { all.or(&route.range) } else { all.minus(&route.range) }
        })
    }

    /// The widest route to the internet gateway `id`, as it is written.
    #[must_use]
    pub(super) fn widest(&self, family: Family, id: &str) -> Option<&str> {
        let mut routes = self.routes.iter().filter(|route| route.family == family);
        let route = routes.find(|route| route.gateway.as_deref() == Some(id))?;
        Some(&route.destination)
    }

    /// A prefix list whose addresses are routed to an internet gateway.
    #[must_use]
    pub(super) fn listed(&self) -> Option<&str> {
        self.listed.as_deref()
    }
}

/// Whether a route table of an internet gateway leads what comes in for a subnet another way than straight to it: to a firewall. Of a
/// subnet that is not known it may do so by any route.
pub(super) fn leads_elsewhere(edge: &Document, subnet: Option<&Document>) -> bool {
    let ranges = |family, path: &str| {
        let written = subnet.map(|subnet| subnet.scalars(path)).unwrap_or_default();
        written
            .iter()
            .filter_map(|range| AddressSet::of(family, range))
            .fold(AddressSet::default(), |all, one| all.or(&one))
    };
    let v4 = ranges(Family::V4, "CidrBlock");
    let v6 = ranges(Family::V6, "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock");
    maps(edge.get("Routes")).filter(|route| text(route, "GatewayId") != Some("local")).any(|route| {
        let meets = |family, field, own: &AddressSet| {
            let range = text(route, field).and_then(|range| AddressSet::of(family, range));
            range.is_some_and(|range| !range.and(own).is_empty())
        };
        subnet.is_none()
            || meets(Family::V4, "DestinationCidrBlock", &v4)
            || meets(Family::V6, "DestinationIpv6CidrBlock", &v6)
    })
}

/// The internet gateway that a route leads to, unless that is gone.
fn gateway(route: &Map) -> Option<String> {
    let gateway = text(route, "GatewayId").filter(|id| id.starts_with("igw-"))?;
    (text(route, "State") != Some("blackhole")).then(|| gateway.to_owned())
}

fn text<'a>(map: &'a Map, name: &str) -> Option<&'a str> {
    match map.get(name)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
