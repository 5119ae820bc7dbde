//! Network ACLs: the default one of each VPC, one for databases in most VPCs, and those that calls created.

use crate::simulator::network::Vpc;
use crate::simulator::plan::{Plan, ZONES};
use crate::simulator::tags::Tags;

/// How many numbers the ACLs of a VPC have.
pub(crate) const ACLS: u64 = 2;
/// The number of the final entry, which denies everything else and cannot be changed. The entry for IPv6 has the next
/// number.
pub(crate) const LAST_RULE: u32 = 32_767;

/// One entry of an ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AclEntry {
    pub(crate) rule: u32,
    pub(crate) egress: bool,
    pub(crate) allow: bool,
    /// The protocol's number; `-1` means all.
    pub(crate) protocol: String,
    pub(crate) ipv4: Option<String>,
    pub(crate) ipv6: Option<String>,
    pub(crate) ports: Option<(i32, i32)>,
    /// The type and code for ICMP.
    pub(crate) icmp: Option<(i32, i32)>,
}

impl AclEntry {
    /// An inbound entry.
    pub(crate) fn of(rule: u32, allow: bool, protocol: &str, range: &str) -> Self {
        let range = range.to_owned();
        let (ipv4, ipv6) = if range.contains(':') { (None, Some(range)) } else { (Some(range), None) };
        Self { rule, egress: false, allow, protocol: protocol.to_owned(), ipv4, ipv6, ports: None, icmp: None }
    }

    /// The entry and the same entry for the other direction.
    fn both(self) -> [Self; 2] {
        [Self { egress: true, ..self.clone() }, self]
    }
}

/// An association of an ACL with a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AclAssociation {
    pub(crate) number: u64,
    pub(crate) subnet: u64,
}

/// One network ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkAcl {
    pub(crate) number: u64,
    pub(crate) vpc: u64,
    pub(crate) is_default: bool,
    pub(crate) entries: Vec<AclEntry>,
    pub(crate) associations: Vec<AclAssociation>,
    pub(crate) deleted: bool,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl NetworkAcl {
    /// An ACL that permits nothing and is associated with nothing.
    pub(crate) fn bare(number: u64, vpc: u64) -> Self {
        let mut entries: Vec<AclEntry> = AclEntry::of(LAST_RULE, false, "-1", "0.0.0.0/0").both().into();
        if Vpc::of(vpc).ipv6.is_some() {
            entries.extend(AclEntry::of(LAST_RULE + 1, false, "-1", "::/0").both());
        }
        Self {
            number,
            vpc,
            is_default: false,
            entries,
            associations: Vec::new(),
            deleted: false,
            tags: Tags::default(),
        }
    }

    /// The `number`th ACL of the formula, if it exists. The default VPC has only its default ACL.
    pub(crate) fn of(plan: &Plan, number: u64) -> Option<Self> {
        let (vpc, is_default) = (number / ACLS, number.is_multiple_of(ACLS));
        if vpc >= plan.vpcs || (vpc == 0 && !is_default) {
            return None;
        }
        let mut acl = Self { is_default, ..Self::bare(number, vpc) };
        // The database ACL is associated with the subnet in the last zone.
        let guarded = |zone: &u64| vpc == 0 || (*zone == ZONES - 1) != is_default;
        let association = |zone| AclAssociation { number: vpc * ZONES + zone, subnet: vpc * ZONES + zone };
        acl.associations = (0..ZONES).filter(guarded).map(association).collect();
        if is_default {
            acl.entries.extend(AclEntry::of(100, true, "-1", "0.0.0.0/0").both());
            if Vpc::of(vpc).ipv6.is_some() {
                acl.entries.extend(AclEntry::of(101, true, "-1", "::/0").both());
            }
        } else {
            let cidr = Vpc::of(vpc).cidr;
            let tcp =
                |rule, range: &str, ports| AclEntry { ports: Some(ports), ..AclEntry::of(rule, true, "6", range) };
            acl.entries.push(tcp(100, &cidr, (5_432, 5_432)));
            acl.entries.push(tcp(110, "0.0.0.0/0", (1_024, 65_535)));
            acl.entries.push(AclEntry { icmp: Some((-1, -1)), ..AclEntry::of(120, true, "1", &cidr) });
            acl.entries.push(AclEntry { egress: true, ..AclEntry::of(100, true, "-1", "0.0.0.0/0") });
            acl.tags.put("Name", format!("net-{vpc:02}-databases"));
        }
        acl.sort();
        Some(acl)
    }

    /// Sorts the entries as EC2 lists them: outbound entries first, and each direction by rule number.
    pub(crate) fn sort(&mut self) {
        self.entries.sort_by_key(|entry| (!entry.egress, entry.rule));
    }
}
