//! Resource ids, such as `i-0` and 16 hex digits: a reversible formula of a number.
//!
//! Nothing is stored. An id that the simulator never gave out decodes to a number that no resource has. The leading 0
//! and 16 digits give EC2's length of 17.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::simulator::dice::{mix, unmix};

/// An account and a region, as a key for maps.
pub(crate) type ScopeKey = (String, String);

/// The kind of resource that an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Instance,
    Reservation,
    Volume,
    Interface,
    Attachment,
    Vpc,
    Subnet,
    SecurityGroup,
    Snapshot,
    Image,
    DhcpOptions,
    CidrAssociation,
    PlacementGroup,
    SecurityGroupRule,
    Allocation,
    Association,
    SubnetCidrAssociation,
    RouteTable,
    RouteTableAssociation,
    InternetGateway,
    NatGateway,
    NetworkAcl,
    NetworkAclAssociation,
    VpcEndpoint,
    VpcPeering,
}

impl Kind {
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Instance => "i-",
            Self::Reservation => "r-",
            Self::Volume => "vol-",
            Self::Interface => "eni-",
            Self::Attachment => "eni-attach-",
            Self::Vpc => "vpc-",
            Self::Subnet => "subnet-",
            Self::SecurityGroup => "sg-",
            Self::Snapshot => "snap-",
            Self::Image => "ami-",
            Self::DhcpOptions => "dopt-",
            Self::CidrAssociation => "vpc-cidr-assoc-",
            Self::PlacementGroup => "pg-",
            Self::SecurityGroupRule => "sgr-",
            Self::Allocation => "eipalloc-",
            Self::Association => "eipassoc-",
            Self::SubnetCidrAssociation => "subnet-cidr-assoc-",
            Self::RouteTable => "rtb-",
            Self::RouteTableAssociation => "rtbassoc-",
            Self::InternetGateway => "igw-",
            Self::NatGateway => "nat-",
            Self::NetworkAcl => "acl-",
            Self::NetworkAclAssociation => "aclassoc-",
            Self::VpcEndpoint => "vpce-",
            Self::VpcPeering => "pcx-",
        }
    }
}

impl Kind {
    /// The kinds that can have tags. No prefix is the beginning of another.
    pub(crate) const fn taggable() -> [Self; 13] {
        [
            Self::Instance,
            Self::Vpc,
            Self::Subnet,
            Self::SecurityGroup,
            Self::Volume,
            Self::Snapshot,
            Self::Interface,
            Self::Allocation,
            Self::RouteTable,
            Self::InternetGateway,
            Self::NatGateway,
            Self::NetworkAcl,
            Self::Image,
        ]
    }

    /// The kind's resource type in tag events and ARNs; `None` for kinds without tags.
    pub(crate) const fn resource_type(self) -> Option<&'static str> {
        match self {
            Self::Instance => Some("instance"),
            Self::Vpc => Some("vpc"),
            Self::Subnet => Some("subnet"),
            Self::SecurityGroup => Some("security-group"),
            Self::Volume => Some("volume"),
            Self::Snapshot => Some("snapshot"),
            Self::Interface => Some("network-interface"),
            Self::Allocation => Some("elastic-ip"),
            Self::RouteTable => Some("route-table"),
            Self::InternetGateway => Some("internet-gateway"),
            Self::NatGateway => Some("natgateway"),
            Self::NetworkAcl => Some("network-acl"),
            Self::Image => Some("image"),
            _ => None,
        }
    }

    /// EC2's codes for a malformed and for an unknown id, and the word for the id in its messages.
    pub(crate) const fn codes(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Instance => ("InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "instance ID"),
            Self::Vpc => ("InvalidVpcID.Malformed", "InvalidVpcID.NotFound", "vpc ID"),
            Self::Subnet => ("InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", "subnet ID"),
            Self::SecurityGroup => ("InvalidGroupId.Malformed", "InvalidGroup.NotFound", "security group"),
            Self::Volume => ("InvalidVolumeID.Malformed", "InvalidVolume.NotFound", "volume"),
            Self::Snapshot => ("InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound", "snapshot"),
            Self::Interface => {
                ("InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound", "networkInterface ID")
            }
            Self::Allocation => ("InvalidAllocationID.Malformed", "InvalidAllocationID.NotFound", "allocation ID"),
            Self::RouteTable => ("InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound", "routeTable ID"),
            Self::InternetGateway => {
                ("InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound", "internetGateway ID")
            }
            Self::NatGateway => ("NatGatewayMalformed", "NatGatewayNotFound", "Nat Gateway"),
            Self::NetworkAcl => ("InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound", "networkAcl ID"),
            Self::Image => ("InvalidAMIID.Malformed", "InvalidAMIID.NotFound", "image id"),
            _ => ("InvalidID", "InvalidID", "ID"),
        }
    }
}

