//! What values of a filter can look like.
//!
//! AWS answers a filter whose value can never match with an empty list, which reads as a fact about the account. Where all values
//! of a filter have one form (ids, states, times, addresses), Muster can tell an impossible value from one that just matches
//! nothing: [`Form::admits`] says whether any value of the form could match, and [`Form::advice`] describes the form.

use std::net::{Ipv4Addr, Ipv6Addr};

mod admits;
mod shape;

/// The form of all values of a filter, as AWS documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text: names, keys and codes to which AWS adds new ones. Rows hold no empty text.
    Text,
    /// Any text, even empty: descriptions and reasons.
    Prose,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// An id: one of these prefixes, then 8 or 17 hexadecimal digits.
    Id(&'static [&'static str]),
    /// An id as in [`Form::Id`], or this word.
    IdOr(&'static [&'static str], &'static str),
    /// This prefix, then lower-case letters, digits and hyphens.
    Prefixed(&'static str),
    /// An Amazon Resource Name.
    Arn,
    /// An account: twelve digits.
    Account,
    /// A time, as AWS's filters or as documents write it.
    Time,
    /// A whole number that is not negative.
    Number,
    /// A port, an ICMP type, or `-1` for all of them.
    Port,
    /// A protocol: its name or number, or `-1` for all of them.
    Protocol,
    /// A percentage, such as `80%`.
    Percent,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A range of IPv4 addresses, such as `10.0.0.0/16`.
    Cidr,
    /// A range of IPv6 addresses, such as `2001:db8::/56`.
    Cidr6,
    /// An availability zone, such as `us-east-1a`.
    Zone,
    /// The id of an availability zone, such as `use1-az1`.
    ZoneId,
    /// A MAC address, such as `0a:1b:2c:3d:4e:5f`.
    Mac,
}

/// The protocols that AWS shows by name, with their numbers.
const PROTOCOLS: [(&str, &str); 4] = [("tcp", "6"), ("udp", "17"), ("icmp", "1"), ("icmpv6", "58")];

impl Form {
    /// Whether any text may be a value.
    fn is_open(self) -> bool {
        matches!(self, Form::Text | Form::Prose)
    }

    /// Whether a value may be empty, and is then in the rows.
    #[must_use]
    pub fn may_be_empty(self) -> bool {
        self == Form::Prose
    }

