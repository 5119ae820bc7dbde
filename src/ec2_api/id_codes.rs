//! What AWS answers to ids that are none, and to ids that nothing has: its codes and sentences differ from kind to kind.
//!
//! How AWS judges an id before it looks for the resource, it documents for few kinds. The rest is from what its answers to describes
//! were seen to be: volumes and snapshots have other codes than those that are documented, and subnets and route tables have none.

use std::net::Ipv4Addr;

use super::sent_text::shown;
use crate::kinds::KindSpec;

/// How many bytes an id may have: no id of EC2 has half as many.
const LONGEST: usize = 128;

/// AWS's codes for a kind's ids, and what its sentences call them.
#[derive(Debug, PartialEq, Eq)]
pub struct IdCodes {
    slug: &'static str,
    form: IdForm,
    malformed: &'static str,
    /// The code for an id that nothing has.
    pub unknown: &'static str,
    called: &'static str,
    prefix: &'static str,
}

/// What an id must be for AWS to look for what has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdForm {
    /// The prefix, and 8 or 17 hexadecimal digits.
    Digits,
    /// The prefix, and small letters and digits. Whether AWS wants more of them is not known.
    Letters,
    /// Anything: AWS takes what is no id for one that nothing has.
    Any,
    /// An IPv4 address.
    Address,
}

/// Those of the IP addresses that name addresses without an allocation.
pub const PUBLIC_IPS: IdCodes =
    codes("", IdForm::Address, "InvalidParameterValue", "InvalidAddress.NotFound", "address", "");

static CODES: [IdCodes; 13] = [
    codes("instance", IdForm::Digits, "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "instance ID", "i-"),
    codes("vpc", IdForm::Letters, "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", "vpc ID", "vpc-"),
    codes("subnet", IdForm::Any, "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", "subnet ID", "subnet-"),
    codes(
        "security-group",
        IdForm::Digits,
        "InvalidGroupId.Malformed",
        "InvalidGroup.NotFound",
        "security group",
        "sg-",
    ),
    codes("volume", IdForm::Digits, "InvalidParameterValue", "InvalidVolume.NotFound", "volume", "vol-"),
    codes("snapshot", IdForm::Digits, "InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound", "snapshot", "snap-"),
    codes(
        "network-interface",
        IdForm::Letters,
        "InvalidNetworkInterfaceId.Malformed",
        "InvalidNetworkInterfaceID.NotFound",
        "networkInterface ID",
        "eni-",
    ),
    codes(
        "address",
        IdForm::Any,
        "InvalidAllocationID.Malformed",
        "InvalidAllocationID.NotFound",
        "allocation ID",
        "eipalloc-",
    ),
    codes(
        "route-table",
        IdForm::Any,
        "InvalidRouteTableId.Malformed",
        "InvalidRouteTableID.NotFound",
        "routeTable ID",
        "rtb-",
    ),
    codes(
        "internet-gateway",
        IdForm::Letters,
        "InvalidInternetGatewayId.Malformed",
        "InvalidInternetGatewayID.NotFound",
        "internetGateway ID",
        "igw-",
    ),
    codes("nat-gateway", IdForm::Letters, "NatGatewayMalformed", "NatGatewayNotFound", "Nat Gateway", "nat-"),
    codes(
        "network-acl",
        IdForm::Letters,
        "InvalidNetworkAclId.Malformed",
        "InvalidNetworkAclID.NotFound",
        "networkAcl ID",
        "acl-",
    ),
    codes("image", IdForm::Letters, "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", "image id", "ami-"),
];

const fn codes(
    slug: &'static str,
    form: IdForm,
    malformed: &'static str,
    unknown: &'static str,
    called: &'static str,
    prefix: &'static str,
) -> IdCodes {
    IdCodes { slug, form, malformed, unknown, called, prefix }
}

/// Whether anything may have this id, of whatever kind: nothing has one that is so long, and AWS need not be asked for it.
#[must_use]
pub fn may_exist(id: &str) -> bool {
    id.len() <= LONGEST
}

/// The codes for the ids of `kind`.
#[must_use]
pub fn of(kind: &KindSpec) -> Option<&'static IdCodes> {
    let slug = kind.status_of.unwrap_or(kind.slug);
    CODES.iter().find(|codes| codes.slug == slug)
}

impl IdCodes {
    /// Whether AWS looks for what has this id: it is otherwise malformed.
    #[must_use]
    pub fn may_be(&self, id: &str) -> bool {
        let letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        let digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let rest = id.strip_prefix(self.prefix).filter(|rest| !rest.is_empty());
        match self.form {
            IdForm::Digits => rest.is_some_and(|rest| matches!(rest.len(), 8 | 17) && rest.bytes().all(digit)),
            IdForm::Letters => rest.is_some_and(|rest| rest.bytes().all(letter)),
            IdForm::Any => true,
            IdForm::Address => id.parse::<Ipv4Addr>().is_ok(),
        }
    }

