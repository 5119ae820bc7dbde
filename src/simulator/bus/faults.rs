//! Faults of events on their way from a service to the rules.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::simulator::dice::Dice;
use crate::simulator::faults::figure::MAX_LATE_MS;
use crate::simulator::faults::{FigureError, Share};

/// Faults of events. Shares run from 0 to 1: a `drop` of 0.05 loses one event in twenty. The same seed and the same
/// sequence of happenings lose and repeat the same events. Each share has its own draws, so changing one does not
/// affect the others.
///
/// By default, EventBridge delivers every event once, at once and in order, which AWS does not promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventFaults {
    /// The share of events that are lost.
    #[serde(deserialize_with = "checked")]
    pub drop: f64,
    /// The share of events that arrive a second time, with the same id, up to `within_ms` later.
    #[serde(deserialize_with = "checked")]
    pub duplicate: f64,
    /// The share of events that are held back by up to `within_ms`, so that later events overtake them.
    #[serde(deserialize_with = "checked")]
    pub reorder: f64,
    /// The share of events whose envelope lacks `account`.
    #[serde(deserialize_with = "checked")]
    pub without_account: f64,
    /// The least and the greatest delay of every event, in milliseconds of the simulator's clock; at most
    /// [`Self::MAX_MS`].
    #[serde(deserialize_with = "delay")]
    pub delay_ms: [u64; 2],
    /// The greatest additional delay of a repeated or held-back event, in milliseconds of the simulator's clock; at
    /// most [`Self::MAX_MS`].
    #[serde(deserialize_with = "within")]
    pub within_ms: u64,
}

impl Default for EventFaults {
    fn default() -> Self {
        let (drop, duplicate, reorder, without_account) = (0.0, 0.0, 0.0, 0.0);
        Self { drop, duplicate, reorder, without_account, delay_ms: [0, 0], within_ms: 2_000 }
    }
}

/// Reads a share. The error says what a share is.
fn checked<'de, D: Deserializer<'de>>(share: D) -> Result<f64, D::Error> {
    Share::deserialize(share).map(Share::get)
}

/// Reads the least and the greatest delay of events.
fn delay<'de, D: Deserializer<'de>>(span: D) -> Result<[u64; 2], D::Error> {
    let [least, most] = <[u64; 2]>::deserialize(span)?;
    if least <= most && most <= EventFaults::MAX_MS {
        return Ok([least, most]);
    }
    Err(D::Error::custom(FigureError::Late { given: format!("[{least}, {most}]") }))
}

/// Reads the greatest additional delay of an event.
fn within<'de, D: Deserializer<'de>>(span: D) -> Result<u64, D::Error> {
    let most = u64::deserialize(span)?;
    if most <= EventFaults::MAX_MS {
        return Ok(most);
    }
    Err(D::Error::custom(FigureError::Late { given: most.to_string() }))
}

/// Whether and when one event is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventFate {
    pub(super) dropped: bool,
    pub(super) reordered: bool,
    pub(super) without_account: bool,
    /// The delay until it arrives.
    pub(super) delay: Duration,
    /// The delay until it arrives again.
    pub(super) again: Option<Duration>,
}

impl EventFaults {
    /// The greatest delay that can be set, in milliseconds: an hour.
    pub const MAX_MS: u64 = MAX_LATE_MS;

    /// Decides about the `number`th event.
    pub(super) fn fate(&self, seed: u64, number: u64) -> EventFate {
        // Every draw is made for every event, so no fault affects the draws of another.
        let mut dice = Dice::new(seed, number);
        let dropped = dice.chance(self.drop);
        let duplicated = dice.chance(self.duplicate);
        let reordered = dice.chance(self.reorder);
        let without_account = dice.chance(self.without_account);
        let [least, most] = self.delay_ms;
        let late = least.saturating_add(dice.below(most.saturating_sub(least).saturating_add(1)));
        let held = 1 + dice.below(self.within_ms);
        let repeat = 1 + dice.below(self.within_ms);
        let delay = late.saturating_add(if reordered { held } else { 0 });
        EventFate {
            dropped,
            reordered,
            without_account,
            delay: Duration::from_millis(delay),
            again: duplicated.then(|| Duration::from_millis(late.saturating_add(repeat))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_met_and_repeatable() {
        let faults =
            EventFaults { drop: 0.05, duplicate: 0.2, reorder: 0.1, delay_ms: [100, 200], ..Default::default() };
        let fates = |seed| (0..10_000).map(|number| faults.fate(seed, number)).collect::<Vec<_>>();
        let drawn = fates(1);
        assert_eq!(drawn, fates(1));
        assert_ne!(drawn, fates(2));
        let count = |of: fn(&EventFate) -> bool| drawn.iter().filter(|fate| of(fate)).count();
        assert!((400..600).contains(&count(|fate| fate.dropped)));
        assert!((1_800..2_200).contains(&count(|fate| fate.again.is_some())));
        assert!((900..1_100).contains(&count(|fate| fate.reordered)));
        assert_eq!(count(|fate| fate.without_account), 0);
        let straight = drawn.iter().filter(|fate| !fate.reordered);
        assert!(straight.clone().all(|fate| (100..=200).contains(&fate.delay.as_millis())));
    }

    #[test]
    fn faults_read_and_write_as_a_table_of_shares() {
        let read: EventFaults = toml::from_str("drop = 0.05\nduplicate = 0.2\ndelay_ms = [0, 500]").unwrap();
        assert_eq!(read, EventFaults { drop: 0.05, duplicate: 0.2, delay_ms: [0, 500], ..EventFaults::default() });
        for wrong in ["dorp = 1", "delay_ms = [2, 1]", "delay_ms = [0, 3600001]", "within_ms = 3600001"] {
            assert!(toml::from_str::<EventFaults>(wrong).is_err(), "{wrong}");
        }
        let extreme = EventFaults { delay_ms: [u64::MAX, u64::MAX], within_ms: u64::MAX, ..EventFaults::default() };
        assert_eq!(extreme.fate(1, 1).delay, Duration::from_millis(u64::MAX));
    }
}
