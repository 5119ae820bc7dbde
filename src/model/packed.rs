//! Text of the forms that AWS uses in fewer bytes, for tables in memory that hold hundreds of thousands of them.
//!
//! An id, an IPv4 address or a time in whole seconds takes 5 or 10 bytes instead of 10 to 35. Any other text stays as it is: a
//! packed one begins with a byte that no text begins with. Equal texts have equal bytes. The form is for memory only, so it may change.

use std::cmp::Ordering;
use std::net::Ipv4Addr;
use std::ops::Deref;

/// The first byte of an id that ends with 17 hexadecimal digits: this and the place of its prefix.
const LONG: u8 = 0x80;
/// The same for one that ends with 8.
const SHORT: u8 = 0xA0;
/// The bits that hold the place of the prefix.
const PREFIX: u8 = 0x1F;
/// The first byte of a time in documents, in whole seconds.
const SECOND: u8 = 0xFE;
/// The first byte of an IPv4 address.
const ADDRESS: u8 = 0xFF;

/// The beginnings of ids that are packed.
const PREFIXES: [&str; 30] = [
    "i-",
    "vol-",
    "eni-",
    "snap-",
    "ami-",
    "sg-",
    "subnet-",
    "vpc-",
    "rtb-",
    "igw-",
    "nat-",
    "acl-",
    "eipalloc-",
    "eipassoc-",
    "r-",
    "eni-attach-",
    "rtbassoc-",
    "aclassoc-",
    "sgr-",
    "pl-",
    "cr-",
    "h-",
    "vgw-",
    "tgw-",
    "pcx-",
    "eigw-",
    "vpce-",
    "lt-",
    "fleet-",
    "ela-attach-",
];

/// The first year of packed times, of 64.
const YEAR: u32 = 2000;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The length of the longest packed text, which is an id.
const LONGEST: usize = 32;

/// How many packed bytes stand in a key itself.
const SHORTEST: usize = 14;

/// Appends `text` to `out`, packed if it is of a known form.
pub fn pack(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if !pack_id(bytes, out) && !pack_second(bytes, out) && !pack_address(text, out) {
        out.extend_from_slice(bytes);
    }
}

/// A packed text as the key of a table: 16 bytes, and an allocation only for a text of more than 14 bytes that has no known form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackedText(PackedForm);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PackedForm {
    Here {
        length: u8,
        bytes: [u8; SHORTEST],
    },
    #[expect(clippy::box_collection, reason = "a second pointer would make every key longer")]
    Apart(Box<Vec<u8>>),
}

impl PackedText {
    /// Packs `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut packed = Vec::with_capacity(LONGEST);
        pack(text, &mut packed);
        let mut bytes = [0; SHORTEST];
        if let (Ok(length), Some(here)) = (u8::try_from(packed.len()), bytes.get_mut(..packed.len())) {
            here.copy_from_slice(&packed);
            return PackedText(PackedForm::Here { length, bytes });
        }
        packed.shrink_to_fit();
        PackedText(PackedForm::Apart(Box::new(packed)))
    }
}

/// Text that was packed, made again or still there.
#[derive(Debug)]
pub struct Unpacked<'a>(UnpackedForm<'a>);

#[derive(Debug)]
enum UnpackedForm<'a> {
    Plain(&'a [u8]),
    Made { text: [u8; LONGEST], length: usize },
}

/// The text that `bytes` were packed from.
#[must_use]
pub fn unpacked(bytes: &[u8]) -> Unpacked<'_> {
    let mut made = Made { text: [0; LONGEST], length: 0 };
    let known = match bytes.split_first() {
        Some((&SECOND, rest)) => made.second(rest),
        Some((&ADDRESS, rest)) => made.address(rest),
        Some((first, rest)) if (LONG..0xC0).contains(first) => made.id(*first, rest),
        _ => None,
    };
    Unpacked(match known {
        Some(()) => UnpackedForm::Made { text: made.text, length: made.length },
        None => UnpackedForm::Plain(bytes),
    })
}

