//! Counts the calls of clients by account, region and action, how they ended, and how many came within a minute.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use serde::Serialize;

use crate::simulator::clock::Moment;

/// The length of the rate window in seconds.
const WINDOW: i64 = 60;

/// All calls since the start, or since the counts were cleared.
#[derive(Debug, Default)]
pub(crate) struct RequestCounter(Mutex<BTreeMap<Line, Entry>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    account: String,
    region: String,
    action: String,
}

#[derive(Debug, Default)]
struct Entry {
    total: u64,
    outcomes: BTreeMap<String, u64>,
    /// The seconds of the window in which calls came, and how many in each.
    seconds: VecDeque<(i64, u64)>,
    busiest: u64,
}

/// The calls of one action in one account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// The account of the caller.
    pub account: String,
    /// The region of the call.
    pub region: String,
    /// The action, such as `DescribeInstances`.
    pub action: String,
    /// All calls, including refused and unanswered ones.
    pub total: u64,
    /// Calls in the last 60 seconds.
    pub last_minute: u64,
    /// The most calls in any 60 seconds so far.
    pub busiest_minute: u64,
    /// Calls by how they ended: `OK`, AWS's error code, or a fault's effect (`Truncated`, `Garbled`, `Altered`, `Cut`, `Hung`).
    /// Calls in progress are not counted here.
    pub outcomes: BTreeMap<String, u64>,
}

impl RequestCounter {
    /// Counts a call that begins.
    pub(crate) fn begin(&self, account: &str, region: &str, action: &str, now: Moment) {
        let mut lines = self.0.lock();
        let entry = lines.entry(Line::of(account, region, action)).or_default();
        entry.total += 1;
        let second = now.0.div_euclid(1_000);
        match entry.seconds.back_mut() {
            Some((last, calls)) if *last == second => *calls += 1,
            _ => entry.seconds.push_back((second, 1)),
        }
        entry.busiest = entry.busiest.max(entry.last_minute(second));
    }

    /// Counts how a call ends.
    pub(crate) fn end(&self, account: &str, region: &str, action: &str, outcome: &str) {
        // If the counts were cleared since the call began, it does not count.
        if let Some(entry) = self.0.lock().get_mut(&Line::of(account, region, action)) {
            *entry.outcomes.entry(outcome.to_owned()).or_default() += 1;
        }
    }

    /// How often `action` was called in all accounts and regions.
    pub(crate) fn total(&self, action: &str) -> u64 {
        self.0.lock().iter().filter(|(line, _)| line.action == action).map(|(_, entry)| entry.total).sum()
    }

    /// All counts, by account, region and action.
    pub(crate) fn requests(&self, now: Moment) -> Vec<Requests> {
        let second = now.0.div_euclid(1_000);
        let mut lines = self.0.lock();
        let requests = lines.iter_mut().map(|(line, entry)| Requests {
            account: line.account.clone(),
            region: line.region.clone(),
            action: line.action.clone(),
            total: entry.total,
            last_minute: entry.last_minute(second),
            busiest_minute: entry.busiest,
            outcomes: entry.outcomes.clone(),
        });
        requests.collect()
    }

    /// Sets all counts to zero.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl Line {
    fn of(account: &str, region: &str, action: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned(), action: action.to_owned() }
    }
}

impl Entry {
    fn last_minute(&mut self, second: i64) -> u64 {
        // After the clock jumped back, some seconds lie in the future; they are not part of the last minute.
        self.seconds.retain(|(at, _)| (second - WINDOW + 1..=second).contains(at));
        self.seconds.iter().map(|(_, calls)| calls).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_795_348_800_000);

    #[test]
    fn calls_are_counted_by_who_asked_what_where_and_how_it_ended() {
        let ledger = RequestCounter::default();
        for (region, outcome) in [("us-east-1", "OK"), ("us-east-1", "RequestLimitExceeded"), ("eu-west-1", "OK")] {
            ledger.begin("1", region, "DescribeVpcs", NOW);
            ledger.end("1", region, "DescribeVpcs", outcome);
        }
        assert_eq!(ledger.total("DescribeVpcs"), 3);
        let requests = ledger.requests(NOW);
        assert_eq!(requests.len(), 2);
        assert_eq!((requests[1].region.as_str(), requests[1].total), ("us-east-1", 2));
        assert_eq!(requests[1].outcomes["RequestLimitExceeded"], 1);
        ledger.clear();
        assert_eq!((ledger.total("DescribeVpcs"), ledger.requests(NOW).len()), (0, 0));
    }

    #[test]
    fn the_rate_is_that_of_the_last_sixty_seconds_and_the_busiest_is_kept() {
        let ledger = RequestCounter::default();
        for second in 0..120 {
            ledger.begin("1", "us-east-1", "DescribeVpcs", Moment(NOW.0 + second * 1_000));
        }
        let rate = |after: i64| {
            let requests = ledger.requests(Moment(NOW.0 + after * 1_000));
            (requests[0].last_minute, requests[0].busiest_minute)
        };
        assert_eq!(rate(119), (60, 60));
        assert_eq!(rate(150), (29, 60));
        assert_eq!(rate(600), (0, 60));
    }
}
