//! Checks this machine's clock against the `Date` headers of AWS's answers to the other checks.

use super::finding::{Check, Finding};

pub(crate) static CHECK: Check = Check {
    name: "clock",
    title: "This machine's clock is within 5 s of AWS's; AWS refuses requests that are 5 minutes off",
};

/// Above this the difference is a warning, in milliseconds.
const DIFFERS: u64 = 5_000;
/// Above this AWS refuses requests, in milliseconds.
const REFUSED: u64 = 300_000;

pub(crate) fn judge(offset_millis: i64) -> Finding {
    let off = offset_millis.unsigned_abs();
    let way = if offset_millis > 0 { "behind" } else { "ahead of" };
    let fact = format!("{}.{:03} s {way} AWS's", off / 1000, off % 1000);
    let fix = "Set this machine's clock (NTP).";
    match off {
        0 => CHECK.ok("this machine", "within a second of AWS's"),
        _ if off <= DIFFERS => CHECK.ok("this machine", fact),
        _ if off <= REFUSED => CHECK.warning("this machine", fact, fix),
        _ => {
            CHECK.failed("this machine", format!("{fact}: AWS refuses requests that are more than 5 minutes off"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_clock_warns_above_five_seconds_and_fails_above_five_minutes() {
        let verdict = |offset: i64| judge(offset).verdict;
        assert_eq!([0, -5_000, 5_000].map(verdict), [Verdict::Ok; 3]);
        assert_eq!([5_001, -300_000].map(verdict), [Verdict::Warning; 2]);
        assert_eq!(verdict(-300_001), Verdict::Failed);
        assert!(judge(61_500).fact.contains("61.500 s behind"));
    }
}
