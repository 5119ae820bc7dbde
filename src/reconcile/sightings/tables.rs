//! When each of many resources was seen, and in which bytes.

use std::collections::HashMap;
use std::num::NonZeroU32;

use super::last_seen::LastSeen;
use crate::model::KnownBytes;
use crate::model::packed::PackedText;

/// When each of many resources was seen, by id. A page of a sweep shows a thousand at the same time, so each moment is kept once, and of
/// a resource only its number: about 40 bytes with the packed id, and 32 for the bytes in which it was shown.
#[derive(Clone, Debug, Default)]
pub(super) struct SightingTables {
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

impl SightingTables {
    pub(super) fn get(&self, id: &str) -> Option<LastSeen> {
        self.moments.get(self.numbers.get(&PackedText::new(id))?.moment)
    }

    pub(super) fn put(&mut self, id: &str, seen: LastSeen) {
        self.enter(PackedText::new(id), seen, None);
    }

    /// Replaces when a resource was seen, and in which bytes.
    pub(super) fn enter(&mut self, id: PackedText, seen: LastSeen, bytes: Option<KnownBytes>) {
        let bytes = bytes.and_then(|bytes| self.bytes.take(bytes));
        let sighting = Sighting { moment: self.moments.take(seen), bytes };
        if let Some(replaced) = self.numbers.insert(id, sighting) {
            self.release(replaced);
        }
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<LastSeen> {
        let sighting = self.numbers.remove(&PackedText::new(id))?;
        let seen = self.moments.get(sighting.moment);
        self.release(sighting);
        seen
    }

    pub(super) fn remember(&mut self, id: &str, bytes: KnownBytes) {
        if let Some(sighting) = self.numbers.get_mut(&PackedText::new(id)) {
            let before = std::mem::replace(&mut sighting.bytes, self.bytes.take(bytes));
            self.bytes.release(before);
        }
    }

    pub(super) fn bytes(&self, id: &str) -> Option<KnownBytes> {
        self.bytes.get(self.numbers.get(&PackedText::new(id))?.bytes?)
    }

    pub(super) fn forget_bytes(&mut self) {
        for sighting in self.numbers.values_mut() {
            sighting.bytes = None;
        }
        self.bytes = ShownBytes::default();
    }

    pub(super) fn count(&self, test: impl Fn(&LastSeen) -> bool) -> usize {
        self.moments.slots.iter().filter(|slot| test(&slot.seen)).map(|slot| slot.users).sum()
    }

    /// Of how many resources the bytes stand here.
    #[cfg(test)]
    pub(super) fn bytes_kept(&self) -> usize {
        self.bytes.slots.len() - self.bytes.free.len()
    }

    /// How many moments stand here.
    #[cfg(test)]
    pub(super) fn moments_kept(&self) -> usize {
        assert_eq!(self.moments.known.len(), self.moments.slots.len() - self.moments.free.len());
        self.moments.known.len()
    }

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