impl Deref for Unpacked<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        let bytes = match &self.0 {
            UnpackedForm::Plain(bytes) => bytes,
            UnpackedForm::Made { text, length } => text.get(..*length).unwrap_or_default(),
        };
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// The order of two texts, from their packed bytes.
#[must_use]
pub fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let prefix = |bytes: &[u8]| bytes.first().filter(|first| (LONG..0xC0).contains(*first)).map(|first| first & PREFIX);
    match (prefix(one), prefix(other)) {
        // Digits sort as they are written, and the shorter of two that begin alike is the smaller text.
        (Some(mine), Some(theirs)) if mine == theirs => one.get(1..).cmp(&other.get(1..)),
        _ => unpacked(one).cmp(&unpacked(other)),
    }
}

fn pack_id(text: &[u8], out: &mut Vec<u8>) -> bool {
    let ends_with_digits =
        |count: usize| text.len().checked_sub(count + 1).filter(|dash| text.get(*dash) == Some(&b'-'));
    let (form, dash) = match (ends_with_digits(17), ends_with_digits(8)) {
        (Some(dash), _) => (LONG, dash),
        (None, Some(dash)) => (SHORT, dash),
        (None, None) => return false,
    };
    let (prefix, digits) = text.split_at(dash + 1);
    let Some(place) = PREFIXES.iter().position(|known| known.as_bytes() == prefix) else { return false };
    let start = out.len();
    out.push(form | u8::try_from(place).unwrap_or_default());
    for pair in digits.chunks(2) {
        let value = |digit: Option<&u8>| digit.map_or(Some(0), |digit| hexadecimal(*digit));
        let (Some(high), Some(low)) = (value(pair.first()), value(pair.get(1))) else {
            out.truncate(start);
            return false;
        };
        out.push(high << 4 | low);
    }
    true
}

