//! The numbers of a row's terms, as bytes: 2 for each of the first 65,536 terms of a kind, among which are almost all that many rows
//! share, and 3 for another.

/// The least number that takes 3 bytes.
pub(super) const FAR: u32 = 1 << 16;

/// The numbers of a row's terms, each once, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowTerms<'a> {
    near: &'a [[u8; 2]],
    far: &'a [[u8; 3]],
}

/// Writes the numbers of a row's terms, which are in order.
pub(super) fn write_terms(numbers: &[u32], out: &mut Vec<u8>) {
    let (near, far) = numbers.split_at(numbers.partition_point(|number| *number < FAR));
    write_length(near.len(), out);
    write_length(far.len(), out);
    for number in near {
        let [low, high, ..] = number.to_le_bytes();
        out.extend_from_slice(&[low, high]);
    }
    for number in far {
        let [low, middle, high, _] = number.to_le_bytes();
        out.extend_from_slice(&[low, middle, high]);
    }
}

/// Appends a length: seven bits a byte, the lowest first.
pub(super) fn write_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let bits = u8::try_from(length & 0x7F).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            return out.push(bits);
        }
        out.push(bits | 0x80);
    }
}

/// A length and what follows it.
#[inline]
pub(super) fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes.split_first() {
        Some((first, rest)) if *first < 0x80 => Some((usize::from(*first), rest)),
        _ => read_long_length(bytes),
    }
}

/// The same for a length of several bytes, which is rare: the short ones are read in place.
#[cold]
fn read_long_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut length = usize::from(first & 0x7F);
    for shift in (7..usize::BITS).step_by(7) {
        let (next, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(next & 0x7F) << shift;
        if *next < 0x80 {
            return Some((length, rest));
        }
    }
    None
}

impl<'a> RowTerms<'a> {
    /// What [`write_terms`] wrote at the beginning of `bytes`, and what follows it.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (near, bytes) = read_length(bytes)?;
        let (far, bytes) = read_length(bytes)?;
        let (near, bytes) = bytes.split_at_checked(2 * near)?;
        let (far, bytes) = bytes.split_at_checked(3 * far)?;
        Some((RowTerms { near: near.as_chunks().0, far: far.as_chunks().0 }, bytes))
    }

    /// The numbers, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = u32> + use<'a> {
        self.up_to(true)
    }

    /// The numbers, in order: all, or only those that take 2 bytes.
    pub(super) fn up_to(self, far: bool) -> impl Iterator<Item = u32> + use<'a> {
        let near = self.near.iter().map(|number| u32::from(u16::from_le_bytes(*number)));
        let far = if far { self.far } else { &[] };
        near.chain(far.iter().map(|[low, middle, high]| u32::from_le_bytes([*low, *middle, *high, 0])))
    }

    /// Whether a number is among them.
    pub(super) fn contain(self, number: u32) -> bool {
        if let Ok(number) = u16::try_from(number) {
            // Looks at all of them: the compiler compares many at once.
            return self.near.iter().fold(false, |found, each| found | (u16::from_le_bytes(*each) == number));
        }
        let [low, middle, high, _] = number.to_le_bytes();
        self.far.contains(&[low, middle, high])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            numbers in proptest::collection::btree_set(
                prop_oneof![0..300_u32, 65_500..65_600_u32, (1_u32 << 24) - 3..1 << 24],
                0..200,
            ),
            asked in prop_oneof![0..300_u32, 65_500..65_600_u32],
        ) {
            let all: Vec<u32> = numbers.iter().copied().collect();
            let mut written = vec![];
            write_terms(&all, &mut written);
            written.push(7);
            let (read, rest) = RowTerms::read(&written).unwrap();
            prop_assert_eq!(rest, [7]);
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), all);
            prop_assert_eq!(read.contain(asked), numbers.contains(&asked));
        }

        #[test]
        fn lengths_are_read_as_they_were_written(length in prop_oneof![0..300_usize, any::<usize>()]) {
            let mut written = vec![];
            write_length(length, &mut written);
            let (read, rest) = read_length(&written).unwrap();
            prop_assert_eq!((read, rest.len()), (length, 0));
        }
    }
}
