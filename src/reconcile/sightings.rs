//! When each resource of a scope was last seen, and in which bytes.

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::model::packed::PackedText;
use crate::model::{KnownBytes, Timestamp};

/// When a resource was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LastSeen {
    /// The newest observation that shows that it exists.
    pub(super) listed: Timestamp,
    /// The newest describe that showed it exactly as known.
    pub(super) confirmed: Timestamp,
    /// The newest sweep that showed it.
    pub(super) sweep: u32,
    /// Whether it was then known to be gone.
    pub(super) gone: bool,
}

/// By id when a resource was seen. A page of a sweep shows a thousand at the same time, so each moment is kept once, and of a resource
/// only its number: about 40 bytes with the packed id, and 32 for the bytes in which it was shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Sightings(Option<Box<SightingTables>>);

/// The sightings of a scope that holds something.
#[derive(Clone, Debug, Default)]
struct SightingTables {
    numbers: HashMap<PackedText, Sighting>,
    moments: Moments,
    bytes: ShownBytes,
}

/// Two numbers, which together take no more space than one would.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    moment: u32,
    /// One more than the place of its bytes, if they are known.
    bytes: Option<NonZeroU32>,
}

impl Sightings {
    /// When a resource was seen, if it ever was.
    pub(super) fn get(&self, id: &str) -> Option<LastSeen> {
        let tables = self.0.as_ref()?;
        tables.moments.get(tables.numbers.get(&PackedText::new(id))?.moment)
    }

    /// Replaces when a resource was seen, and forgets in which bytes.
    pub(super) fn put(&mut self, id: &str, seen: LastSeen) {
        let tables = self.0.get_or_insert_default();
        let sighting = Sighting { moment: tables.moments.take(seen), bytes: None };
        if let Some(replaced) = tables.numbers.insert(PackedText::new(id), sighting) {
            tables.release(replaced);
        }
    }

    /// Forgets a resource. Returns when it was seen.
    pub(super) fn remove(&mut self, id: &str) -> Option<LastSeen> {
        let tables = self.0.as_mut()?;
        let sighting = tables.numbers.remove(&PackedText::new(id))?;
        let seen = tables.moments.get(sighting.moment);
        tables.release(sighting);
        seen
    }

    /// Remembers the bytes in which a resource was seen, if it was.
    pub(super) fn remember(&mut self, id: &str, bytes: KnownBytes) {
        let Some(tables) = &mut self.0 else { return };
        if let Some(sighting) = tables.numbers.get_mut(&PackedText::new(id)) {
            let before = std::mem::replace(&mut sighting.bytes, tables.bytes.take(bytes));
            tables.bytes.release(before);
        }
    }

    /// The bytes in which a resource was seen last, if they are known.
    pub(super) fn bytes(&self, id: &str) -> Option<KnownBytes> {
        let tables = self.0.as_ref()?;
        tables.bytes.get(tables.numbers.get(&PackedText::new(id))?.bytes?)
    }

    /// Forgets all bytes.
    pub(super) fn forget_bytes(&mut self) {
        let Some(tables) = &mut self.0 else { return };
        for sighting in tables.numbers.values_mut() {
            sighting.bytes = None;
        }
        tables.bytes = ShownBytes::default();
    }

    /// How many resources were seen as `test` says.
    pub(super) fn count(&self, test: impl Fn(&LastSeen) -> bool) -> usize {
        let slots = self.0.iter().flat_map(|tables| &tables.moments.slots);
        slots.filter(|slot| test(&slot.seen)).map(|slot| slot.users).sum()
    }
}

impl SightingTables {
    fn release(&mut self, sighting: Sighting) {
        self.moments.release(sighting.moment);
        self.bytes.release(sighting.bytes);
    }
}

/// What is known of the bytes of resources, by number.
#[derive(Clone, Debug, Default)]
struct ShownBytes {
    slots: Vec<KnownBytes>,
    /// The numbers that nobody uses.
    free: Vec<NonZeroU32>,
}

impl ShownBytes {
    fn get(&self, number: NonZeroU32) -> Option<KnownBytes> {
        self.slots.get(ShownBytes::place(number)?).copied()
    }

    fn place(number: NonZeroU32) -> Option<usize> {
        usize::try_from(number.get() - 1).ok()
    }

    /// The number of these bytes; `None` if there is no number left.
    fn take(&mut self, bytes: KnownBytes) -> Option<NonZeroU32> {
        if let Some(number) = self.free.pop()
            && let Some(slot) = ShownBytes::place(number).and_then(|place| self.slots.get_mut(place))
        {
            *slot = bytes;
            return Some(number);
        }
        if self.slots.len() == self.slots.capacity() {
            // By an eighth: of a table that doubles, a third is empty on average.
            self.slots.reserve_exact((self.slots.len() / 8).max(4));
        }
        let number = NonZeroU32::new(u32::try_from(self.slots.len() + 1).ok()?)?;
        self.slots.push(bytes);
        Some(number)
    }

