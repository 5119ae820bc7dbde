//! Fills the flat tables that only documents tell: rules, routes, and what of an attachment or address belongs together.

use std::collections::BTreeSet;

use super::inserter::Inserter;
use super::rows::Rows;
use crate::kinds::KindSpec;
use crate::model::{Document, Map, ResourceId, Value};
use crate::query::sql::SqlError;
use crate::query::sql::cell::{ColumnForm, SqlCell};
use crate::store::RowSelection;

/// The highest port.
const LAST_PORT: i64 = 65_535;

/// What a rule is open to: where a permission lists it, the field of an element, and the place of the column.
const SOURCES: [(&str, &str, usize); 4] = [
    ("IpRanges", "CidrIp", 0),
    ("Ipv6Ranges", "CidrIpv6", 1),
    ("PrefixListIds", "PrefixListId", 2),
    ("UserIdGroupPairs", "GroupId", 3),
];

/// Where a route leads: the first of these fields that it has.
const TARGETS: [&str; 11] = [
    "GatewayId",
    "NatGatewayId",
    "InstanceId",
    "NetworkInterfaceId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
];

/// What a route is for: the first of these fields that it has.
const DESTINATIONS: [&str; 3] = ["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"];

/// Shows `visit` the documents of a kind.
fn each(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    mut visit: impl FnMut(&ResourceId, &Document) -> Result<(), SqlError>,
) -> Result<(), SqlError> {
    let mut found = Vec::new();
    rows.each(spec, &RowSelection { ids, ..RowSelection::default() }, |id, _| {
        found.push(id.owned());
        Ok(())
    })?;
    for (nth, id) in found.iter().enumerate() {
        if nth.is_multiple_of(64) {
            rows.on_time()?;
        }
        if let Some(document) = rows.document(id)? {
            visit(id, &document)?;
        }
    }
    Ok(())
}

pub(super) fn rules(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    each(rows, spec, ids, |id, document| {
        for (list, is_egress) in [("IpPermissions", 0), ("IpPermissionsEgress", 1)] {
            for permission in maps(document.get(list)) {
                rule(id, document, permission, is_egress, into)?;
            }
        }
        Ok(())
    })
}

fn rule(
    id: &ResourceId,
    document: &Document,
    permission: &Map,
    is_egress: i64,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let protocol = SqlCell::field(permission.get("IpProtocol"), ColumnForm::Text);
    // All protocols have all ports: AWS writes none.
    let is_all = protocol.text() == Some("-1");
    let port = |name: &str, all: i64| match permission.get(name) {
        None | Some(Value::Null | Value::Int(-1)) if is_all => SqlCell::Int(all),
        value => SqlCell::field(value, ColumnForm::Number),
    };
    let (from, to) = (port("FromPort", 0), port("ToPort", LAST_PORT));
    for (list, field, place) in SOURCES {
        for source in maps(permission.get(list)) {
            let mut open = [SqlCell::Null, SqlCell::Null, SqlCell::Null, SqlCell::Null];
            if let Some(cell) = open.get_mut(place) {
                *cell = SqlCell::field(source.get(field), ColumnForm::Text);
            }
            let [four, six, prefix_list, group] = open;
            into.row(&[
                SqlCell::Text(&id.id),
                SqlCell::Text(id.account.as_str()),
                SqlCell::Text(id.region.as_str()),
                SqlCell::field(document.get("GroupName"), ColumnForm::Text),
                SqlCell::field(document.get("VpcId"), ColumnForm::Text),
                SqlCell::Int(is_egress),
                protocol.clone(),
                from.clone(),
                to.clone(),
                four,
                six,
                prefix_list,
                group,
                SqlCell::field(source.get("Description"), ColumnForm::Text),
            ])?;
        }
    }
    Ok(())
}

pub(super) fn routes(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    each(rows, spec, ids, |id, document| {
        for route in maps(document.get("Routes")) {
            let first = |fields: &[&str]| {
                let found = fields.iter().find_map(|field| route.get(field).filter(|value| **value != Value::Null));
                SqlCell::field(found, ColumnForm::Text)
            };
            into.row(&[
                SqlCell::Text(&id.id),
                SqlCell::Text(id.account.as_str()),
                SqlCell::Text(id.region.as_str()),
                SqlCell::field(document.get("VpcId"), ColumnForm::Text),
                first(&DESTINATIONS),
                first(&TARGETS),
                SqlCell::field(route.get("State"), ColumnForm::Text),
                SqlCell::field(route.get("Origin"), ColumnForm::Text),
            ])?;
        }
        Ok(())
    })
}

/// The attachments of one volume.
pub(super) fn attachments(rows: &Rows<'_>, id: &ResourceId, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    rows.on_time()?;
    let Some(document) = rows.document(id)? else { return Ok(()) };
    for attachment in maps(document.get("Attachments")) {
        into.row(&[
            SqlCell::field(attachment.get("InstanceId"), ColumnForm::Text),
            SqlCell::Text(&id.id),
            SqlCell::Text(id.account.as_str()),
            SqlCell::Text(id.region.as_str()),
            SqlCell::field(attachment.get("Device"), ColumnForm::Text),
            SqlCell::field(attachment.get("State"), ColumnForm::Text),
            SqlCell::field(attachment.get("AttachTime"), ColumnForm::Time),
            SqlCell::field(attachment.get("DeleteOnTermination"), ColumnForm::Flag),
        ])?;
    }
    Ok(())
}

/// The addresses of one network interface.
pub(super) fn addresses(rows: &Rows<'_>, id: &ResourceId, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    rows.on_time()?;
    let Some(document) = rows.document(id)? else { return Ok(()) };
    let mut put = |address: &Map, name: &str, primary: &str| {
        let public = match address.get("Association") {
            Some(Value::Map(association)) => association.get("PublicIp"),
            _ => None,
        };
        into.row(&[
            SqlCell::Text(&id.id),
            SqlCell::Text(id.account.as_str()),
            SqlCell::Text(id.region.as_str()),
            SqlCell::field(document.get("Attachment.InstanceId"), ColumnForm::Text),
            SqlCell::field(document.get("VpcId"), ColumnForm::Text),
            SqlCell::field(document.get("SubnetId"), ColumnForm::Text),
            SqlCell::field(address.get(name), ColumnForm::Text),
            SqlCell::field(address.get(primary), ColumnForm::Flag),
            SqlCell::field(public, ColumnForm::Text),
        ])
    };
    for address in maps(document.get("PrivateIpAddresses")) {
        put(address, "PrivateIpAddress", "Primary")?;
    }
    for address in maps(document.get("Ipv6Addresses")) {
        put(address, "Ipv6Address", "IsPrimaryIpv6")?;
    }
    Ok(())
}

/// The maps of a list.
pub(super) fn maps(value: Option<&Value>) -> impl Iterator<Item = &Map> {
    let list = match value {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|value| match value {
        Value::Map(map) => Some(map),
        _ => None,
    })
}
