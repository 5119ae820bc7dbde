//! What programs really did, counted: a step that finds nothing to act on does not count.

use std::collections::BTreeMap;
use std::fmt;

/// What has to occur in many programs, because it is what they are for.
const NEEDED: &[&str] = &[
    "launch",
    "power",
    "terminate",
    "event",
    "event of a scope that is not watched",
    "event repeated after a return",
    "sweep",
    "page",
    "sweep complete",
    "describe answered",
    "tool",
    "tool answered",
    "restart",
    "kill",
    "scope given up",
    "scope given up with a listing under way",
    "scope given up with a tool's call under way",
    "scope given up with a describe under way",
    "scope given up within a message of its listing",
    "message of a listing after its scope was given up",
    "describe answered after its scope was given up",
    "tool answered after its scope was given up",
    "return",
    "kill after a return and before its first sweep",
    "kill while a scope is given up",
    "choice of scopes that is not recorded",
    "kill after the choice of scopes",
    "return found a resource",
    "removal after a return",
    "scope given up before its first sweep",
];

/// How often each thing occurred.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Tally) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// What has to occur and did not.
    pub(super) fn lacks(&self) -> Vec<&'static str> {
        NEEDED.iter().copied().filter(|what| !self.0.contains_key(what)).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(f, "  {count:>9} {what}"))
    }
}