    fn release(&mut self, number: Option<NonZeroU32>) {
        self.free.extend(number);
    }
}

/// Distinct moments by number, each with how many resources share it.
#[derive(Clone, Debug, Default)]
struct Moments {
    slots: Vec<Moment>,
    /// The slots without users.
    free: Vec<u32>,
    known: HashMap<LastSeen, u32>,
}

#[derive(Clone, Debug)]
struct Moment {
    seen: LastSeen,
    users: usize,
}

impl Moments {
    fn get(&self, number: u32) -> Option<LastSeen> {
        Some(self.slots.get(usize::try_from(number).ok()?)?.seen)
    }

    fn slot(&mut self, number: u32) -> Option<&mut Moment> {
        self.slots.get_mut(usize::try_from(number).ok()?)
    }

    /// The number of a moment, with one user more.
    fn take(&mut self, seen: LastSeen) -> u32 {
        if let Some(number) = self.known.get(&seen).copied()
            && let Some(slot) = self.slot(number)
        {
            slot.users += 1;
            return number;
        }
        let moment = Moment { seen, users: 1 };
        let number = if let Some(number) = self.free.pop() {
            if let Some(slot) = self.slot(number) {
                *slot = moment;
            }
            number
        } else {
            self.slots.push(moment);
            // No scope has so many resources; the last number stands for no slot.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        self.known.insert(seen, number);
        number
    }

    /// Takes a user away. The slot of a moment without users is used again.
    fn release(&mut self, number: u32) {
        let Some(slot) = self.slot(number) else { return };
        slot.users -= 1;
        if slot.users == 0 {
            let seen = slot.seen;
            self.known.remove(&seen);
            self.free.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ItemHash;
    use crate::model::fixtures::at;

    proptest! {
        #[test]
        fn bytes_are_those_of_a_plain_map_and_stand_once(steps in proptest::collection::vec((0_u8..6, 0_u8..8), 0..80)) {
            let mut sightings = Sightings::default();
            let mut plain: HashMap<String, Option<KnownBytes>> = HashMap::new();
            let seen = LastSeen { listed: at(1), confirmed: at(0), sweep: 1, gone: false };
            for (number, (n, step)) in (0_u128..).zip(steps) {
                let id = format!("i-{n}");
                match step {
                    0..=1 => {
                        sightings.put(&id, seen);
                        plain.insert(id, None);
                    }
                    2..=5 => {
                        let bytes = KnownBytes::new(ItemHash::new(number), number);
                        sightings.remember(&id, bytes);
                        plain.entry(id).and_modify(|known| *known = Some(bytes));
                    }
                    6 => {
                        sightings.remove(&id);
                        plain.remove(&id);
                    }
                    _ => {
                        sightings.forget_bytes();
                        for known in plain.values_mut() {
                            *known = None;
                        }
                    }
                }
                for n in 0..6 {
                    let id = format!("i-{n}");
                    prop_assert_eq!(sightings.bytes(&id), plain.get(&id).copied().flatten());
                }
                let known = plain.values().flatten().count();
                let (slots, free) = sightings.0.as_ref().map_or((0, 0), |it| (it.bytes.slots.len(), it.bytes.free.len()));
                prop_assert_eq!(slots, known + free);
            }
        }

        #[test]
        fn sightings_are_those_of_a_plain_map_and_hold_each_moment_once(
            steps in proptest::collection::vec((0_u8..12, proptest::option::of((0_i64..4, 0_u32..2))), 0..80),
        ) {
            let mut sightings = Sightings::default();
            let mut plain: HashMap<String, LastSeen> = HashMap::new();
            for (n, step) in steps {
                let id = format!("i-{n}");
                if let Some((second, sweep)) = step {
                    let seen = LastSeen { listed: at(second), confirmed: at(0), sweep, gone: second == 3 };
                    sightings.put(&id, seen);
                    plain.insert(id, seen);
                } else {
                    prop_assert_eq!(sightings.remove(&id), plain.remove(&id));
                }
                for n in 0..12 {
                    let id = format!("i-{n}");
                    prop_assert_eq!(sightings.get(&id), plain.get(&id).copied());
                }
                prop_assert_eq!(sightings.count(|seen| seen.sweep == 1), plain.values().filter(|seen| seen.sweep == 1).count());
                let distinct: std::collections::HashSet<_> = plain.values().collect();
                if let Some(it) = &sightings.0 {
                    prop_assert_eq!(it.moments.known.len(), distinct.len());
                    prop_assert_eq!(it.moments.slots.len(), distinct.len() + it.moments.free.len());
                }
            }
        }
    }
}