    /// Another spelling with the same meaning, which is compared too; only for values without wildcards.
    #[must_use]
    pub fn also(self, value: &str) -> Option<String> {
        match self {
            Form::Ipv6 => {
                let canonical = value.parse::<Ipv6Addr>().ok()?.to_string();
                (canonical != value).then_some(canonical)
            }
            Form::Protocol => PROTOCOLS.iter().find_map(|(name, number)| match value {
                // Security groups show names; network ACLs show numbers.
                _ if value == *number => Some((*name).to_owned()),
                _ if value == *name => Some((*number).to_owned()),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Describes a value of this form, as the end of a sentence.
    #[must_use]
    pub fn advice(self) -> String {
        match self {
            Form::Text | Form::Prose => "its values are free text".to_owned(),
            Form::Word(words) if words.len() > 30 => {
                "no resource in this copy has it, and this version of Muster does not know it as a value of AWS"
                    .to_owned()
            }
            Form::Word(words) => format!("its values are {}", words.join(", ")),
            Form::Flag => "its values are true and false".to_owned(),
            Form::Id(prefixes) => {
                format!("its values are ids: {} and 8 or 17 hexadecimal digits, in lower case", prefixes.join(" or "))
            }
            Form::IdOr(prefixes, word) => {
                format!("its values are ids ({} and 8 or 17 hexadecimal digits) or {word}", prefixes.join(" or "))
            }
            Form::Prefixed(prefix) => format!("its values begin with {prefix}"),
            Form::Arn => {
                "its values are ARNs, such as arn:aws:iam::123456789012:instance-profile/web; write */web for any \
                          that ends so"
                    .to_owned()
            }
            Form::Account => "its values are account numbers: 12 digits".to_owned(),
            Form::Time => {
                "its values are times in UTC, such as 2026-03-30T15:15:21.000Z; write 2026-03-30T* for a whole day"
                    .to_owned()
            }
            Form::Number => "its values are whole numbers, without units".to_owned(),
            Form::Port => {
                "its values are port numbers, or -1 for all; a range has its first port in from-port and its last in \
                           to-port"
                    .to_owned()
            }
            Form::Protocol => {
                "its values are tcp, udp, icmp, icmpv6, a protocol number, or -1 for all protocols".to_owned()
            }
            Form::Percent => "its values are percentages, such as 80%".to_owned(),
            Form::Ipv4 => {
                "its values are IPv4 addresses, such as 10.0.1.5; write 10.0.1.* for all that begin so".to_owned()
            }
            Form::Ipv6 => "its values are IPv6 addresses in lower case, such as 2001:db8::5".to_owned(),
            Form::Cidr => {
                "its values are ranges of IPv4 addresses with their prefix length, such as 10.0.0.0/16, and match \
                           only as a whole"
                    .to_owned()
            }
            Form::Cidr6 => {
                "its values are ranges of IPv6 addresses with their prefix length, such as 2001:db8::/56, and match \
                            only as a whole"
                    .to_owned()
            }
            Form::Zone => {
                "its values are availability zones, such as us-east-1a; write us-east-1? for all of a region".to_owned()
            }
            Form::ZoneId => "its values are ids of availability zones, such as use1-az1".to_owned(),
            Form::Mac => "its values are MAC addresses in lower case, such as 0a:1b:2c:3d:4e:5f".to_owned(),
        }
    }

    /// The value that was probably meant by one that cannot match.
    #[must_use]
    pub fn repaired(self, value: &str) -> Option<String> {
        let trimmed = value.trim().trim_matches(['"', '\'']);
        let digits: String = trimmed.chars().filter(char::is_ascii_digit).collect();
        let candidates = [
            trimmed.to_owned(),
            trimmed.to_lowercase(),
            // For example a time with a space in it, or a MAC address with hyphens.
            trimmed.replacen(' ', "T", 1),
            trimmed.to_lowercase().replace('-', ":"),
            match self {
                Form::Account | Form::Number => digits,
                Form::Percent => format!("{digits}%"),
                Form::Zone => format!("{trimmed}?"),
                Form::Arn => format!("*/{trimmed}"),
                Form::Cidr | Form::Cidr6 => masked(trimmed).unwrap_or_else(|| format!("{trimmed}/*")),
                Form::Ipv6 => trimmed.parse::<Ipv6Addr>().map(|address| address.to_string()).unwrap_or_default(),
                Form::Ipv4 => within(trimmed).unwrap_or_else(|| format!("{trimmed}.*")),
                Form::Protocol if trimmed.eq_ignore_ascii_case("all") => "-1".to_owned(),
                Form::Time => format!("{}*", trimmed.replacen(' ', "T", 1).trim_end_matches('Z')),
                _ => String::new(),
            },
        ];
        candidates.into_iter().find(|candidate| !candidate.is_empty() && candidate != value && self.admits(candidate))
    }
}

/// A range of addresses with the bits behind its prefix cleared, as AWS stores it; `None` for other text.
fn masked(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/')?;
    // `+8` and `08` parse as numbers.
    let length: u32 = length.parse().ok().filter(|number: &u32| number.to_string() == length)?;
    if let Ok(address) = address.parse::<Ipv4Addr>() {
        let mask = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
        return Some(format!("{}/{length}", Ipv4Addr::from_bits(address.to_bits() & mask)));
    }
    let address: Ipv6Addr = address.parse().ok()?;
    let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
    Some(format!("{}/{length}", Ipv6Addr::from_bits(address.to_bits() & mask)))
}

/// The pattern of all addresses in a range whose prefix ends between two of its numbers, such as `10.0.1.*` for `10.0.1.0/24`.
fn within(range: &str) -> Option<String> {
    let range = masked(range)?;
    let (address, length) = range.split_once('/')?;
    let numbers = match length {
        "8" => 1,
        "16" => 2,
        "24" => 3,
        _ => return None,
    };
    let numbers: Vec<&str> = address.split('.').take(numbers).collect();
    Some(format!("{}.*", numbers.join(".")))
}

#[cfg(test)]
mod tests;
