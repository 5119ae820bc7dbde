//! VPCs and their security groups. Like the instances, they are formulas of their numbers.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use crate::simulator::catalog::{GROUP_DB, GROUP_DEFAULT, GROUP_WEB};
use crate::simulator::ident::Kind;
use crate::simulator::plan::{Plan, base, ipv6};
use crate::simulator::tags::Tags;

/// How many security groups a VPC has.
pub(crate) const GROUPS: u64 = 3;
/// AWS's prefix list for S3 in us-east-1.
pub(crate) const S3_PREFIX_LIST: &str = "pl-63a5400a";

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vpc {
    pub(crate) number: u64,
    pub(crate) cidr: String,
    pub(crate) ipv6: Option<String>,
    pub(crate) tags: Tags,
}

impl Vpc {
    /// The account's default VPC is its first one.
    pub(crate) const fn is_default(&self) -> bool {
        self.number == 0
    }

    pub(crate) fn of(number: u64) -> Self {
        let mut tags = Tags::default();
        if number > 0 {
            tags.put("Name", format!("net-{number:02}"));
            tags.put("env", if number.is_multiple_of(3) { "staging" } else { "prod" });
        }
        let ipv6 = ipv6(number, 0, 0).map(|first| format!("{first}/56"));
        Self { number, cidr: format!("{}/16", base(number)), ipv6, tags }
    }
}

/// A security group of a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecurityGroup {
    pub(crate) number: u64,
    /// The number that its VPC's id encodes.
    pub(crate) vpc: u64,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) ingress: Vec<Permission>,
    pub(crate) egress: Vec<Permission>,
    pub(crate) tags: Tags,
}

/// A permission with all its sources. Each source may have a description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Permission {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, the number of another protocol, or `-1` for all.
    pub(crate) protocol: NetworkText,
    pub(crate) ports: Option<(i32, i32)>,
    pub(crate) ranges: Vec<Source<String>>,
    pub(crate) ranges6: Vec<Source<String>>,
    pub(crate) groups: Vec<Source<u64>>,
    pub(crate) prefix_lists: Vec<Source<String>>,
}

/// One source of a permission, with its description.
pub(crate) type Source<T> = (T, Option<NetworkText>);

type NetworkText = Cow<'static, str>;

impl Permission {
    /// A separate permission for each source.
    pub(crate) fn singles(&self) -> Vec<Self> {
        let base = Self { protocol: self.protocol.clone(), ports: self.ports, ..Self::default() };
        let mut found = Vec::new();
        found.extend(self.ranges.iter().map(|one| Self { ranges: vec![one.clone()], ..base.clone() }));
        found.extend(self.ranges6.iter().map(|one| Self { ranges6: vec![one.clone()], ..base.clone() }));
        found.extend(self.groups.iter().map(|one| Self { groups: vec![one.clone()], ..base.clone() }));
        found.extend(self.prefix_lists.iter().map(|one| Self { prefix_lists: vec![one.clone()], ..base.clone() }));
        found
    }

    /// Whether EC2 treats both as the same rule; descriptions do not count.
    pub(crate) fn same(&self, other: &Self) -> bool {
        fn values<T: PartialEq>(one: &[Source<T>], other: &[Source<T>]) -> bool {
            one.iter().map(|(value, _)| value).eq(other.iter().map(|(value, _)| value))
        }
        self.protocol == other.protocol
            && self.ports == other.ports
            && values(&self.ranges, &other.ranges)
            && values(&self.ranges6, &other.ranges6)
            && values(&self.groups, &other.groups)
            && values(&self.prefix_lists, &other.prefix_lists)
    }

    /// Adds the sources of a permission with the same protocol and ports.
    pub(crate) fn join(&mut self, other: &Self) {
        self.ranges.extend(other.ranges.iter().cloned());
        self.ranges6.extend(other.ranges6.iter().cloned());
        self.groups.extend(other.groups.iter().cloned());
        self.prefix_lists.extend(other.prefix_lists.iter().cloned());
    }
}

impl SecurityGroup {
    pub(crate) const fn number(network: u64, ordinal: u64) -> u64 {
        network * GROUPS + ordinal
    }

    pub(crate) const fn name(ordinal: u64) -> &'static str {
        match ordinal {
            GROUP_WEB => "web",
            GROUP_DB => "db",
            _ => "default",
        }
    }

    /// The `number`th security group without changes. It belongs to the VPC at position `number / GROUPS` among those
    /// that the account sees; `vpc` is the number that this VPC's id encodes, and `base` its first address.
    pub(crate) fn of(number: u64, vpc: u64, base: Ipv4Addr) -> Self {
        let (network, ordinal) = (number / GROUPS, number % GROUPS);
        let mut tags = Tags::default();
        let (description, ingress, egress) = match ordinal {
            GROUP_WEB => ("Public web traffic", web_ingress(), vec![everywhere(), to_s3()]),
            GROUP_DB => ("Databases, from web only", db_ingress(network, base), vec![everywhere()]),
            _ => (
                "default VPC security group",
                vec![from_group(Self::number(network, GROUP_DEFAULT))],
                vec![everywhere()],
            ),
        };
        if ordinal != GROUP_DEFAULT {
            tags.put("Name", format!("{}-{network:02}", Self::name(ordinal)));
        }
        Self { number, vpc, name: Self::name(ordinal), description, ingress, egress, tags }
    }

    pub(crate) fn arn(&self, plan: &Plan) -> String {
        let id = plan.idents.text(Kind::SecurityGroup, self.number);
        format!("arn:aws:ec2:{}:{}:security-group/{id}", plan.region, plan.account)
    }
}

fn from_group(group: u64) -> Permission {
    Permission { protocol: "-1".into(), groups: vec![(group, None)], ..Permission::default() }
}

fn everywhere() -> Permission {
    Permission { protocol: "-1".into(), ranges: vec![("0.0.0.0/0".to_owned(), None)], ..Permission::default() }
}

fn to_s3() -> Permission {
    Permission {
        protocol: "tcp".into(),
        ports: Some((443, 443)),
        prefix_lists: vec![(S3_PREFIX_LIST.to_owned(), Some("S3 gateway".into()))],
        ..Permission::default()
    }
}

fn web_ingress() -> Vec<Permission> {
    let public = |port| Permission {
        protocol: "tcp".into(),
        ports: Some((port, port)),
        ranges: vec![("0.0.0.0/0".to_owned(), Some("internet".into()))],
        ranges6: vec![("::/0".to_owned(), Some("internet, IPv6".into()))],
        ..Permission::default()
    };
    let office = Permission {
        protocol: "tcp".into(),
        ports: Some((22, 22)),
        ranges: vec![("203.0.113.0/24".to_owned(), Some("office".into())), ("198.51.100.7/32".to_owned(), None)],
        ..Permission::default()
    };
    vec![public(80), public(443), office]
}

fn db_ingress(network: u64, base: Ipv4Addr) -> Vec<Permission> {
    let postgres = Permission {
        protocol: "tcp".into(),
        ports: Some((5432, 5432)),
        groups: vec![
            (SecurityGroup::number(network, GROUP_WEB), Some("PostgreSQL from web".into())),
            (SecurityGroup::number(network, GROUP_DB), Some("replication".into())),
        ],
        ..Permission::default()
    };
    let ping = Permission {
        protocol: "icmp".into(),
        ports: Some((-1, -1)),
        ranges: vec![(format!("{base}/16"), Some("ping inside the VPC".into()))],
        ..Permission::default()
    };
    vec![postgres, ping]
}
