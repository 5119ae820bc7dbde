//! When each resource of a scope was last seen.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::model::Timestamp;

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
/// only its number: about 50 bytes with the id, which needs no allocation of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Sightings {
    numbers: HashMap<CompactString, u32>,
    moments: Moments,
}

impl Sightings {
    /// When a resource was seen, if it ever was.
    pub(super) fn get(&self, id: &str) -> Option<LastSeen> {
        self.moments.get(*self.numbers.get(id)?)
    }

    /// Replaces when a resource was seen.
    pub(super) fn put(&mut self, id: &str, seen: LastSeen) {
        let number = self.moments.take(seen);
        let replaced = match self.numbers.get_mut(id) {
            Some(kept) => Some(std::mem::replace(kept, number)),
            None => self.numbers.insert(CompactString::new(id), number),
        };
        if let Some(replaced) = replaced {
            self.moments.release(replaced);
        }
    }

    /// Forgets a resource. Returns when it was seen.
    pub(super) fn remove(&mut self, id: &str) -> Option<LastSeen> {
        let number = self.numbers.remove(id)?;
        let seen = self.moments.get(number);
        self.moments.release(number);
        seen
    }

    /// How many resources were seen as `test` says.
    pub(super) fn count(&self, test: impl Fn(&LastSeen) -> bool) -> usize {
        self.moments.slots.iter().filter(|slot| test(&slot.seen)).map(|slot| slot.users).sum()
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
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(slot) = self.slot(number) {
                    *slot = moment;
                }
                number
            }
            None => {
                self.slots.push(moment);
                u32::try_from(self.slots.len() - 1).expect("fewer resources than 2^32")
            }
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
    use crate::model::fixtures::at;

    proptest! {
        #[test]
        fn sightings_are_those_of_a_plain_map_and_hold_each_moment_once(
            steps in proptest::collection::vec((0_u8..12, proptest::option::of((0_i64..4, 0_u32..2))), 0..80),
        ) {
            let mut sightings = Sightings::default();
            let mut plain: HashMap<String, LastSeen> = HashMap::new();
            for (n, step) in steps {
                let id = format!("i-{n}");
                match step {
                    Some((second, sweep)) => {
                        let seen = LastSeen { listed: at(second), confirmed: at(0), sweep, gone: second == 3 };
                        sightings.put(&id, seen);
                        plain.insert(id, seen);
                    }
                    None => prop_assert_eq!(sightings.remove(&id), plain.remove(&id)),
                }
                for n in 0..12 {
                    let id = format!("i-{n}");
                    prop_assert_eq!(sightings.get(&id), plain.get(&id).copied());
                }
                prop_assert_eq!(sightings.count(|seen| seen.sweep == 1), plain.values().filter(|seen| seen.sweep == 1).count());
                let distinct: std::collections::HashSet<_> = plain.values().collect();
                prop_assert_eq!(sightings.moments.known.len(), distinct.len());
                prop_assert_eq!(sightings.moments.slots.len(), distinct.len() + sightings.moments.free.len());
            }
        }
    }
}