/// The value of a digit, if it is written as AWS writes it.
fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Packs such as `2026-11-22T13:15:10+00:00` field by field: whatever the digits say, they come back.
fn pack_second(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((text, b"+00:00")) = text.split_at_checked(19) else { return false };
    let number = |start: usize, end: usize| {
        text.get(start..end)?
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let is_marked = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
        .iter()
        .all(|(place, mark)| text.get(*place) == Some(mark));
    let year = number(0, 4).and_then(|year| year.checked_sub(YEAR));
    let fields = [
        (year, 6),
        (number(5, 7), 4),
        (number(8, 10), 5),
        (number(11, 13), 5),
        (number(14, 16), 6),
        (number(17, 19), 6),
    ];
    let packed = fields.iter().try_fold(0_u32, |packed, (field, bits)| {
        field.filter(|field| *field < 1 << bits).map(|field| packed << bits | field)
    });
    match packed {
        Some(packed) if is_marked => {
            out.push(SECOND);
            out.extend_from_slice(&packed.to_be_bytes());
            true
        }
        _ => false,
    }
}

fn pack_address(text: &str, out: &mut Vec<u8>) -> bool {
    let begins_with_digit = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    // Each number is written in one way only.
    match text.parse::<Ipv4Addr>() {
        Ok(address) if begins_with_digit => {
            out.push(ADDRESS);
            out.extend_from_slice(&address.octets());
            true
        }
        _ => false,
    }
}

/// A text that is being made.
struct Made {
    text: [u8; LONGEST],
    length: usize,
}

impl Made {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.text.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn digit(&mut self, digit: u8) -> Option<()> {
        self.push(&[*DIGITS.get(usize::from(digit))?])
    }

    /// A number of so many decimal digits.
    fn number(&mut self, number: u32, digits: u32) -> Option<()> {
        (0..digits).rev().try_for_each(|place| self.digit(u8::try_from(number / 10_u32.pow(place) % 10).ok()?))
    }

    fn id(&mut self, first: u8, rest: &[u8]) -> Option<()> {
        self.push(PREFIXES.get(usize::from(first & PREFIX))?.as_bytes())?;
        for pair in rest {
            self.digit(pair >> 4)?;
            self.digit(pair & 0xF)?;
        }
        // The last of 17 digits stands alone.
        self.length -= usize::from(first < SHORT);
        Some(())
    }

    fn second(&mut self, rest: &[u8]) -> Option<()> {
        let packed = u32::from_be_bytes(rest.try_into().ok()?);
        let field = |shift: u32, bits: u32| packed >> shift & ((1 << bits) - 1);
        self.number(YEAR + field(26, 6), 4)?;
        for (mark, number) in
            [(b'-', field(22, 4)), (b'-', field(17, 5)), (b'T', field(12, 5)), (b':', field(6, 6)), (b':', field(0, 6))]
        {
            self.push(&[mark])?;
            self.number(number, 2)?;
        }
        self.push(b"+00:00")
    }

    fn address(&mut self, rest: &[u8]) -> Option<()> {
        for (place, octet) in rest.iter().enumerate() {
            if place > 0 {
                self.push(b".")?;
            }
            let digits = 1 + u32::from(*octet > 9) + u32::from(*octet > 99);
            self.number(u32::from(*octet), digits)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        pack(text, &mut out);
        out
    }

    #[test]
    fn texts_of_known_forms_take_few_bytes_and_come_back() {
        for (text, length) in [
            ("i-0123456789abcdef0", 10),
            ("ela-attach-0123456789abcdef0", 10),
            ("vol-1a2b3c4d", 5),
            ("10.0.255.19", 5),
            ("0.0.0.0", 5),
            ("2026-11-22T13:15:10+00:00", 5),
            ("2063-15-31T31:63:63+00:00", 5),
        ] {
            assert_eq!(packed(text).len(), length, "{text}");
            assert_eq!(&*unpacked(&packed(text)), text);
        }
        assert!(PREFIXES.iter().all(|prefix| prefix.len() + 18 <= LONGEST));
        assert!(PREFIXES.len() <= usize::from(PREFIX) + 1);
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in [
            "",
            "running",
            "i-0123456789ABCDEF0",
            "i-0123456789abcdef",
            "other-0123456789abcdef0",
            "10.0.0.01",
            "10.0.0",
            "10.0.0.0/16",
            "2026-11-22T13:15:10.000+00:00",
            "2026-11-22 13:15:10+00:00",
            "1999-11-22T13:15:10+00:00",
            "2064-11-22T13:15:10+00:00",
            "2026-1a-22T13:15:10+00:00",
            "i-ä1234567",
        ] {
            assert_eq!(packed(text), text.as_bytes(), "{text}");
            assert_eq!(&*unpacked(text.as_bytes()), text);
        }
    }

    #[test]
    fn a_key_takes_16_bytes() {
        assert_eq!(size_of::<PackedText>(), 16);
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "(i|vol|x)-[0-9a-f]{8}",
            "(i|vol|eni)-[0-9a-f]{17}",
            "i-[0-9a-f]{7,18}",
            "[0-9]{1,3}(\\.[0-9]{1,3}){3}",
            "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\+00:00",
            ".{0,20}",
        ]
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_sorts_as_it_did(one in any_text(), other in any_text()) {
            let packed_one = packed(&one);
            prop_assert_eq!(&*unpacked(&packed_one), one.as_str());
            prop_assert_eq!(compare(&packed_one, &packed(&other)), one.cmp(&other));
            prop_assert_eq!(PackedText::new(&one) == PackedText::new(&other), one == other);
            prop_assert_eq!(PackedText::new(&one), PackedText::new(&one));
        }

        #[test]
        fn ids_that_begin_alike_sort_as_they_did(one in "i-[01ab]{8}", other in "i-[01ab]{17}") {
            prop_assert_eq!(compare(&packed(&one), &packed(&other)), one.cmp(&other));
        }
    }
}
