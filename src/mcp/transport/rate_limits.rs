//! How many requests each client may send.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// So many clients are told apart before it is looked which of them have sent nothing for a while.
const MANY: usize = 1_000;
/// The time in which a client may send its requests at once.
const SPAN: Duration = Duration::from_secs(1);
/// How many of the last bits of an IPv6 address name a machine in a network, which one client may have whole.
const MACHINE: u32 = 64;

/// Who sends requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RatedClient {
    /// Somebody whom the server knows, over all their connections.
    Known(Arc<str>),
    /// Whoever has this address, or one of this network.
    At(IpAddr),
    /// Whoever is on this machine and has no address.
    Local,
}

/// How many requests each client may send a second, and as many at once.
///
/// Of each client it is known when it has used up what it was given: each request adds the time that it is worth, and one that would
/// lie more than a second ahead is refused. Who has used up nothing is not known at all.
pub(super) struct RateLimits {
    /// The time that a request is worth.
    each: Duration,
    used: Mutex<UsedTimes>,
}

struct UsedTimes {
    until: HashMap<RatedClient, Instant>,
    /// When it was last looked who has used up nothing.
    tidied: Option<Instant>,
}

impl RatedClient {
    /// Whoever has this address.
    pub(super) fn at(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => RatedClient::Local,
            Some(IpAddr::V6(address)) => {
                RatedClient::At(Ipv6Addr::from_bits(address.to_bits() >> MACHINE << MACHINE).into())
            }
            Some(address) => RatedClient::At(address),
        }
    }
}

impl RateLimits {
    /// So many requests a second, and as many at once.
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        let used = Mutex::new(UsedTimes { until: HashMap::new(), tidied: None });
        RateLimits { each: SPAN / per_second.get(), used }
    }

    /// Counts a request. Where its client has sent too many, says after how long it may send the next.
    pub(super) fn check(&self, client: &RatedClient) -> Result<(), Duration> {
        let now = Instant::now();
        let mut used = self.used.lock();
        used.tidy(now);
        let before = used.until.get(client).copied();
        let after = take(before, now, self.each)?;
        used.until.insert(client.clone(), after);
        Ok(())
    }
}

impl UsedTimes {
    /// Forgets who has used up nothing, once in a while.
    fn tidy(&mut self, now: Instant) {
        let is_due = self.tidied.is_none_or(|last| now.saturating_duration_since(last) >= SPAN);
        if self.until.len() >= MANY && is_due {
            self.until.retain(|_, until| *until > now);
            self.tidied = Some(now);
        }
    }
}

/// Until when a client has used up what it was given, with one request more at `now`; or after how long it may send the next.
fn take(before: Option<Instant>, now: Instant, each: Duration) -> Result<Instant, Duration> {
    let after = before.map_or(now, |before| before.max(now)) + each;
    match after.saturating_duration_since(now).checked_sub(SPAN) {
        Some(beyond) if !beyond.is_zero() => Err(beyond),
        _ => Ok(after),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(address: &str) -> RatedClient {
        RatedClient::at(Some(address.parse().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_has_its_own_share_and_gets_it_again_with_time() {
        let limits = RateLimits::new(NonZeroU32::new(5).unwrap());
        for client in [at("192.0.2.1"), at("192.0.2.2"), RatedClient::Known("ada".into()), RatedClient::Local] {
            let served = |count: usize| (0..count).filter(|_| limits.check(&client).is_ok()).count();
            assert_eq!(served(20), 5, "{client:?}");
            assert_eq!(limits.check(&client), Err(Duration::from_millis(200)));
            tokio::time::advance(Duration::from_millis(400)).await;
            assert_eq!(served(20), 2);
            tokio::time::advance(Duration::from_hours(1)).await;
            assert_eq!(served(20), 5, "what is not used is not kept");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_are_gone_take_no_room() {
        let limits = RateLimits::new(NonZeroU32::new(5).unwrap());
        for number in 0..20_000_u32 {
            assert_eq!(limits.check(&RatedClient::At(IpAddr::V4(number.into()))), Ok(()));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(limits.used.lock().until.len() < 3 * MANY, "{}", limits.used.lock().until.len());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:ffff"));
        assert_ne!(at("2001:db8:0:1::1"), at("2001:db8::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }

    proptest! {
        #[test]
        fn in_no_second_more_is_served_than_twice_the_share_and_waiting_as_told_helps(
            waits in prop::collection::vec(0_u64..400, 1..80), rate in 1_u32..20
        ) {
            let (begun, each) = (Instant::now(), SPAN / rate);
            let (mut now, mut used, mut served) = (begun, None, Vec::new());
            for wait in waits {
                now += Duration::from_millis(wait);
                match take(used, now, each) {
                    Ok(after) => {
                        used = Some(after);
                        served.push(now);
                    }
                    Err(wait) => prop_assert!(take(used, now + wait, each).is_ok()),
                }
            }
            for first in &served {
                let within = served.iter().filter(|at| **at >= *first && **at < *first + SPAN).count();
                prop_assert!(within <= 2 * rate as usize, "{within} in a second");
            }
        }
    }
}
