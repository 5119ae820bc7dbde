//! Route tables: the main one of each VPC, a public and a private one in most VPCs, and those that calls created.

use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::network::{S3_PREFIX_LIST, Vpc};
use crate::simulator::plan::{Plan, ZONES};
use crate::simulator::tags::Tags;

/// How many numbers the tables of a VPC have: for its main, public, private and edge table.
pub(crate) const TABLES: u64 = 4;

/// The destination of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// An IPv4 range.
    Ipv4(String),
    /// An IPv6 range.
    Ipv6(String),
    /// A prefix list of AWS.
    PrefixList(String),
}

/// The target of a route, by the number of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteTarget {
    /// The VPC itself.
    Local,
    Internet(u64),
    Nat(u64),
    /// A gateway endpoint for S3.
    Endpoint(u64),
    /// A peering connection. The simulator has none, so it counts as deleted.
    Peering(u64),
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: Destination,
    pub(crate) target: RouteTarget,
    /// Whether the target exists; otherwise the route is a blackhole. This is computed when the table is read.
    pub(crate) active: bool,
}

impl Route {
    pub(crate) const fn new(destination: Destination, target: RouteTarget) -> Self {
        Self { destination, target, active: true }
    }

    pub(crate) const fn state(&self) -> &'static str {
        if self.active { "active" } else { "blackhole" }
    }

    /// The origin of the route.
    pub(crate) const fn origin(&self) -> &'static str {
        if matches!(self.target, RouteTarget::Local) { "CreateRouteTable" } else { "CreateRoute" }
    }
}

/// What a table is associated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Associated {
    /// All subnets of the VPC without a table of their own.
    Main,
    Subnet(u64),
    /// An internet gateway.
    Gateway(u64),
}

/// One association of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableAssociation {
    pub(crate) number: u64,
    pub(crate) with: Associated,
}

/// One route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteTable {
    pub(crate) number: u64,
    pub(crate) vpc: u64,
    pub(crate) routes: Vec<Route>,
    pub(crate) associations: Vec<TableAssociation>,
    pub(crate) deleted: bool,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl RouteTable {
    /// A table that has only local routes.
    pub(crate) fn bare(number: u64, vpc: u64) -> Self {
        let network = Vpc::of(vpc);
        let local = |destination| Route::new(destination, RouteTarget::Local);
        let mut routes = vec![local(Destination::Ipv4(network.cidr))];
        routes.extend(network.ipv6.map(Destination::Ipv6).map(local));
        Self { number, vpc, routes, associations: Vec::new(), deleted: false, tags: Tags::default() }
    }

    /// The `number`th table of the formula, if it exists. The default VPC has only its main table.
    pub(crate) fn of(plan: &Plan, number: u64) -> Option<Self> {
        let (vpc, ordinal) = (number / TABLES, number % TABLES);
        if vpc >= plan.vpcs || (vpc == 0 && ordinal > 0) || (ordinal == 3 && vpc % 4 != 2) {
            return None;
        }
        let mut table = Self::bare(number, vpc);
        let everywhere = || Destination::Ipv4("0.0.0.0/0".to_owned());
        let (name, with) = match ordinal {
            1 => ("public", Associated::Subnet(vpc * ZONES)),
            2 => ("private", Associated::Subnet(vpc * ZONES + 1)),
            3 => ("edge", Associated::Gateway(vpc)),
            _ => ("main", Associated::Main),
        };
        if ordinal == 1 || vpc == 0 {
            let ipv6 = table.routes.len() > 1;
            table.routes.push(Route::new(everywhere(), RouteTarget::Internet(vpc)));
            if ipv6 {
                table.routes.push(Route::new(Destination::Ipv6("::/0".to_owned()), RouteTarget::Internet(vpc)));
            }
        }
        if ordinal == 2 {
            table.routes.push(Route::new(everywhere(), RouteTarget::Nat(NatGateway::public_of(vpc))));
            table
                .routes
                .push(Route::new(Destination::PrefixList(S3_PREFIX_LIST.to_owned()), RouteTarget::Endpoint(vpc)));
            if vpc % 3 == 1 {
                table.routes.push(Route::new(Destination::Ipv4("10.200.0.0/16".to_owned()), RouteTarget::Peering(vpc)));
            }
        }
        table.associations.push(TableAssociation { number, with });
        if vpc > 0 {
            table.tags.put("Name", format!("net-{vpc:02}-{name}"));
        }
        Some(table)
    }

    /// Whether it is the main table of its VPC.
    pub(crate) fn is_main(&self) -> bool {
        self.associations.iter().any(|association| association.with == Associated::Main)
    }
}
