//! Room in the large vectors of the index.

/// The least number of elements that are added at once.
const LEAST: usize = 1024;

/// Appends `more`. Where that needs room, the vector grows by an eighth and not to twice its size: a vector of the index holds
/// megabytes for as long as the process lives, and on average a third of a doubled one is empty. In return every element is copied
/// eight times instead of once while an inventory is read for the first time.
pub(super) fn extend<T: Copy>(all: &mut Vec<T>, more: &[T]) {
    if all.capacity() - all.len() < more.len() {
        all.reserve_exact(more.len().max(all.len() / 8).max(LEAST));
    }
    all.extend_from_slice(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_holds_what_was_appended_and_at_most_an_eighth_more_room() {
        let mut all = Vec::new();
        for n in 0..100_000_u32 {
            extend(&mut all, &[n, n]);
            assert!(all.capacity() <= all.len() + (all.len() / 8).max(LEAST), "{} of {}", all.len(), all.capacity());
        }
        assert!(all.chunks(2).zip(0..).all(|(pair, n)| pair == [n, n]));
    }
}
