//! `DescribeRouteTables`.

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::route_table::{Associated, Destination, Route, RouteTable, RouteTarget, TableAssociation};
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeRouteTables` call.
pub(super) fn answer(call: &Call) -> Answer {
    describe::<RouteTable>(call, |_| true)
}

impl Described for RouteTable {
    const ACTION: &'static str = "DescribeRouteTables";
    const KIND: Kind = Kind::RouteTable;
    const IDS: &'static str = "RouteTableId";
    const SET: &'static str = "routeTableSet";
    const BYTES: usize = 1_500;
    const PAGE: (i64, i64) = (5, 100);

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.route_tables(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.route_table(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, _at: Moment) {
        id(xml, call, "routeTableId", Kind::RouteTable, self.number);
        id(xml, call, "vpcId", Kind::Vpc, self.vpc);
        xml.text("ownerId", &call.account.plan().account);
        xml.within("routeSet", |xml| {
            for route in &self.routes {
                xml.within("item", |xml| write_route(xml, call, route));
            }
        });
        xml.within("associationSet", |xml| {
            for association in &self.associations {
                xml.within("item", |xml| write_association(xml, call, self.number, *association));
            }
        });
        xml.empty("propagatingVgwSet");
        self.tags.write(xml);
    }
}

fn write_route(xml: &mut Xml, call: &Call, route: &Route) {
    match &route.destination {
        Destination::Ipv4(range) => xml.text("destinationCidrBlock", range),
        Destination::Ipv6(range) => xml.text("destinationIpv6CidrBlock", range),
        Destination::PrefixList(list) => xml.text("destinationPrefixListId", list),
    }
    match route.target {
        RouteTarget::Local => xml.text("gatewayId", "local"),
        RouteTarget::Internet(number) => id(xml, call, "gatewayId", Kind::InternetGateway, number),
        RouteTarget::Endpoint(number) => id(xml, call, "gatewayId", Kind::VpcEndpoint, number),
        RouteTarget::Nat(number) => id(xml, call, "natGatewayId", Kind::NatGateway, number),
        RouteTarget::Peering(number) => id(xml, call, "vpcPeeringConnectionId", Kind::VpcPeering, number),
    }
    xml.text("state", route.state());
    xml.text("origin", route.origin());
}

fn write_association(xml: &mut Xml, call: &Call, table: u64, association: TableAssociation) {
    id(xml, call, "routeTableAssociationId", Kind::RouteTableAssociation, association.number);
    id(xml, call, "routeTableId", Kind::RouteTable, table);
    match association.with {
        Associated::Main => {}
        Associated::Subnet(subnet) => id(xml, call, "subnetId", Kind::Subnet, subnet),
        Associated::Gateway(gateway) => id(xml, call, "gatewayId", Kind::InternetGateway, gateway),
    }
    xml.flag("main", association.with == Associated::Main);
    xml.within("associationState", |xml| xml.text("state", "associated"));
}

impl RouteTable {
    fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.routes.iter().map(|route| &route.destination)
    }

    fn targets(&self) -> impl Iterator<Item = RouteTarget> {
        self.routes.iter().map(|route| route.target)
    }

    fn associated(&self) -> impl Iterator<Item = Associated> {
        self.associations.iter().map(|association| association.with)
    }
}

impl Filtered for RouteTable {
    const FILTERS: &'static [Filter<Self>] = &[
        ("association.gateway-id", |table, values| {
            let gateway = |with| if let Associated::Gateway(number) = with { Some(number) } else { None };
            values.ids(Kind::InternetGateway, table.associated().filter_map(gateway));
        }),
        ("association.main", |table, values| table.associated().for_each(|with| values.flag(with == Associated::Main))),
        ("association.route-table-association-id", |table, values| {
            values.ids(Kind::RouteTableAssociation, table.associations.iter().map(|association| association.number));
        }),
        ("association.route-table-id", |table, values| {
            values.ids(Kind::RouteTable, table.associations.first().map(|_| table.number));
        }),
        ("association.subnet-id", |table, values| {
            let subnet = |with| if let Associated::Subnet(number) = with { Some(number) } else { None };
            values.ids(Kind::Subnet, table.associated().filter_map(subnet));
        }),
        ("owner-id", |_, values| values.text(&values.plan.account)),
        ("route-table-id", |table, values| values.ids(Kind::RouteTable, [table.number])),
        ("route.destination-cidr-block", |table, values| {
            values.texts(table.destinations().filter_map(|destination| match destination {
                Destination::Ipv4(range) => Some(range.as_str()),
                _ => None,
            }));
        }),
        ("route.destination-ipv6-cidr-block", |table, values| {
            values.texts(table.destinations().filter_map(|destination| match destination {
                Destination::Ipv6(range) => Some(range.as_str()),
                _ => None,
            }));
        }),
        ("route.destination-prefix-list-id", |table, values| {
            values.texts(table.destinations().filter_map(|destination| match destination {
                Destination::PrefixList(list) => Some(list.as_str()),
                _ => None,
            }));
        }),
        ("route.egress-only-internet-gateway-id", |_, _| {}),
        ("route.gateway-id", |table, values| {
            for target in table.targets() {
                match target {
                    RouteTarget::Local => values.text("local"),
                    RouteTarget::Internet(number) => values.ids(Kind::InternetGateway, [number]),
                    RouteTarget::Endpoint(number) => values.ids(Kind::VpcEndpoint, [number]),
                    RouteTarget::Nat(_) | RouteTarget::Peering(_) => {}
                }
            }
        }),
        ("route.instance-id", |_, _| {}),
        ("route.nat-gateway-id", |table, values| {
            let nat = |target| if let RouteTarget::Nat(number) = target { Some(number) } else { None };
            values.ids(Kind::NatGateway, table.targets().filter_map(nat));
        }),
        ("route.origin", |table, values| values.texts(table.routes.iter().map(Route::origin))),
        ("route.state", |table, values| values.texts(table.routes.iter().map(Route::state))),
        ("route.transit-gateway-id", |_, _| {}),
        ("route.vpc-peering-connection-id", |table, values| {
            let peering = |target| if let RouteTarget::Peering(number) = target { Some(number) } else { None };
            values.ids(Kind::VpcPeering, table.targets().filter_map(peering));
        }),
        ("vpc-id", |table, values| values.ids(Kind::Vpc, [table.vpc])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|item| &item.tags);
}
