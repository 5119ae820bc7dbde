//! The rows of a kind in list order, as bytes in blocks of some dozen: a search reads memory sequentially, and a row takes little more
//! than what it says.

use std::cmp::Ordering;
use std::ops::Range;

use super::notes::{BlockNote, BlockNotes, NotePlace};
use super::row_terms::{RowTerms, read_length, write_length, write_terms};
use super::scopes::ScopeNumbers;
use crate::model::packed::{compare, pack};

/// How long a block of several rows becomes before it is split. An insertion moves half of one on average.
const LONGEST: usize = 4096;

/// By how much the room of a block grows.
const STEP: usize = 512;

/// Rows sorted by id, then by scope.
#[derive(Default)]
pub(super) struct SortedRows {
    blocks: Vec<RowBlock>,
    count: usize,
    /// The row that is being written.
    scratch: Vec<u8>,
}

/// Some rows, one after the other, and what questions found among them.
#[derive(Default)]
pub(super) struct RowBlock {
    bytes: Vec<u8>,
    notes: BlockNotes,
}

impl RowBlock {
    fn new(bytes: Vec<u8>) -> Self {
        RowBlock { bytes, notes: BlockNotes::default() }
    }

    /// Its bytes, to be changed: what was found among them does not hold any more.
    fn changed(&mut self) -> &mut Vec<u8> {
        self.notes = BlockNotes::default();
        &mut self.bytes
    }

    /// Its rows, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = IndexedRow<'_>> {
        rows(&self.bytes)
    }

    /// What a question found here; `None` where that is not known.
    pub(super) fn noted(&self, place: Option<NotePlace>) -> Option<BlockNote> {
        self.notes.get(place?)
    }

    /// Notes what a question found here.
    pub(super) fn note(&self, place: Option<NotePlace>, note: BlockNote) {
        if let Some(place) = place {
            self.notes.set(place, note);
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexedRow<'a> {
    /// Its id, packed.
    pub(super) id: &'a [u8],
    /// The number of its scope.
    pub(super) scope: u16,
    /// The numbers of its terms.
    pub(super) terms: RowTerms<'a>,
}

/// The place of a row in the order.
pub(super) struct SortedKey {
    id: Vec<u8>,
    scope: u16,
}

impl SortedKey {
    pub(super) fn new(id: &str, scope: u16) -> Self {
        let mut packed = Vec::new();
        pack(id, &mut packed);
        SortedKey { id: packed, scope }
    }

    /// Where a row stands beside this place.
    fn place(&self, row: &IndexedRow<'_>, scopes: &ScopeNumbers) -> Ordering {
        compare(row.id, &self.id).then_with(|| {
            if row.scope == self.scope { Ordering::Equal } else { scopes.get(row.scope).cmp(&scopes.get(self.scope)) }
        })
    }

    fn write(&self, terms: &[u32], row: &mut Vec<u8>) {
        row.clear();
        write_length(self.id.len(), row);
        row.extend_from_slice(&self.id);
        write_length(usize::from(self.scope), row);
        write_terms(terms, row);
    }
}

impl<'a> IndexedRow<'a> {
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (length, bytes) = read_length(bytes)?;
        let (id, bytes) = bytes.split_at_checked(length)?;
        let (scope, bytes) = read_length(bytes)?;
        let scope = u16::try_from(scope).ok()?;
        let (terms, bytes) = RowTerms::read(bytes)?;
        Some((IndexedRow { id, scope, terms }, bytes))
    }

    /// Its place in the order.
    pub(super) fn key(&self) -> SortedKey {
        SortedKey { id: self.id.to_vec(), scope: self.scope }
    }
}

/// Reads the rows of a block.
struct BlockRows<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for BlockRows<'a> {
    type Item = IndexedRow<'a>;

    fn next(&mut self) -> Option<IndexedRow<'a>> {
        let (row, rest) = IndexedRow::read(self.rest)?;
        self.rest = rest;
        Some(row)
    }
}

fn rows(block: &[u8]) -> BlockRows<'_> {
    BlockRows { rest: block }
}

