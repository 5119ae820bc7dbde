//! The tables that are no kind.

use crate::kinds::{self, INSTANCE, INSTANCE_STATUS, KINDS, KindSpec, VOLUME};
use crate::query::sql::Outside;
use crate::query::sql::cell::ColumnForm::{self, Flag as Bit, Json, Kind, Number, Text, Time};

/// A table that is no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query::sql) enum Flat {
    /// One row a tag.
    Tag,
    /// One row a rule and what it is open to.
    SecurityGroupRule,
    /// One row an attachment of a volume.
    InstanceVolume,
    /// One row a security group of an instance.
    InstanceSecurityGroup,
    /// One row an address of a network interface.
    NetworkInterfaceAddress,
    /// One row a route of a route table.
    Route,
    /// One row a reference of a resource to another.
    Relation,
    /// One row a difference that the log tells of.
    Change,
    /// One row a tool's call that was to change AWS.
    Action,
    /// One row an instance whose status checks are known.
    InstanceHealth,
    /// One row a kind in a scope.
    Freshness,
    /// One row an account that is watched, is meant to be, or was.
    Account,
    /// One row a list price in a region.
    Price,
    /// One row an instance and stretch of ports that the internet can reach, or of which that is not known.
    Exposure,
}

/// The columns of a rule.
const RULE: &[(&str, ColumnForm)] = &[
    ("group_id", Text),
    ("account", Text),
    ("region", Text),
    ("group_name", Text),
    ("vpc_id", Text),
    ("is_egress", Bit),
    ("protocol", Text),
    ("from_port", Number),
    ("to_port", Number),
    ("cidr_ipv4", Text),
    ("cidr_ipv6", Text),
    ("prefix_list_id", Text),
    ("referenced_group_id", Text),
    ("description", Text),
];

/// The columns of what the internet can reach.
const EXPOSURE: &[(&str, ColumnForm)] = &[
    ("instance_id", Text),
    ("account", Text),
    ("region", Text),
    ("protocol", Text),
    ("from_port", Number),
    ("to_port", Number),
    ("source", Text),
    ("path", Json),
    ("unknown", Text),
];

/// The columns of a difference that the log tells of.
const CHANGE: &[(&str, ColumnForm)] = &[
    ("time", Time),
    ("seq", Number),
    ("kind", Kind),
    ("id", Text),
    ("account", Text),
    ("region", Text),
    ("what", Text),
    ("path", Text),
    ("before", Text),
    ("after", Text),
    ("cause", Text),
    ("who", Text),
    ("call", Text),
];

/// The columns of a tool's call that was to change AWS.
const ACTION: &[(&str, ColumnForm)] = &[
    ("time", Time),
    ("seq", Number),
    ("what", Text),
    ("action_id", Text),
    ("tool", Text),
    ("targets", Json),
    ("by_user", Text),
    ("client", Text),
    ("client_version", Text),
    ("session", Text),
    ("arguments", Text),
    ("idempotency_key", Text),
    ("confirmation", Text),
    ("plan", Text),
    ("outcome", Text),
    ("message", Text),
    ("created", Json),
    ("finished_at", Time),
    ("request_id", Text),
    ("rule", Text),
    ("times", Number),
];

