//! Sets of term numbers.

use crate::store::index::row_terms::{FAR, RowTerms};

/// A set of term numbers with a fast lookup.
pub(in crate::store::index) struct TermSet {
    /// All numbers, where there are a few: they are looked for one by one.
    few: Option<Vec<u32>>,
    /// One bit per term.
    bits: Vec<u64>,
    /// Whether there are numbers among them that rows hold in more bytes.
    has_far: bool,
    /// The greatest number. Those of a row are in order, and what all rows may have is met early: most rows are left soon.
    last: u32,
}

impl TermSet {
    /// The set of `numbers` among `terms` terms.
    pub(in crate::store::index) fn new(mut numbers: Vec<u32>, terms: usize) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() <= 4 {
            let last = numbers.last().copied().unwrap_or_default();
            return TermSet { few: Some(numbers), bits: Vec::new(), has_far: last >= FAR, last };
        }
        TermSet::spread(numbers.into_iter(), terms)
    }

    /// The same, where the numbers of all rows are going to be looked at one by one.
    pub(in crate::store::index) fn spread(numbers: impl Iterator<Item = u32>, terms: usize) -> Self {
        let (mut bits, mut last) = (vec![0_u64; terms / 64 + 1], 0);
        for number in numbers {
            let (word, bit) = place(number);
            if let Some(word) = bits.get_mut(word) {
                *word |= bit;
            }
            last = last.max(number);
        }
        TermSet { few: None, bits, has_far: last >= FAR, last }
    }

    /// Whether the set is empty.
    pub(in crate::store::index) fn is_empty(&self) -> bool {
        self.few.as_ref().is_some_and(Vec::is_empty)
    }

    /// Those of a row's terms that are in a set made by [`TermSet::spread`], in order.
    pub(in crate::store::index) fn shared(&self, terms: RowTerms<'_>) -> impl Iterator<Item = u32> {
        self.up_to_last(terms).filter(|number| self.has(*number))
    }

    /// Whether any of a row's terms is in the set.
    pub(in crate::store::index) fn meets(&self, terms: RowTerms<'_>) -> bool {
        match &self.few {
            Some(numbers) => numbers.iter().any(|number| terms.contain(*number)),
            None => self.up_to_last(terms).any(|number| self.has(number)),
        }
    }

    /// A row's terms as far as they can be in the set.
    fn up_to_last(&self, terms: RowTerms<'_>) -> impl Iterator<Item = u32> {
        terms.up_to(self.has_far).take_while(|number| *number <= self.last)
    }

    fn has(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }
}

fn place(number: u32) -> (usize, u64) {
    (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::index::row_terms::write_terms;

    proptest! {
        #[test]
        fn a_set_meets_what_shares_a_number_with_it(
            numbers in proptest::collection::vec(prop_oneof![0_u32..500, 65_000_u32..66_000], 0..20),
            asked in proptest::collection::btree_set(prop_oneof![0_u32..500, 65_000_u32..66_000], 0..20),
        ) {
            let (set, spread) = (TermSet::new(numbers.clone(), 70_000), TermSet::spread(numbers.iter().copied(), 70_000));
            let asked: Vec<u32> = asked.into_iter().collect();
            let mut written = Vec::new();
            write_terms(&asked, &mut written);
            let (row, _) = RowTerms::read(&written).unwrap();
            let shared: Vec<u32> = asked.iter().copied().filter(|number| numbers.contains(number)).collect();
            prop_assert_eq!(spread.shared(row).collect::<Vec<_>>(), shared.clone());
            prop_assert_eq!(spread.meets(row), !shared.is_empty());
            prop_assert_eq!(set.meets(row), !shared.is_empty());
            prop_assert_eq!(set.is_empty(), numbers.is_empty());
        }
    }
}