impl SortedRows {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.bytes.capacity() + block.notes.bytes()).sum();
        blocks + self.blocks.capacity() * size_of::<RowBlock>()
    }

    /// All rows, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = IndexedRow<'_>> {
        self.blocks.iter().flat_map(RowBlock::rows)
    }

    /// All rows, in order, in blocks of which none is empty.
    pub(super) fn blocks(&self) -> &[RowBlock] {
        &self.blocks
    }

    /// Drops what questions found.
    pub(super) fn forget_notes(&mut self) {
        self.blocks.iter_mut().for_each(|block| block.notes = BlockNotes::default());
    }

    /// The rows from a block on that has all rows with an id, packed, or a greater one.
    pub(super) fn near<'a>(&'a self, id: &[u8]) -> impl Iterator<Item = IndexedRow<'a>> + use<'a> {
        let before =
            |block: &RowBlock| block.rows().next().is_some_and(|first| compare(first.id, id) == Ordering::Less);
        // Rows with the id may also end the block before the first one that begins with it.
        let first = self.blocks.partition_point(before).saturating_sub(1);
        self.blocks.get(first..).unwrap_or_default().iter().flat_map(RowBlock::rows)
    }

    /// The rows with an id, of all scopes.
    pub(super) fn with_id(&self, id: &str) -> impl Iterator<Item = IndexedRow<'_>> {
        let mut packed = Vec::new();
        pack(id, &mut packed);
        self.near(&packed)
            .map(move |row| (compare(row.id, &packed), row))
            .skip_while(|(place, _)| *place == Ordering::Less)
            .take_while(|(place, _)| *place == Ordering::Equal)
            .map(|(_, row)| row)
    }

    /// Inserts a row, or replaces its terms, which are in order.
    pub(super) fn insert(&mut self, key: &SortedKey, terms: &[u32], scopes: &ScopeNumbers) {
        key.write(terms, &mut self.scratch);
        let (number, place, found) = self.find(key, scopes);
        self.count += usize::from(!found);
        let Some(block) = self.blocks.get_mut(number) else {
            return self.blocks.push(RowBlock::new(self.scratch.clone()));
        };
        if block.bytes.get(place.clone()) == Some(self.scratch.as_slice()) {
            return;
        }
        let block = block.changed();
        replace(block, place, &self.scratch);
        if block.len() > LONGEST
            && let Some(second) = split(block)
        {
            self.blocks.insert(number + 1, RowBlock::new(second));
        }
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, key: &SortedKey, scopes: &ScopeNumbers) {
        let (number, place, found) = self.find(key, scopes);
        if !found {
            return;
        }
        self.count -= 1;
        let Some(block) = self.blocks.get_mut(number) else { return };
        let block = block.changed();
        replace(block, place, &[]);
        let length = block.len();
        let before = number.checked_sub(1);
        let joins = |before: &RowBlock| before.bytes.len() + length < LONGEST / 2;
        if length == 0 {
            self.blocks.remove(number);
        } else if before.and_then(|before| self.blocks.get(before)).is_some_and(joins) {
            let block = self.blocks.remove(number);
            if let Some(before) = before.and_then(|before| self.blocks.get_mut(before)) {
                let before = before.changed();
                let end = before.len();
                replace(before, end..end, &block.bytes);
            }
        }
    }

    /// Adds a row behind all others.
    pub(super) fn push(&mut self, key: &SortedKey, terms: &[u32]) {
        key.write(terms, &mut self.scratch);
        self.count += 1;
        match self.blocks.last_mut() {
            Some(block) if block.bytes.len() + self.scratch.len() <= LONGEST => {
                block.changed().extend_from_slice(&self.scratch);
            }
            full => {
                if let Some(block) = full {
                    block.bytes.shrink_to_fit();
                }
                let mut block = Vec::with_capacity(LONGEST.max(self.scratch.len()));
                block.extend_from_slice(&self.scratch);
                self.blocks.push(RowBlock::new(block));
            }
        }
    }

    /// Releases reserved memory.
    pub(super) fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
        if let Some(block) = self.blocks.last_mut() {
            block.bytes.shrink_to_fit();
        }
    }

    /// The number of the block where a row belongs, its place there, and whether it is there.
    fn find(&self, key: &SortedKey, scopes: &ScopeNumbers) -> (usize, Range<usize>, bool) {
        let begins_before =
            |block: &RowBlock| block.rows().next().is_some_and(|first| key.place(&first, scopes) != Ordering::Greater);
        let number = self.blocks.partition_point(begins_before).saturating_sub(1);
        let Some(RowBlock { bytes: block, .. }) = self.blocks.get(number) else { return (number, 0..0, false) };
        let mut all = rows(block);
        loop {
            let start = block.len() - all.rest.len();
            let Some(row) = all.next() else { return (number, start..start, false) };
            match key.place(&row, scopes) {
                Ordering::Less => {}
                Ordering::Equal => return (number, start..block.len() - all.rest.len(), true),
                Ordering::Greater => return (number, start..start, false),
            }
        }
    }
}

