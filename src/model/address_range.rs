//! A range of network addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Network addresses that begin alike, such as `10.0.0.0/8`; or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    /// How many bits of an address have to be those of `address`.
    bits: u8,
}

/// A text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is neither an address nor a range of addresses: write one such as 10.0.0.7, 10.0.0.0/8 or fd00::/8")]
pub struct AddressRangeError {
    given: String,
}

impl AddressRange {
    /// Whether an address is in the range. An IPv4 address that is written as one of IPv6 counts as what it is.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let kept = |all: u32| all - u32::from(self.bits).min(all);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(of), IpAddr::V4(address)) => {
                (of.to_bits() ^ address.to_bits()).checked_shr(kept(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(of), IpAddr::V6(address)) => {
                (of.to_bits() ^ address.to_bits()).checked_shr(kept(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AddressRangeError { given: text.chars().take(100).collect() };
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(AddressRange { address, bits })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_one = self.bits == if self.address.is_ipv4() { 32 } else { 128 };
        if is_one { self.address.fmt(f) } else { write!(f, "{}/{}", self.address, self.bits) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> AddressRange {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_holds_what_begins_like_it() {
        for (of, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("fd00::/8", "fd12::1", "fe00::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("10.0.0.7", "::ffff:10.0.0.7", "::10.0.0.7"),
        ] {
            assert!(range(of).holds(address(inside)), "{of} {inside}");
            assert!(!range(of).holds(address(outside)), "{of} {outside}");
        }
        for wrong in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "proxy", "10.0.0.0/-1"] {
            assert!(wrong.parse::<AddressRange>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_read_as_it_is_written_and_holds_the_addresses_with_its_first_bits(
            one in any::<[u8; 4]>(), other in any::<[u8; 4]>(), bits in 0_u8..=32
        ) {
            let range = AddressRange { address: one.into(), bits };
            prop_assert_eq!(range.to_string().parse::<AddressRange>(), Ok(range));
            let text = |bytes: [u8; 4]| bytes.map(|byte| format!("{byte:08b}")).concat();
            let begins_alike = text(one)[..usize::from(bits)] == text(other)[..usize::from(bits)];
            prop_assert_eq!(range.holds(other.into()), begins_alike);
        }
    }
}
