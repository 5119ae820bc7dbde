//! What AWS answers to ids that are none, and to ids that nothing has: its codes and sentences differ from kind to kind.

use crate::kinds::KindSpec;

/// AWS's codes for a kind's ids, and what its sentences call them.
#[derive(Debug, PartialEq, Eq)]
pub struct IdCodes {
    slug: &'static str,
    /// The code for text that is not an id of the kind.
    pub malformed: &'static str,
    /// The code for an id that nothing has.
    pub unknown: &'static str,
    called: &'static str,
    prefix: &'static str,
}

/// Those of the IP addresses that name addresses without an allocation.
pub const PUBLIC_IPS: IdCodes = codes("", "InvalidParameterValue", "InvalidAddress.NotFound", "address", "");

static CODES: [IdCodes; 13] = [
    codes("instance", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "instance ID", "i-"),
    codes("vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", "vpc ID", "vpc-"),
    codes("subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", "subnet ID", "subnet-"),
    codes("security-group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound", "security group", "sg-"),
    codes("volume", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", "volume", "vol-"),
    codes("snapshot", "InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound", "snapshot", "snap-"),
    codes(
        "network-interface",
        "InvalidNetworkInterfaceId.Malformed",
        "InvalidNetworkInterfaceID.NotFound",
        "networkInterface ID",
        "eni-",
    ),
    codes("address", "InvalidAllocationID.Malformed", "InvalidAllocationID.NotFound", "allocation ID", "eipalloc-"),
    codes("route-table", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound", "routeTable ID", "rtb-"),
    codes(
        "internet-gateway",
        "InvalidInternetGatewayId.Malformed",
        "InvalidInternetGatewayID.NotFound",
        "internetGateway ID",
        "igw-",
    ),
    codes("nat-gateway", "NatGatewayMalformed", "NatGatewayNotFound", "Nat Gateway", "nat-"),
    codes("network-acl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound", "networkAcl ID", "acl-"),
    codes("image", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", "image id", "ami-"),
];

const fn codes(
    slug: &'static str,
    malformed: &'static str,
    unknown: &'static str,
    called: &'static str,
    prefix: &'static str,
) -> IdCodes {
    IdCodes { slug, malformed, unknown, called, prefix }
}

/// The codes for the ids of `kind`.
#[must_use]
pub fn of(kind: &KindSpec) -> Option<&'static IdCodes> {
    let slug = kind.status_of.unwrap_or(kind.slug);
    CODES.iter().find(|codes| codes.slug == slug)
}

impl IdCodes {
    /// Whether text can be an id of the kind: its prefix, and letters and digits after it.
    #[must_use]
    pub fn may_be(&self, id: &str) -> bool {
        let letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        id.strip_prefix(self.prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(letter))
    }

    /// The sentence for text that is not an id of the kind.
    #[must_use]
    pub fn malformed_message(&self, id: &str) -> String {
        match self.slug {
            "instance" if id.starts_with("i-") => format!("Invalid id: \"{id}\""),
            "instance" => format!("Invalid id: \"{id}\" (expecting \"i-...\")"),
            _ => format!(
                "Invalid Id: '{id}' (expecting '{}...; the Id may only contain lowercase alphanumeric characters and a \
                 single dash')",
                self.prefix
            ),
        }
    }

    /// The sentence for ids that nothing has.
    #[must_use]
    pub fn unknown_message(&self, ids: &[String]) -> String {
        let (called, listed) = (self.called, ids.join(", "));
        match (self.slug, ids.len()) {
            ("", _) => format!("Address '{listed}' not found."),
            ("nat-gateway", 1) => format!("The {called} {listed} was not found"),
            ("nat-gateway", _) => format!("The {called}s {listed} were not found"),
            ("image", 1) => format!("The {called} '[{listed}]' does not exist"),
            ("image", _) => format!("The {called}s '[{listed}]' do not exist"),
            (_, 1) => format!("The {called} '{listed}' does not exist"),
            _ => format!("The {called}s '{listed}' do not exist"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn every_kind_has_codes_and_its_own_prefix() {
        for spec in KINDS {
            let codes = of(spec).unwrap();
            let prefix = spec.prefix.unwrap_or("i-");
            assert_eq!(codes.prefix, prefix);
            assert!(codes.may_be(&format!("{prefix}0123456789abcdef0")));
            for none in ["", prefix, "x-1", "i_1"] {
                assert!(!codes.may_be(none), "{none}");
            }
        }
    }

    #[test]
    fn sentences_are_those_of_aws() {
        let of = |slug| of(crate::kinds::by_slug(slug).unwrap()).unwrap();
        let ids = ["i-1".to_owned(), "i-2".to_owned()];
        assert_eq!(of("instance").unknown_message(&ids), "The instance IDs 'i-1, i-2' do not exist");
        assert_eq!(of("instance").unknown_message(&ids[..1]), "The instance ID 'i-1' does not exist");
        assert_eq!(of("instance").malformed_message("x"), "Invalid id: \"x\" (expecting \"i-...\")");
    }
}