impl Flat {
    /// Every one.
    pub(in crate::query::sql) const ALL: [Flat; 14] = [
        Flat::Tag,
        Flat::SecurityGroupRule,
        Flat::InstanceVolume,
        Flat::InstanceSecurityGroup,
        Flat::NetworkInterfaceAddress,
        Flat::Route,
        Flat::Relation,
        Flat::Change,
        Flat::Action,
        Flat::InstanceHealth,
        Flat::Freshness,
        Flat::Account,
        Flat::Price,
        Flat::Exposure,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Flat::Tag => "tag",
            Flat::SecurityGroupRule => "security_group_rule",
            Flat::InstanceVolume => "instance_volume",
            Flat::InstanceSecurityGroup => "instance_security_group",
            Flat::NetworkInterfaceAddress => "network_interface_address",
            Flat::Route => "route",
            Flat::Relation => "relation",
            Flat::Change => "change",
            Flat::Action => "action",
            Flat::InstanceHealth => "instance_health",
            Flat::Freshness => "freshness",
            Flat::Account => "account",
            Flat::Price => "price",
            Flat::Exposure => "exposure",
        }
    }

    /// The columns: whoever fills the table gives a row's values in this order.
    pub(super) fn columns(self) -> &'static [(&'static str, ColumnForm)] {
        match self {
            Flat::Tag => {
                &[("kind", Kind), ("id", Text), ("account", Text), ("region", Text), ("key", Text), ("value", Text)]
            }
            Flat::SecurityGroupRule => RULE,
            Flat::InstanceVolume => &[
                ("instance_id", Text),
                ("volume_id", Text),
                ("account", Text),
                ("region", Text),
                ("device", Text),
                ("attachment_state", Text),
                ("attach_time", Time),
                ("delete_on_termination", Bit),
            ],
            Flat::InstanceSecurityGroup => {
                &[("instance_id", Text), ("group_id", Text), ("account", Text), ("region", Text)]
            }
            Flat::NetworkInterfaceAddress => &[
                ("network_interface_id", Text),
                ("account", Text),
                ("region", Text),
                ("instance_id", Text),
                ("vpc_id", Text),
                ("subnet_id", Text),
                ("address", Text),
                ("is_primary", Bit),
                ("public_ip", Text),
            ],
            Flat::Route => &[
                ("route_table_id", Text),
                ("account", Text),
                ("region", Text),
                ("vpc_id", Text),
                ("destination", Text),
                ("target", Text),
                ("state", Text),
                ("origin", Text),
            ],
            Flat::Relation => &[
                ("from_kind", Kind),
                ("from_id", Text),
                ("via", Text),
                ("to_kind", Kind),
                ("to_id", Text),
                ("account", Text),
                ("region", Text),
            ],
            Flat::Change => CHANGE,
            Flat::Action => ACTION,
            Flat::InstanceHealth => &[
                ("instance_id", Text),
                ("account", Text),
                ("region", Text),
                ("state", Text),
                ("verdict", Text),
                ("system_status", Text),
                ("instance_status", Text),
                ("attached_ebs_status", Text),
                ("failed_checks", Json),
                ("next_event", Text),
                ("next_event_at", Time),
            ],
            Flat::Freshness => &[
                ("kind", Kind),
                ("account", Text),
                ("region", Text),
                ("as_of", Time),
                ("is_stale", Bit),
                ("why", Text),
                ("is_complete", Bit),
                ("standing", Text),
                ("cause", Text),
            ],
            Flat::Account => &[
                ("account", Text),
                ("name", Text),
                ("ou", Text),
                ("regions", Number),
                ("covered", Number),
                ("pending", Number),
                ("failed", Number),
                ("as_of", Time),
                ("cause", Text),
                ("state", Text),
                ("reason", Text),
            ],
            Flat::Price => {
                &[("region", Text), ("unit", Text), ("name", Text), ("micro_usd", Number), ("price_date", Text)]
            }
            Flat::Exposure => EXPOSURE,
        }
    }

    /// The columns by which rows can be left out before they are filled in.
    pub(super) fn narrowed_by(self) -> &'static [&'static str] {
        match self {
            Flat::Tag => &["key", "kind", "id", "account", "region"],
            Flat::SecurityGroupRule => &["group_id", "account", "region"],
            Flat::InstanceVolume => &["instance_id", "volume_id", "account", "region"],
            Flat::InstanceSecurityGroup => &["instance_id", "group_id", "account", "region"],
            Flat::NetworkInterfaceAddress => &["network_interface_id", "address", "account", "region"],
            Flat::Route => &["route_table_id", "account", "region"],
            Flat::Relation => &["from_kind", "from_id", "to_kind", "to_id", "via", "account", "region"],
            Flat::Change => &["id", "kind", "account", "region"],
            Flat::Action => &["action_id", "tool"],
            Flat::InstanceHealth | Flat::Exposure => &["instance_id", "account", "region"],
            Flat::Price => &["region", "unit", "name"],
            Flat::Freshness | Flat::Account => &[],
        }
    }

    /// The column that names the resource whose row or document a row is made of.
    pub(in crate::query::sql) fn id_column(self) -> Option<&'static str> {
        match self {
            Flat::Tag | Flat::Change => Some("id"),
            Flat::SecurityGroupRule => Some("group_id"),
            Flat::InstanceVolume => Some("volume_id"),
            Flat::InstanceSecurityGroup | Flat::InstanceHealth => Some("instance_id"),
            Flat::NetworkInterfaceAddress => Some("network_interface_id"),
            Flat::Route => Some("route_table_id"),
            Flat::Relation => Some("from_id"),
            Flat::Action | Flat::Freshness | Flat::Account | Flat::Price | Flat::Exposure => None,
        }
    }

    /// The column that names its kind, where it can be of several.
    pub(in crate::query::sql) fn kind_column(self) -> Option<&'static str> {
        match self {
            Flat::Tag | Flat::Change => Some("kind"),
            Flat::Relation => Some("from_kind"),
            _ => None,
        }
    }

    /// The kinds whose rows, documents or records it is made of.
    pub(super) fn kinds(self) -> Vec<&'static KindSpec> {
        let of = |slug: &str| kinds::by_slug(slug).into_iter().collect();
        match self {
            // A status has no tags, and refers to nothing but its instance.
            Flat::Tag | Flat::Relation => KINDS.iter().copied().filter(|kind| kind.status_of.is_none()).collect(),
            Flat::Change => KINDS.to_vec(),
            Flat::SecurityGroupRule => of("security-group"),
            Flat::InstanceVolume => vec![VOLUME],
            Flat::InstanceSecurityGroup => vec![INSTANCE],
            Flat::NetworkInterfaceAddress => of("network-interface"),
            Flat::Route => of("route-table"),
            Flat::InstanceHealth => vec![INSTANCE_STATUS],
            Flat::Exposure => Outside::ASKED.to_vec(),
            Flat::Action | Flat::Freshness | Flat::Account | Flat::Price => Vec::new(),
        }
    }
}
