//! Sets of addresses, exact ones: rules that allow and deny overlap in any way.

use std::net::{Ipv4Addr, Ipv6Addr};

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Ranges of IPv4 addresses that are no sources on the internet: private, shared, loopback, link-local, multicast, reserved.
const NOT_PUBLIC: [&str; 8] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
];

/// The IPv6 addresses that are routed on the internet.
const PUBLIC_IPV6: &str = "2000::/3";

impl Family {
    /// The range of all its addresses, as rules and routes write it.
    #[must_use]
    pub fn everything(self) -> &'static str {
        match self {
            Family::V4 => "0.0.0.0/0",
            Family::V6 => "::/0",
        }
    }

    /// All addresses from which the internet sends.
    #[must_use]
    pub(super) fn internet(self) -> AddressSet {
        match self {
            Family::V4 => {
                let all = AddressSet::of(self, self.everything()).unwrap_or_default();
                NOT_PUBLIC
                    .iter()
                    .filter_map(|range| AddressSet::of(self, range))
                    .fold(all, |all, range| all.minus(&range))
            }
            Family::V6 => AddressSet::of(self, PUBLIC_IPV6).unwrap_or_default(),
        }
    }

    /// How many addresses count as the internet: more than anybody lets in by naming them, a /8 of IPv4, a /16 of IPv6. What is
    /// open to fewer is open to somebody who was chosen.
    fn wide(self) -> u128 {
        match self {
            Family::V4 => 1 << 24,
            Family::V6 => 1 << 112,
        }
    }
}

/// Addresses of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AddressSet {
    /// Inclusive, in order, neither overlapping nor touching.
    ranges: Vec<(u128, u128)>,
}

impl AddressSet {
    /// The addresses of a range such as `10.0.0.0/8`; `None` where that is not one of this family.
    #[must_use]
    pub(super) fn of(family: Family, cidr: &str) -> Option<Self> {
        let (address, length) = cidr.split_once('/')?;
        let length: u32 = length.parse().ok()?;
        let (bits, width) = match family {
            Family::V4 => (u128::from(address.parse::<Ipv4Addr>().ok()?.to_bits()), 32),
            Family::V6 => (address.parse::<Ipv6Addr>().ok()?.to_bits(), 128),
        };
        let host = width - length.min(width);
        if length > width {
            return None;
        }
        // A shift by all 128 bits is none.
        let mask = u128::MAX.checked_shr(128 - host).unwrap_or(0);
        let first = bits & !mask;
        Some(AddressSet { ranges: vec![(first, first | mask)] })
    }

    /// Whether there is none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether there are so many that they count as the internet.
    #[must_use]
    pub(super) fn is_internet(&self, family: Family) -> bool {
        let count = |(first, last): &(u128, u128)| (last - first).saturating_add(1);
        self.ranges.iter().map(count).fold(0, u128::saturating_add) >= family.wide()
    }

    /// The addresses of either.
    #[must_use]
    pub(super) fn or(&self, other: &AddressSet) -> AddressSet {
        let mut all: Vec<(u128, u128)> = self.ranges.iter().chain(&other.ranges).copied().collect();
        all.sort_unstable();
        let mut ranges: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match ranges.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        AddressSet { ranges }
    }

    /// The addresses of both.
    #[must_use]
    pub(super) fn and(&self, other: &AddressSet) -> AddressSet {
        let mut ranges = Vec::new();
        let (mut ours, mut theirs) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(&&(a, b)), Some(&&(c, d))) = (ours.peek(), theirs.peek()) {
            if a.max(c) <= b.min(d) {
                ranges.push((a.max(c), b.min(d)));
            }
            // What ends first meets nothing that comes later.
            if b <= d {
                ours.next();
            } else {
                theirs.next();
            }
        }
        AddressSet { ranges }
    }

    /// The addresses of this that are not among the other's.
    #[must_use]
    pub(super) fn minus(&self, other: &AddressSet) -> AddressSet {
        let mut ranges = Vec::new();
        for &(first, last) in &self.ranges {
            let mut next = Some(first);
            for &(from, to) in other.ranges.iter().filter(|(from, to)| *from <= last && *to >= first) {
                let Some(start) = next else { break };
                if start < from {
                    ranges.push((start, from - 1));
                }
                next = to.checked_add(1).map(|after| after.max(start)).filter(|after| *after <= last);
            }
            if let Some(start) = next {
                ranges.push((start, last));
            }
        }
        AddressSet { ranges }
    }

    #[cfg(test)]
    pub(super) fn holds(&self, address: u128) -> bool {
        self.ranges.iter().any(|(first, last)| *first <= address && address <= *last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_as_aws_writes_them() {
        let v4 = |text| AddressSet::of(Family::V4, text);
        assert_eq!(v4("10.1.2.3/8"), v4("10.0.0.0/8"));
        assert!(v4("0.0.0.0/0").unwrap().holds(u128::from(u32::MAX)));
        assert!(!v4("0.0.0.0/0").unwrap().holds(1 << 32));
        assert!(AddressSet::of(Family::V6, "::/0").unwrap().holds(u128::MAX));
        assert!(AddressSet::of(Family::V6, "2001:db8::1/128").unwrap().holds(0x2001_0db8 << 96 | 1));
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "::/0", "10.0.0/8", "x/8"] {
            assert_eq!(v4(wrong), None, "{wrong}");
        }
        assert_eq!(AddressSet::of(Family::V6, "::/129"), None);
    }

    #[test]
    fn the_internet_is_what_nobody_chose() {
        let is_internet = |text| AddressSet::of(Family::V4, text).unwrap().is_internet(Family::V4);
        assert!(is_internet("0.0.0.0/0") && is_internet("8.0.0.0/8") && !is_internet("8.0.0.0/9"));
        let private = AddressSet::of(Family::V4, "10.0.0.0/8").unwrap();
        assert!(private.and(&Family::V4.internet()).is_empty());
        assert!(Family::V4.internet().is_internet(Family::V4) && Family::V6.internet().is_internet(Family::V6));
    }

    proptest! {
        #[test]
        fn sets_are_those_of_their_addresses(
            a in proptest::collection::vec((0..40_u128, 0..9_u128), 0..6),
            b in proptest::collection::vec((0..40_u128, 0..9_u128), 0..6),
        ) {
            let set = |ranges: &[(u128, u128)]| ranges.iter().fold(AddressSet::default(), |set, (first, length)| {
                set.or(&AddressSet { ranges: vec![(*first, first + length)] })
            });
            let (a, b) = (set(&a), set(&b));
            let (or, and, minus) = (a.or(&b), a.and(&b), a.minus(&b));
            for address in 0..60 {
                prop_assert_eq!(or.holds(address), a.holds(address) || b.holds(address));
                prop_assert_eq!(and.holds(address), a.holds(address) && b.holds(address));
                prop_assert_eq!(minus.holds(address), a.holds(address) && !b.holds(address));
            }
            for set in [or, and, minus] {
                prop_assert!(set.ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
            }
        }
    }
}
