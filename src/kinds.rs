//! The registry of the kinds of resources: one file per kind, one line here.
//!
//! A kind turns the SDK's structs into [`Document`]s with the field names of the AWS CLI's JSON, and names the values that
//! filters match. Everything else in Muster treats all kinds alike, through [`KindSpec`].

mod address;
pub mod describe;
pub mod facet_reading;
mod fields;
pub mod geography;
pub mod health;
mod image;
mod instance;
mod instance_status;
mod internet_gateway;
mod nat_gateway;
mod network_acl;
mod network_interface;
mod parts;
mod route_table;
pub mod rules;
mod security_group;
mod snapshot;
pub mod spec;
mod subnet;
pub mod transition;
pub mod unheld;
mod volume;
mod vpc;

use crate::model::{Document, Kind, ResourceId, RowFields, Value};

pub use describe::{DescribeError, DescribeInput};
pub use spec::{CallWords, DocumentFilter, Filter, KindSpec};

/// Every kind, in the order in which they are shown and swept.
pub static KINDS: &[&KindSpec] = &[
    &instance::SPEC,
    &instance_status::SPEC,
    &vpc::SPEC,
    &subnet::SPEC,
    &route_table::SPEC,
    &internet_gateway::SPEC,
    &nat_gateway::SPEC,
    &network_acl::SPEC,
    &security_group::SPEC,
    &network_interface::SPEC,
    &address::SPEC,
    &volume::SPEC,
    &snapshot::SPEC,
    &image::SPEC,
];

/// The kind that holds an instance's status checks, scheduled events and notices.
pub static INSTANCE_STATUS: &KindSpec = &instance_status::SPEC;

/// The kind that tools act on.
pub static INSTANCE: &KindSpec = &instance::SPEC;

/// The kind whose resources may have no id of their own, only an IP address.
pub static ADDRESS: &KindSpec = &address::SPEC;

/// The kind that events of EBS volumes are about.
pub static VOLUME: &KindSpec = &volume::SPEC;

/// The kind that a tool makes.
pub static SNAPSHOT: &KindSpec = &snapshot::SPEC;

/// The kind of subnets.
pub static SUBNET: &KindSpec = &subnet::SPEC;
/// The kind of route tables.
pub static ROUTE_TABLE: &KindSpec = &route_table::SPEC;
/// The kind of internet gateways.
pub static INTERNET_GATEWAY: &KindSpec = &internet_gateway::SPEC;
/// The kind of network ACLs.
pub static NETWORK_ACL: &KindSpec = &network_acl::SPEC;
/// The kind of security groups.
pub static SECURITY_GROUP: &KindSpec = &security_group::SPEC;
/// The kind of network interfaces, which hold an instance's addresses and security groups.
pub static NETWORK_INTERFACE: &KindSpec = &network_interface::SPEC;

/// The kind that URIs and arguments call `slug`.
#[must_use]
pub fn by_slug(slug: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|spec| spec.slug == slug).copied()
}

/// The kind with this CloudFormation type name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|spec| spec.name == name).copied()
}

/// Short names of kinds that people use.
const SHORT_NAMES: [(&str, &str); 14] = [
    ("ec2", "instance"),
    ("status", "instance-status"),
    ("rtb", "route-table"),
    ("igw", "internet-gateway"),
    ("nat", "nat-gateway"),
    ("natgw", "nat-gateway"),
    ("acl", "network-acl"),
    ("nacl", "network-acl"),
    ("sg", "security-group"),
    ("eni", "network-interface"),
    ("eip", "address"),
    ("ebs", "volume"),
    ("snap", "snapshot"),
    ("ami", "image"),
];

/// The kind that `written` means: its slug, its CloudFormation type name, its name in words, one or several of it, in any case and
/// with any hyphens, or a short name such as `sg`.
#[must_use]
pub fn meant(written: &str) -> Option<&'static KindSpec> {
    let fold = |name: &str| {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase()).collect::<String>()
    };
    let key = fold(written);
    let single = key.strip_suffix('s').unwrap_or(&key);
    let is_key = |name: &str| [key.as_str(), single].contains(&fold(name).as_str());
    let is_meant = |spec: &&&KindSpec| [spec.slug, spec.name, spec.title, spec.plural].into_iter().any(is_key);
    let short = || SHORT_NAMES.iter().find(|(short, _)| is_key(short)).and_then(|(_, slug)| by_slug(slug));
    by_slug(written).or_else(|| by_name(written)).or_else(|| KINDS.iter().find(is_meant).copied()).or_else(short)
}

/// The kind whose ids begin as `id` does.
#[must_use]
pub fn of_id(id: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|spec| spec.prefix.is_some_and(|prefix| id.starts_with(prefix))).copied()
}

/// Whether a resource of `kind` can have this id, as far as its beginning tells. A status has the id of what it is about.
#[must_use]
pub fn may_have(kind: &KindSpec, id: &str) -> bool {
    of_id(id).is_none_or(|of| of.slug == kind.slug || kind.status_of == Some(of.slug))
}

/// The kind that ARNs call `arn_type`.
#[must_use]
pub fn of_arn_type(arn_type: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|spec| spec.arn_type() == Some(arn_type)).copied()
}

/// The id prefix of every kind that has ids of its own.
pub fn prefixes() -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter_map(|spec| spec.prefix)
}

/// The slugs of all kinds.
pub fn slugs() -> impl Iterator<Item = &'static str> + Clone {
    KINDS.iter().map(|spec| spec.slug)
}

/// The specification of `kind`; `None` for a kind in the store that this version does not know.
#[must_use]
pub fn of(kind: &Kind) -> Option<&'static KindSpec> {
    by_name(kind.as_str())
}

/// The row fields of a document, as its kind extracts them. A kind that this version does not know has its tags only.
#[must_use]
pub fn project(id: &ResourceId, document: &Document) -> RowFields {
    of(&id.kind).map_or_else(
        || RowFields {
            tags: document.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            ..RowFields::default()
        },
        |spec| spec.row(document),
    )
}

/// An instance's state as its document shows it: `{Code, Name}`.
#[must_use]
pub(crate) fn instance_state(state: aws_sdk_ec2::types::InstanceState) -> Value {
    fields::Mapped::fields(state).value()
}

#[cfg(test)]
mod tests;
