//! What stands between the internet and a network interface: the documents from which the answer follows.

use std::collections::BTreeMap;

use super::acl::Acl;
use super::groups::{Groups, maps};
use super::routes::Routes;
use crate::model::{Document, Value};

/// Something that is known, or why it is not.
pub type Known<T> = Result<T, String>;

/// The documents around a subnet and a set of security groups, each with its id. What is not held, stale or incomplete is not
/// known.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The VPC.
    pub vpc: String,
    /// The subnet.
    pub subnet: (String, Known<Document>),
    /// The security groups.
    pub groups: Vec<(String, Known<Document>)>,
    /// The network ACL that is associated with the subnet.
    pub acl: Known<(String, Document)>,
    /// The route table that is associated with the subnet, else the main one of its VPC.
    pub table: Known<RouteTable>,
    /// The VPC's internet gateways.
    pub gateways: Known<Vec<(String, Document)>>,
}

/// A route table, and why it is that of a subnet.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// Its id.
    pub id: String,
    /// Its document.
    pub document: Document,
    /// Whether it is associated with the subnet itself; else it is the VPC's main one.
    pub is_explicit: bool,
    /// A route table through which traffic from an internet gateway of the VPC is led, where there is one.
    pub edge: Option<String>,
}

/// The same, read.
#[derive(Clone, Debug)]
pub(super) struct NetworkParts {
    pub(super) vpc: String,
    pub(super) subnet: String,
    /// What the subnet does to traffic from internet gateways, by VPC Block Public Access: its mode, where that is not `off`.
    pub(super) blocked: Known<Option<String>>,
    pub(super) group_ids: Vec<String>,
    pub(super) groups: Groups,
    pub(super) acl: Known<(String, Acl)>,
    pub(super) table: Known<(String, bool, Routes)>,
    pub(super) edge: Option<String>,
    /// The internet gateways that are attached to the VPC, and those that exist.
    pub(super) gateways: Known<BTreeMap<String, bool>>,
}

impl NetworkParts {
    pub(super) fn of(documents: &Documents) -> Self {
        let Documents { vpc, subnet: (subnet, subnet_document), groups, acl, table, gateways } = documents;
        let known = groups.iter().map(|(id, group)| (id.as_str(), group.as_ref().map_err(String::as_str)));
        let unread = |what: &str, id: &str| format!("{what} of {id} cannot be read");
        NetworkParts {
            vpc: vpc.clone(),
            subnet: subnet.clone(),
            blocked: subnet_document.as_ref().map(blocked).map_err(Clone::clone),
            group_ids: groups.iter().map(|(id, _)| id.clone()).collect(),
            groups: Groups::of(known),
            acl: acl.clone().and_then(|(id, document)| match Acl::of(&document) {
                Some(acl) => Ok((id, acl)),
                None => Err(unread("an entry", &id)),
            }),
            table: table.clone().and_then(|table| match Routes::of(&table.document) {
                Some(routes) => Ok((table.id, table.is_explicit, routes)),
                None => Err(unread("a route", &table.id)),
            }),
            edge: table.as_ref().ok().and_then(|table| table.edge.clone()),
            gateways: gateways.as_ref().map_err(Clone::clone).map(|gateways| {
                gateways.iter().map(|(id, document)| (id.clone(), is_attached(document, vpc))).collect()
            }),
        }
    }
}

fn blocked(subnet: &Document) -> Option<String> {
    let mode = subnet.text("BlockPublicAccessStates.InternetGatewayBlockMode")?;
    (mode != "off").then(|| mode.to_owned())
}

/// Whether an internet gateway is attached to `vpc`. AWS calls that `available`, and some answers `attached`.
fn is_attached(gateway: &Document, vpc: &str) -> bool {
    let is = |map: &crate::model::Map, name: &str, wanted: &[&str]| match map.get(name) {
        Some(Value::Text(text)) => wanted.contains(&text.as_str()),
        _ => false,
    };
    maps(gateway.get("Attachments")).any(|map| is(map, "VpcId", &[vpc]) && is(map, "State", &["available", "attached"]))
}
