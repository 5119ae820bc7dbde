//! Items of a listing whose bytes are remembered, so that nobody has to decode them again.
//!
//! Whoever reads an answer hashes its items, and asks the [`ItemMemory`] which of them are as they were. Whoever records what the
//! answer shows remembers an item only once what it says is stored, and compares again when it records the page: an item is only
//! remembered to be what it was, and what is stored may have changed meanwhile.

use std::num::NonZeroU64;
use std::sync::Arc;

/// A hash of an item's bytes in AWS's answer, and of what else in the answer its document is made of. Comparable within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemHash {
    /// Never zero, so that an optional hash takes no more space.
    high: NonZeroU64,
    low: u64,
}

impl ItemHash {
    /// Makes one of 128 bits, of which zero in the upper half counts as one.
    #[must_use]
    pub fn new(bits: u128) -> Self {
        let [low, high] = halves(bits);
        ItemHash { high: NonZeroU64::new(high).unwrap_or(NonZeroU64::MIN), low }
    }
}

/// What is remembered of an item: its bytes, and the digest of the document that they were decoded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownBytes {
    /// The hash of the bytes.
    pub hash: ItemHash,
    /// The digest in two halves, which take less space in a table than one number.
    digest: [u64; 2],
}

impl KnownBytes {
    /// Bytes with this hash, whose document has this digest.
    #[must_use]
    pub fn new(hash: ItemHash, digest: u128) -> Self {
        KnownBytes { hash, digest: halves(digest) }
    }

    /// The digest of the document.
    #[must_use]
    pub fn digest(&self) -> u128 {
        let [low, high] = self.digest.map(u128::from);
        high << 64 | low
    }
}

/// An item that was not decoded, because its bytes are as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnchangedItem {
    /// The id of the resource.
    pub id: Arc<str>,
    /// What is remembered of it.
    pub known: KnownBytes,
    /// Whether its document shows a resource that is terminated or deleted.
    pub gone: bool,
}

/// The memory of one kind in one scope.
pub trait ItemMemory: Send + Sync {
    /// For each item, by id and hash, what is remembered if its bytes are as they were.
    fn unchanged(&self, items: &[(&str, ItemHash)]) -> Vec<Option<UnchangedItem>>;
}

/// The lower and the upper half of 128 bits.
fn halves(bits: u128) -> [u64; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "each half is cut out on purpose")]
    [bits as u64, (bits >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_an_item_takes_32_bytes() {
        assert_eq!(size_of::<Option<KnownBytes>>(), 32);
    }

    #[test]
    fn a_digest_comes_back_whole() {
        for digest in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_1122_3344_5566_7788] {
            assert_eq!(KnownBytes::new(ItemHash::new(0), digest).digest(), digest);
        }
    }
}
