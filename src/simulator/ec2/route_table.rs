//! `CreateRouteTable`, `DeleteRouteTable`, `CreateRoute`, `DeleteRoute`, `AssociateRouteTable` and
//! `DisassociateRouteTable`.
//!
//! Here, a route leads only to an internet gateway or a NAT gateway, and a table is associated only with subnets.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::client_token::ClientToken;
use crate::simulator::ec2::listing::{Described, id, named};
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::plan::ZONES;
use crate::simulator::refusal::Refusal;
use crate::simulator::route_table::{Associated, Destination, Route, RouteTable, RouteTarget, TableAssociation};

/// Answers a `CreateRouteTable` call.
pub(super) fn create(call: &Call) -> Answer {
    let vpc = listing::own_vpc(call)?;
    let tags = tagging::one(call.params, "route-table")?;
    let token = ClientToken::of(call.params, "CreateRouteTable");
    call.dry_run()?;
    let mut edit = call.account.edit();
    let made = token.again(edit.scene().tables())?.and_then(|number| edit.scene().route_table(number, edit.now()));
    let table = made.unwrap_or_else(|| edit.make(tags, |number| RouteTable::bare(number, vpc)));
    token.keep(edit.tables(), table.number);
    let now = edit.now();
    drop(edit);
    Ok(call.envelope("CreateRouteTable", 1_024, |xml| {
        xml.within("routeTable", |xml| table.write(xml, call, now));
        if let Some(token) = call.params.get("ClientToken") {
            xml.text("clientToken", token);
        }
    }))
}

/// Answers a `DeleteRouteTable` call. A main table, or a table that subnets use, cannot be deleted.
pub(super) fn delete(call: &Call) -> Answer {
    let table: RouteTable = named(call)?;
    call.dry_run()?;
    if !table.associations.is_empty() {
        let message = format!("The routeTable '{}' has dependencies and cannot be deleted.", table_id(call, &table));
        return Err(Refusal::new(400, "DependencyViolation", message));
    }
    call.account.edit().put(RouteTable { deleted: true, ..table });
    Ok(call.done("DeleteRouteTable"))
}

fn table_id(call: &Call, table: &RouteTable) -> String {
    call.account.plan().idents.text(Kind::RouteTable, table.number)
}

/// Answers a `CreateRoute` call.
pub(super) fn create_route(call: &Call) -> Answer {
    let mut table: RouteTable = named(call)?;
    let (destination, text) = destination(call)?;
    let target = target(call)?;
    call.dry_run()?;
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("The route identified by {text} already exists.");
        return Err(Refusal::new(400, "RouteAlreadyExists", message));
    }
    table.routes.push(Route::new(destination, target));
    call.account.edit().put(table);
    Ok(call.done("CreateRoute"))
}

/// Answers a `DeleteRoute` call.
pub(super) fn delete_route(call: &Call) -> Answer {
    let mut table: RouteTable = named(call)?;
    let (destination, text) = destination(call)?;
    call.dry_run()?;
    let Some(at) = table.routes.iter().position(|route| route.destination == destination) else {
        let message = format!("no route with destination-cidr-block {text} in route table {}", table_id(call, &table));
        return Err(Refusal::new(400, "InvalidRoute.NotFound", message));
    };
    if table.routes.remove(at).target == RouteTarget::Local {
        let message = format!("cannot remove local route {text} in route table {}", table_id(call, &table));
        return Err(Refusal::invalid_value(message));
    }
    call.account.edit().put(table);
    Ok(call.done("DeleteRoute"))
}

fn destination<'a>(call: &Call<'a>) -> Result<(Destination, &'a str), Refusal> {
    let (ipv4, ipv6) = (call.params.get("DestinationCidrBlock"), call.params.get("DestinationIpv6CidrBlock"));
    match (ipv4, ipv6) {
        (Some(range), None) => Ok((Destination::Ipv4(range.to_owned()), range)),
        (None, Some(range)) => Ok((Destination::Ipv6(range.to_owned()), range)),
        _ => Err(Refusal::missing("destinationCidrBlock or destinationIpv6CidrBlock")),
    }
}

fn target(call: &Call) -> Result<RouteTarget, Refusal> {
    let reading = call.account.reading();
    let (scene, now) = (reading.scene(), reading.now());
    if let Some(id) = call.params.get("GatewayId") {
        let exists = |number| scene.internet_gateway(number, now).is_some();
        return listing::number(call, Kind::InternetGateway, id, exists).map(RouteTarget::Internet);
    }
    let id = call.params.get("NatGatewayId").ok_or_else(|| Refusal::missing("gatewayId or natGatewayId"))?;
    listing::number(call, Kind::NatGateway, id, |number| scene.nat_gateway(number, now).is_some()).map(RouteTarget::Nat)
}

/// Answers an `AssociateRouteTable` call.
pub(super) fn associate(call: &Call) -> Answer {
    let mut table: RouteTable = named(call)?;
    let subnet_id = call.params.get("SubnetId").ok_or_else(|| Refusal::missing("subnetId"))?;
    let own = call.account.plan().vpcs * ZONES;
    let subnet = listing::number(call, Kind::Subnet, subnet_id, |number| number < own)?;
    if subnet / ZONES != table.vpc {
        let message =
            format!("Route table {} and subnet {subnet_id} belong to different networks", table_id(call, &table));
        return Err(Refusal::new(400, "InvalidParameterValue", message));
    }
    call.dry_run()?;
    let mut edit = call.account.edit();
    let (scene, now) = (edit.scene(), edit.now());
    let with = Associated::Subnet(subnet);
    let of_subnet = |table: &RouteTable| table.associations.iter().any(|known| known.with == with);
    if scene.route_tables(0).filter_map(|number| scene.route_table(number, now)).any(|table| of_subnet(&table)) {
        let message = format!("the specified association for route table {} conflicts", table_id(call, &table));
        return Err(Refusal::new(400, "Resource.AlreadyAssociated", message));
    }
    let number = edit.tables().associate();
    table.associations.push(TableAssociation { number, with });
    edit.put(table);
    drop(edit);
    Ok(call.envelope("AssociateRouteTable", 256, |xml| {
        id(xml, call, "associationId", Kind::RouteTableAssociation, number);
        xml.within("associationState", |xml| xml.text("state", "associated"));
    }))
}

/// Answers a `DisassociateRouteTable` call.
pub(super) fn disassociate(call: &Call) -> Answer {
    let association = call.params.get("AssociationId").ok_or_else(|| Refusal::missing("associationId"))?;
    let unknown = || Refusal::not_found("InvalidAssociationID.NotFound", "association ID", &[association]);
    let number = call.account.plan().idents.number(Kind::RouteTableAssociation, association).ok().flatten();
    let number = number.ok_or_else(unknown)?;
    let mut edit = call.account.edit();
    let (scene, now) = (edit.scene(), edit.now());
    let holds = |table: &RouteTable| table.associations.iter().any(|known| known.number == number);
    let mut tables = scene.route_tables(0).filter_map(|number| scene.route_table(number, now));
    let mut table = tables.find(holds).ok_or_else(unknown)?;
    drop(tables);
    call.dry_run()?;
    if table.is_main() {
        let message = format!("cannot disassociate the main route table association {association}");
        return Err(Refusal::invalid_value(message));
    }
    table.associations.retain(|known| known.number != number);
    edit.put(table);
    drop(edit);
    Ok(call.done("DisassociateRouteTable"))
}
