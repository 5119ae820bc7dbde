//! The faults of calls and answers, by name.

use crate::simulator::dice::mix;

/// A fault, named like its field in [`Faults`](super::Faults). Strikes are counted and drawn separately for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Buckets,
    Throttle,
    Latency,
    Lag,
    FailingPages,
    ExpiredTokens,
    Truncate,
    Garble,
    Cut,
    Denied,
    DeadRegions,
    LoseTags,
    Hide,
    StuckSnapshots,
    Ignored,
    NoCapacity,
    Alter,
    Roles,
}

impl Fault {
    /// The name of the fault's field in [`Faults`](super::Faults).
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Buckets => "buckets",
            Self::Throttle => "throttle",
            Self::Latency => "latency",
            Self::Lag => "lag",
            Self::FailingPages => "failing_pages",
            Self::ExpiredTokens => "expired_tokens",
            Self::Truncate => "truncate",
            Self::Garble => "garble",
            Self::Cut => "cut",
            Self::Denied => "denied",
            Self::DeadRegions => "dead_regions",
            Self::LoseTags => "lose_tags",
            Self::Hide => "hide",
            Self::StuckSnapshots => "stuck_snapshots",
            Self::Ignored => "ignored",
            Self::NoCapacity => "no_capacity",
            Self::Alter => "alter",
            Self::Roles => "roles",
        }
    }

    /// The seed for this fault's draws, derived from `seed`.
    pub(super) const fn below(self, seed: u64) -> u64 {
        mix(seed ^ mix(self as u64 + 1))
    }
}