    /// The code for text that is not an id of the kind.
    #[must_use]
    pub fn malformed(&self, id: &str) -> &'static str {
        let is_of_kind = id.starts_with(self.prefix);
        if self.slug == "snapshot" && !is_of_kind { "InvalidParameterValue" } else { self.malformed }
    }

    /// The sentence for text that is not an id of the kind.
    #[must_use]
    pub fn malformed_message(&self, id: &str) -> String {
        let (prefix, is_of_kind) = (self.prefix, id.starts_with(self.prefix));
        match self.slug {
            "" => format!("Invalid value '{id}' for PublicIp. Not a valid IPv4 address"),
            "volume" => format!("Value ({id}) for parameter volumes is invalid. Expected: 'vol-...'."),
            "snapshot" if !is_of_kind => {
                format!("Value ({id}) for parameter snapshotId is invalid. Expected: 'snap-...'.")
            }
            "security-group" | "image" if !is_of_kind => format!("Invalid id: \"{id}\" (expecting \"{prefix}...\")"),
            "instance" if id.is_empty() => format!("Invalid id: \"\" (expecting \"{prefix}...\")"),
            "instance" | "security-group" | "image" | "snapshot" => format!("Invalid id: \"{id}\""),
            _ => format!(
                "Invalid Id: '{id}' (expecting '{prefix}...; the Id may only contain lowercase alphanumeric characters and a \
                 single dash')"
            ),
        }
    }

    /// The sentence for ids that nothing has.
    #[must_use]
    pub fn unknown_message(&self, ids: &[String]) -> String {
        let listed = ids.iter().map(|id| shown(id)).collect::<Vec<_>>().join(", ");
        let called = self.called;
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
    use crate::kinds::{KINDS, by_slug};

    fn of_slug(slug: &str) -> &'static IdCodes {
        of(by_slug(slug).unwrap()).unwrap()
    }

    #[test]
    fn every_kind_has_codes_and_its_own_prefix() {
        for spec in KINDS {
            let codes = of(spec).unwrap();
            let prefix = spec.prefix.unwrap_or("i-");
            assert_eq!(codes.prefix, prefix);
            assert!(codes.may_be(&format!("{prefix}0123456789abcdef0")));
            assert!(codes.may_be(&format!("{prefix}01234567")));
            for none in ["", prefix, "x-1", "i_1", &format!("{prefix}0123456789ABCDEF0")] {
                assert_eq!(codes.may_be(none), codes.form == IdForm::Any, "{none}");
            }
        }
    }

    #[test]
    fn an_id_of_another_length_or_of_other_letters_is_malformed_where_aws_says_so() {
        for slug in ["instance", "instance-status", "security-group", "volume", "snapshot"] {
            let codes = of_slug(slug);
            for rest in ["1", "0123456", "0123456789abcdef", "0123456789abcdef01", "xxxxxxxx", "01234567,i-01234567"] {
                assert!(!codes.may_be(&format!("{}{rest}", codes.prefix)), "{slug} {rest}");
            }
        }
        for none in ["", "1.2.3", "eipalloc-0123456789abcdef0", "::1", "1.2.3.4 "] {
            assert!(!PUBLIC_IPS.may_be(none), "{none}");
        }
        assert!(PUBLIC_IPS.may_be("1.2.3.4"));
    }

    #[test]
    fn nothing_has_an_id_that_is_much_longer_than_those_of_aws() {
        for spec in KINDS {
            let (codes, prefix) = (of(spec).unwrap(), spec.prefix.unwrap_or("i-"));
            assert!(may_exist(&format!("{prefix}0123456789abcdef0")));
            let long = prefix.to_owned() + &"0".repeat(1 << 20);
            assert!(!may_exist(&long));
            let said = codes.unknown_message(&[long.clone(), long]);
            assert!(said.len() < 600 && said.contains("..., "), "{said}");
        }
        assert!(may_exist(&"0".repeat(LONGEST)) && !may_exist(&"0".repeat(LONGEST + 1)));
    }

    #[test]
    fn sentences_are_those_of_aws() {
        let ids = ["i-1".to_owned(), "i-2".to_owned()];
        assert_eq!(of_slug("instance").unknown_message(&ids), "The instance IDs 'i-1, i-2' do not exist");
        assert_eq!(of_slug("instance").unknown_message(&ids[..1]), "The instance ID 'i-1' does not exist");
        for (slug, id, code, said) in [
            ("instance", "ma1", "InvalidInstanceID.Malformed", "Invalid id: \"ma1\""),
            ("instance", "", "InvalidInstanceID.Malformed", "Invalid id: \"\" (expecting \"i-...\")"),
            ("security-group", "i-1", "InvalidGroupId.Malformed", "Invalid id: \"i-1\" (expecting \"sg-...\")"),
            ("security-group", "sg-1,sg-2", "InvalidGroupId.Malformed", "Invalid id: \"sg-1,sg-2\""),
            ("image", "any", "InvalidAMIID.Malformed", "Invalid id: \"any\" (expecting \"ami-...\")"),
            ("image", "ami-0-1", "InvalidAMIID.Malformed", "Invalid id: \"ami-0-1\""),
            ("snapshot", "snap-1", "InvalidSnapshotID.Malformed", "Invalid id: \"snap-1\""),
            (
                "snapshot",
                "any",
                "InvalidParameterValue",
                "Value (any) for parameter snapshotId is invalid. Expected: 'snap-...'.",
            ),
            (
                "volume",
                "vol-ahsg23h",
                "InvalidParameterValue",
                "Value (vol-ahsg23h) for parameter volumes is invalid. Expected: 'vol-...'.",
            ),
            (
                "internet-gateway",
                "any",
                "InvalidInternetGatewayId.Malformed",
                "Invalid Id: 'any' (expecting 'igw-...; the Id may only contain lowercase alphanumeric characters and a single dash')",
            ),
        ] {
            let codes = of_slug(slug);
            assert!(!codes.may_be(id), "{slug} {id}");
            assert_eq!((codes.malformed(id), codes.malformed_message(id).as_str()), (code, said));
        }
        let said = "Invalid value 'eipalloc-1' for PublicIp. Not a valid IPv4 address";
        assert_eq!(
            (PUBLIC_IPS.malformed("x"), PUBLIC_IPS.malformed_message("eipalloc-1").as_str()),
            ("InvalidParameterValue", said)
        );
    }
}
