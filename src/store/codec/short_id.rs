//! AWS's IDs as numbers: a document holds ten and more of them, each 19 to 28 letters long.

use bincode::{Decode, Encode};
use compact_str::CompactString;

/// What stands before the dash. **Append only**: a prefix's position is its stored number.
const PREFIXES: &[&str] = &[
    "i",
    "vol",
    "eni",
    "subnet",
    "vpc",
    "sg",
    "snap",
    "ami",
    "r",
    "eni-attach",
    "eipalloc",
    "eipassoc",
    "sgr",
    "vpc-cidr-assoc",
    "dopt",
    "lt",
    "igw",
    "rtb",
    "acl",
    "nat",
    "vpce",
    "tgw",
    "fleet",
    "sir",
    "cr",
    "h",
    "pl",
    "aki",
    "ari",
    "eigw",
    "pcx",
    "lgw",
    "cagw",
    "vgw",
    "ipv4pool-ec2",
    "ipv6pool-ec2",
];

/// An ID of the form that AWS gives all new ones: a known prefix, a dash, a zero and 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct ShortId {
    prefix: u8,
    digits: [u8; 8],
}

impl ShortId {
    /// The ID that `text` is; `None` if it has another form.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (prefix, digits) = text.as_bytes().split_last_chunk::<17>()?;
        let ([b'0', digits @ ..], [prefix @ .., b'-']) = (digits, prefix) else { return None };
        let mut number = 0_u64;
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            number = number << 4 | u64::from(value);
        }
        let prefix = PREFIXES.iter().position(|known| known.as_bytes() == prefix)?;
        Some(ShortId { prefix: u8::try_from(prefix).ok()?, digits: number.to_be_bytes() })
    }

    /// The ID as AWS writes it; `None` if its prefix is unknown.
    pub(super) fn text(self) -> Option<CompactString> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [b'0'; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.digits) {
            for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = *DIGITS.get(usize::from(value))?;
            }
        }
        let mut text = CompactString::from(*PREFIXES.get(usize::from(self.prefix))?);
        text.push_str("-0");
        text.push_str(std::str::from_utf8(&digits).ok()?);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_of_the_usual_form_reads_back_and_any_other_text_is_none() {
        for prefix in PREFIXES {
            for digits in ["0123456789abcdef0", "0fedcba9876543210", "00000000000000000", "0ffffffffffffffff"] {
                let text = format!("{prefix}-{digits}");
                assert_eq!(ShortId::of(&text).unwrap().text().unwrap(), text);
            }
        }
        for other in [
            "",
            "i-",
            "i-0123456789abcdef",
            "i-0123456789abcdef01",
            "i-1123456789abcdef0",
            "i-0123456789ABCDEF0",
            "i-0123456789abcdeg0",
            "x-0123456789abcdef0",
            "-0123456789abcdef0",
            "00123456789abcdef0",
            "i-01234567",
            "i-0123456789abcde\u{e9}",
        ] {
            assert_eq!(ShortId::of(other), None, "{other}");
        }
        assert_eq!(ShortId { prefix: 255, digits: [0; 8] }.text(), None);
    }

    /// After appending prefixes, raise the count; never for another reason.
    #[test]
    fn no_prefix_occurs_twice() {
        assert_eq!(PREFIXES.iter().collect::<BTreeSet<_>>().len(), PREFIXES.len());
        assert_eq!((PREFIXES.len(), PREFIXES[0], PREFIXES[35]), (36, "i", "ipv6pool-ec2"));
    }
}
