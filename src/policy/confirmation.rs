//! What a call that changes AWS needs before it acts: that somebody has seen its plan and agreed.
//!
//! The plan is shown with a claim: which plan it was, until when the claim holds, and a number by which it counts once. Whoever
//! agrees returns the claim, sealed so that it can be neither made nor changed. Right before the call acts, the plan is made again: a
//! claim for another plan is refused, because what the plan showed has changed since. All times are counted from the moment at which
//! the key of the seals was made, because a claim ends with its key.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long a claim holds.
pub const HOLDS: Duration = Duration::from_mins(2);
/// How many used claims are remembered: each holds for two minutes, so more would be an attack, and are refused.
const MAX_USED: usize = 100_000;

/// What is done to instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Something new is made or started, and nothing is interrupted.
    Adds,
    /// What runs is interrupted.
    Interrupts,
}

/// Whether a call that reaches `count` instances needs a confirmation: one that interrupts, and each that reaches more than one.
#[must_use]
pub fn is_needed(risk: Risk, count: usize) -> bool {
    match risk {
        Risk::Interrupts => count > 0,
        Risk::Adds => count > 1,
    }
}

/// The plan that was shown, by its digest, and how often and how long it may be referred to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The digest of the plan.
    pub plan: String,
    /// A random number, by which the claim counts once.
    pub nonce: u64,
    /// Until when it holds, in milliseconds since the key was made.
    pub until_ms: u64,
}

/// Why a confirmation does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unconfirmed {
    /// The call came with none.
    #[error("This call needs a confirmation, and came with none")]
    Missing,
    /// The person said no.
    #[error("The person who was asked did not agree")]
    Declined,
    /// The question ended without a word of the person: it was closed, or the client failed to ask it.
    #[error("The question was closed without a yes or a no, or the client could not ask it")]
    Closed,
    /// Nobody answered in time, or the token is too old.
    #[error("The confirmation came too late: it is valid for two minutes")]
    Expired,
    /// The claim was used before.
    #[error("This confirmation was used before: each counts once")]
    Replayed,
    /// The seal does not fit: another call, another client, or other text.
    #[error("This confirmation is not the one that this server gave to this client for this tool with these arguments")]
    Altered,
    /// The key of the seal is not known.
    #[error("This confirmation is of an earlier run of the Muster server, which was restarted since")]
    Restarted,
    /// Nobody waits for the answer any more: the call was cancelled, or its client has left.
    #[error("The call was cancelled before it was confirmed")]
    Cancelled,
    /// The server stops, so that it waits for nobody.
    #[error("The Muster server stops, so it does not wait for the answer of a person")]
    Stopped,
    /// The plan is another one now.
    #[error("What the plan showed has changed since it was shown")]
    Changed,
}

impl Unconfirmed {
    /// What an answer says of it.
    #[must_use]
    pub fn told(self) -> String {
        format!("{self}. Nothing was sent to AWS. {}", self.next())
    }

    /// What a client does next.
    #[must_use]
    pub fn next(self) -> &'static str {
        match self {
            Unconfirmed::Declined | Unconfirmed::Closed => "Do not call again unless the user asks for it.",
            Unconfirmed::Stopped => "Call again once the server runs: then the person is asked again.",
            _ => "Call again without a confirmation to be shown the plan as it is now.",
        }
    }
}

/// The claims that were used, as long as they would hold.
#[derive(Debug, Default)]
pub struct UsedClaims {
    /// By the time until which they hold.
    used: BTreeSet<(u64, u64)>,
}

impl UsedClaims {
    /// Uses a claim for a plan that has the digest `plan` now.
    ///
    /// # Errors
    /// Why it does not count. Then it stays as it was, except that one whose plan has changed is used up as well.
    pub fn spend(&mut self, claim: &Claim, plan: &str, now: Duration) -> Result<(), Unconfirmed> {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.used = self.used.split_off(&(now, 0));
        if claim.until_ms <= now {
            return Err(Unconfirmed::Expired);
        }
        let key = (claim.until_ms, claim.nonce);
        if self.used.contains(&key) || self.used.len() >= MAX_USED {
            return Err(Unconfirmed::Replayed);
        }
        self.used.insert(key);
        if claim.plan == plan { Ok(()) } else { Err(Unconfirmed::Changed) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_interrupts_and_what_reaches_several_needs_a_confirmation() {
        assert!(!is_needed(Risk::Interrupts, 0) && is_needed(Risk::Interrupts, 1));
        assert!(!is_needed(Risk::Adds, 1) && is_needed(Risk::Adds, 2));
    }

    proptest! {
        #[test]
        fn a_claim_counts_once_in_time_and_for_its_plan(
            steps in prop::collection::vec((0..6_u64, 0..2_usize, 0..30_000_u64), 0..60)
        ) {
            let plans = ["one", "other"];
            let claims: Vec<Claim> = (0..6)
                .map(|nonce| Claim { plan: plans[nonce % 2].to_owned(), nonce: nonce as u64, until_ms: 20_000 * nonce as u64 })
                .collect();
            let (mut used, mut spent, mut now) = (UsedClaims::default(), HashSet::new(), 0);
            for (nonce, plan, pause) in steps {
                now += pause;
                let claim = &claims[usize::try_from(nonce).unwrap()];
                let expected = if claim.until_ms <= now {
                    Err(Unconfirmed::Expired)
                } else if !spent.insert(nonce) {
                    Err(Unconfirmed::Replayed)
                } else if claim.plan == plans[plan] {
                    Ok(())
                } else {
                    Err(Unconfirmed::Changed)
                };
                prop_assert_eq!(used.spend(claim, plans[plan], Duration::from_millis(now)), expected);
            }
        }
    }
}