/// The text is not an id of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The formula for ids in one account and region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idents {
    seed: u64,
}

impl Idents {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Appends the id of the resource of `kind` with this number.
    pub(crate) fn write(self, kind: Kind, number: u64, out: &mut String) {
        out.push_str(kind.prefix());
        out.push('0');
        hex(mix(number ^ self.key(kind)), out);
    }

    pub(crate) fn text(self, kind: Kind, number: u64) -> String {
        let mut out = String::with_capacity(32);
        self.write(kind, number, &mut out);
        out
    }

    /// The number that an id encodes; `None` when the id is well formed but cannot be one of this simulator's.
    pub(crate) fn number(self, kind: Kind, id: &str) -> Result<Option<u64>, Malformed> {
        let digits = id.strip_prefix(kind.prefix()).ok_or(Malformed)?;
        let lower_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !lower_hex || !matches!(digits.len(), 8 | 17) {
            return Err(Malformed);
        }
        let Some(rest) = digits.strip_prefix('0').filter(|rest| rest.len() == 16) else { return Ok(None) };
        let scrambled = u64::from_str_radix(rest, 16).map_err(|_| Malformed)?;
        Ok(Some(unmix(scrambled) ^ self.key(kind)))
    }

    const fn key(self, kind: Kind) -> u64 {
        mix(self.seed ^ mix(kind as u64 + 1))
    }
}

/// A seed for an account and region that is unrelated to the seeds of all others.
pub(crate) fn scope_seed(seed: u64, account: &str, region: &str) -> u64 {
    xxh3_64_with_seed(format!("{account}/{region}").as_bytes(), seed)
}

/// A new random UUID, as AWS uses for requests, messages and events. It is random even with a fixed seed, so that a
/// client that remembers the ids of an earlier run does not take this run's events for repeats.
pub(crate) fn uuid() -> String {
    // Version 4, as RFC 9562 lays it out.
    let n = fastrand::u128(..) & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{n:032x}");
    let mut out = String::with_capacity(36);
    for (at, c) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(c);
    }
    out
}

/// Appends `n` as 16 lower-case hex digits.
pub(crate) fn hex(n: u64, out: &mut String) {
    for shift in (0..16).rev() {
        let digit = u32::try_from((n >> (shift * 4)) & 0xf).unwrap_or(0);
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_seventeen_digits_and_leads_back_to_its_number() {
        let idents = Idents::new(7);
        for number in [0, 1, 999_999, u64::MAX] {
            let id = idents.text(Kind::Instance, number);
            assert_eq!(id.len(), 2 + 17, "{id}");
            assert_eq!(idents.number(Kind::Instance, &id), Ok(Some(number)));
        }
    }

    #[test]
    fn a_text_of_another_shape_is_malformed_and_a_short_id_is_merely_unknown() {
        let idents = Idents::new(7);
        for text in ["foo", "i-", "i-xyz", "i-0123456789ABCDEF0", "vol-00000000000000000", "i-1234567890"] {
            assert_eq!(idents.number(Kind::Instance, text), Err(Malformed), "{text}");
        }
        assert_eq!(idents.number(Kind::Instance, "i-12345678"), Ok(None));
        assert_eq!(idents.number(Kind::Instance, "i-a2345678901234567"), Ok(None));
    }
}
