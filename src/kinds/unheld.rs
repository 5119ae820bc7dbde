//! The kinds of EC2 resources that are not held: the prefixes of their ids, so that such an id is not taken for a mistyped one.

/// The prefixes of ids, and the name of one resource.
const UNHELD: [(&str, &str); 26] = [
    ("cagw-", "carrier gateway"),
    ("cgw-", "customer gateway"),
    ("cr-", "Capacity Reservation"),
    ("dopt-", "DHCP options set"),
    ("eigw-", "egress-only internet gateway"),
    ("export-i-", "export task"),
    ("fl-", "flow log"),
    ("fleet-", "EC2 Fleet"),
    ("h-", "Dedicated Host"),
    ("import-ami-", "import task"),
    ("ipam-", "IPAM"),
    ("key-", "key pair"),
    ("lgw-", "local gateway"),
    ("lt-", "launch template"),
    ("pcx-", "VPC peering connection"),
    ("pg-", "placement group"),
    ("pl-", "prefix list"),
    ("r-", "reservation"),
    ("sfr-", "Spot Fleet request"),
    ("sgr-", "security group rule"),
    ("sir-", "Spot Instance request"),
    ("tgw-", "transit gateway"),
    ("vgw-", "virtual private gateway"),
    ("vpce-", "VPC endpoint"),
    ("vpce-svc-", "VPC endpoint service"),
    ("vpn-", "VPN connection"),
];

/// The name of the kind whose ids begin as `id` does; `None` for a kind that is held, or that nobody knows.
#[must_use]
pub fn of_id(id: &str) -> Option<&'static str> {
    let named = UNHELD.iter().filter(|(prefix, _)| id.starts_with(prefix));
    named.max_by_key(|(prefix, _)| prefix.len()).map(|(_, title)| *title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn a_prefix_is_that_of_one_kind() {
        assert_eq!(of_id("pl-0123456789abcdef0"), Some("prefix list"));
        assert_eq!(of_id("vpce-svc-0123456789abcdef0"), Some("VPC endpoint service"));
        for held in kinds::prefixes() {
            assert_eq!(of_id(&format!("{held}0123456789abcdef0")), None, "{held}");
        }
    }
}