/// Replaces a part of a block. Its room grows in steps, and not to twice its size.
fn replace(block: &mut Vec<u8>, place: Range<usize>, with: &[u8]) {
    let length = block.len() - place.len() + with.len();
    if length > block.capacity() {
        block.reserve_exact(length.next_multiple_of(STEP) - block.len());
    }
    let tail = place.start + with.len();
    if with.len() > place.len() {
        let end = block.len();
        block.resize(length, 0);
        block.copy_within(place.end..end, tail);
    } else {
        block.copy_within(place.end.., tail);
        block.truncate(length);
    }
    if let Some(part) = block.get_mut(place.start..tail) {
        part.copy_from_slice(with);
    }
}

/// Cuts a block in the middle and returns the second half; `None` if it has only one row.
fn split(block: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut all = rows(block);
    while block.len() - all.rest.len() < block.len() / 2 {
        let before = all.rest.len();
        all.next()?;
        if all.rest.is_empty() {
            // The last row is longer than all others together.
            all.rest = block.get(block.len() - before..)?;
            break;
        }
    }
    let cut = block.len() - all.rest.len();
    let second = block.get(cut..).filter(|_| cut > 0)?.to_vec();
    block.truncate(cut);
    block.shrink_to_fit();
    Some(second)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::ResourceId;
    use crate::model::fixtures::{kind, scope_in};
    use crate::model::packed::unpacked;

    proptest! {
        #[test]
        fn rows_are_those_of_a_plain_map(
            steps in proptest::collection::vec(
                (
                    prop_oneof!["i-0000000000000000[0-9a-f]", "i-0000000[0-9a-f]", "[a-k]{1,2}"],
                    0_u16..2,
                    proptest::option::weighted(0.7, (0_usize..500, any::<bool>())),
                ),
                0..300,
            ),
        ) {
            let mut scopes = ScopeNumbers::default();
            // Not in their order.
            let regions = ["b", "a"];
            for region in regions {
                scopes.intern(&ResourceId::new(&scope_in(region), &kind(), "i-1")).unwrap();
            }
            let mut sorted = SortedRows::default();
            let mut plain: BTreeMap<(String, &str), Vec<u32>> = BTreeMap::new();
            for (id, scope, step) in steps {
                let key = SortedKey::new(&id, scope);
                let region = regions[usize::from(scope)];
                if let Some((count, far)) = step {
                    let terms: Vec<u32> = (0..).map(|n| n + if far { 65_500 } else { 0 }).take(count).collect();
                    sorted.insert(&key, &terms, &scopes);
                    plain.insert((id, region), terms);
                } else {
                    sorted.remove(&key, &scopes);
                    plain.remove(&(id, region));
                }
            }
            let read = |row: IndexedRow<'_>| ((unpacked(row.id).to_owned(), regions[usize::from(row.scope)]), row.terms.iter().collect::<Vec<_>>());
            prop_assert_eq!(sorted.iter().map(read).collect::<Vec<_>>(), plain.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(sorted.len(), plain.len());
            prop_assert!(sorted.blocks.iter().all(|block| !block.bytes.is_empty()));
            let mut pushed = SortedRows::default();
            for ((id, region), terms) in &plain {
                pushed.push(&SortedKey::new(id, u16::from(*region == "a")), terms);
            }
            pushed.shrink();
            for rows in [&sorted, &pushed] {
                prop_assert_eq!(rows.iter().count(), plain.len());
                for id in ["i-00000000000000001", "a", "ab", "i-00000001"] {
                    let with_id: Vec<_> = rows.with_id(id).map(read).collect();
                    let expected: Vec<_> = plain.clone().into_iter().filter(|((each, _), _)| each == id).collect();
                    prop_assert_eq!(with_id, expected);
                }
            }
        }
    }

    #[test]
    fn blocks_are_half_full_at_least_however_rows_come() {
        let scopes = ScopeNumbers::default();
        let mut rows = SortedRows::default();
        let mut random = fastrand::Rng::with_seed(1);
        let terms: Vec<u32> = (0..20).collect();
        for _ in 0..20_000 {
            rows.insert(&SortedKey::new(&format!("i-{:017x}", random.u64(..)), 0), &terms, &scopes);
        }
        assert_eq!(rows.len(), 20_000);
        let each = 11 + 1 + 2 + 2 * terms.len();
        assert!(rows.bytes() < 20_000 * each * 6 / 5, "{} each", rows.bytes() / 20_000);
    }
}
