//! When each resource of a scope was last seen, and in which bytes.

mod last_seen;
mod tables;

use crate::model::KnownBytes;
use crate::model::packed::PackedText;
pub(super) use last_seen::LastSeen;
use tables::SightingTables;

/// How many resources stand in a plain list. Thousands of regions hold no more than the network that AWS makes in each: tables for one
/// resource take ten times the space of a list of one.
const FEW: usize = 16;

/// By id when a resource was seen.
#[derive(Clone, Debug)]
pub(super) struct Sightings(SightingForm);

#[derive(Clone, Debug)]
enum SightingForm {
    Few(Vec<FewSighting>),
    Many(Box<SightingTables>),
}

/// One of few resources.
#[derive(Clone, Debug)]
struct FewSighting {
    id: PackedText,
    seen: LastSeen,
    bytes: Option<KnownBytes>,
}

impl Default for Sightings {
    fn default() -> Self {
        Sightings(SightingForm::Few(Vec::new()))
    }
}

impl Sightings {
    /// When a resource was seen, if it ever was.
    pub(super) fn get(&self, id: &str) -> Option<LastSeen> {
        match &self.0 {
            SightingForm::Few(few) => Some(find(few, &PackedText::new(id))?.seen),
            SightingForm::Many(tables) => tables.get(id),
        }
    }

    /// Replaces when a resource was seen, and forgets in which bytes.
    pub(super) fn put(&mut self, id: &str, seen: LastSeen) {
        let few = match &mut self.0 {
            SightingForm::Many(tables) => return tables.put(id, seen),
            SightingForm::Few(few) => few,
        };
        let one = FewSighting { id: PackedText::new(id), seen, bytes: None };
        if let Some(known) = few.iter_mut().find(|known| known.id == one.id) {
            *known = one;
        } else if few.len() < FEW {
            few.reserve_exact(1);
            few.push(one);
        } else {
            let mut tables = SightingTables::default();
            for FewSighting { id, seen, bytes } in few.drain(..).chain([one]) {
                tables.enter(id, seen, bytes);
            }
            self.0 = SightingForm::Many(Box::new(tables));
        }
    }

    /// Forgets a resource. Returns when it was seen.
    pub(super) fn remove(&mut self, id: &str) -> Option<LastSeen> {
        match &mut self.0 {
            SightingForm::Few(few) => {
                let id = PackedText::new(id);
                let place = few.iter().position(|known| known.id == id)?;
                Some(few.swap_remove(place).seen)
            }
            SightingForm::Many(tables) => tables.remove(id),
        }
    }

    /// Remembers the bytes in which a resource was seen, if it was.
    pub(super) fn remember(&mut self, id: &str, bytes: KnownBytes) {
        match &mut self.0 {
            SightingForm::Few(few) => {
                let id = PackedText::new(id);
                if let Some(known) = few.iter_mut().find(|known| known.id == id) {
                    known.bytes = Some(bytes);
                }
            }
            SightingForm::Many(tables) => tables.remember(id, bytes),
        }
    }

    /// The bytes in which a resource was seen last, if they are known.
    pub(super) fn bytes(&self, id: &str) -> Option<KnownBytes> {
        match &self.0 {
            SightingForm::Few(few) => find(few, &PackedText::new(id))?.bytes,
            SightingForm::Many(tables) => tables.bytes(id),
        }
    }

    /// Forgets all bytes.
    pub(super) fn forget_bytes(&mut self) {
        match &mut self.0 {
            SightingForm::Few(few) => few.iter_mut().for_each(|known| known.bytes = None),
            SightingForm::Many(tables) => tables.forget_bytes(),
        }
    }

    /// How many resources were seen as `test` says.
    pub(super) fn count(&self, test: impl Fn(&LastSeen) -> bool) -> usize {
        match &self.0 {
            SightingForm::Few(few) => few.iter().filter(|known| test(&known.seen)).count(),
            SightingForm::Many(tables) => tables.count(test),
        }
    }
}

fn find<'a>(few: &'a [FewSighting], id: &PackedText) -> Option<&'a FewSighting> {
    few.iter().find(|known| known.id == *id)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::ItemHash;
    use crate::model::fixtures::at;

    /// As few resources as stand in a list, or more.
    fn many() -> impl Strategy<Value = u8> {
        prop_oneof![Just(6), Just(40)]
    }

    proptest! {
        #[test]
        fn bytes_are_those_of_a_plain_map_and_stand_once(
            steps in many().prop_flat_map(|many| proptest::collection::vec((0..many, 0_u8..8), 0..160)),
        ) {
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
                for n in 0..40 {
                    let id = format!("i-{n}");
                    prop_assert_eq!(sightings.bytes(&id), plain.get(&id).copied().flatten());
                }
                if let SightingForm::Many(tables) = &sightings.0 {
                    prop_assert_eq!(tables.bytes_kept(), plain.values().flatten().count());
                }
            }
        }

        #[test]
        fn sightings_are_those_of_a_plain_map_and_hold_each_moment_once(
            steps in many().prop_flat_map(|many| {
                proptest::collection::vec((0..many, proptest::option::of((0_i64..4, 0_u32..2))), 0..160)
            }),
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
                for n in 0..40 {
                    let id = format!("i-{n}");
                    prop_assert_eq!(sightings.get(&id), plain.get(&id).copied());
                }
                prop_assert_eq!(sightings.count(|seen| seen.sweep == 1), plain.values().filter(|seen| seen.sweep == 1).count());
                let distinct: std::collections::HashSet<_> = plain.values().collect();
                if let SightingForm::Many(tables) = &sightings.0 {
                    prop_assert_eq!(tables.moments_kept(), distinct.len());
                }
            }
        }
    }
}
