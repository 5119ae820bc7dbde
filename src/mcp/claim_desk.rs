//! Seals the claims of confirmations, opens what clients bring back, and counts each once.
//!
//! The key is made when the server starts and never stored, so a claim ends with the process. A seal proves that this process made
//! the claim for the same holder, tool and arguments; it hides nothing.

use std::time::Duration;

use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rmcp::model::{RequestStateCodec, RequestStateError, SealOptions};
use tokio::time::Instant;

use super::error::RequestError;
use crate::policy::confirmation::{Claim, HOLDS, Unconfirmed, UsedClaims};

/// The claims of one server process.
pub struct ClaimDesk {
    /// Absent where the system gives no random key.
    codec: Option<RequestStateCodec>,
    begun: Instant,
    used: Mutex<UsedClaims>,
}

impl Default for ClaimDesk {
    fn default() -> Self {
        ClaimDesk { codec: codec(), begun: Instant::now(), used: Mutex::default() }
    }
}

/// A codec with a new key, which has a random name: what an earlier process sealed names another key.
fn codec() -> Option<RequestStateCodec> {
    let mut random = [0_u8; 40];
    SystemRandom::new().fill(&mut random).ok()?;
    let (key, name) = random.split_at(RequestStateCodec::MIN_KEY_LENGTH);
    let name = hex(name);
    RequestStateCodec::new_with_keyring(name.clone(), [(name, key.to_vec())]).ok()
}

impl ClaimDesk {
    /// A sealed claim for the plan with this digest, which counts only with the same `binding`.
    ///
    /// # Errors
    /// When there is no key.
    pub fn seal(&self, plan: &str, binding: &[u8]) -> Result<String, RequestError> {
        let until = self.elapsed() + HOLDS;
        let until_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        let mut nonce = [0_u8; 8];
        let is_random = SystemRandom::new().fill(&mut nonce).is_ok();
        let claim = Claim { plan: plan.to_owned(), nonce: u64::from_le_bytes(nonce), until_ms };
        let options = SealOptions::new().associated_data(binding);
        let sealed = self.codec.as_ref().filter(|_| is_random).map(|codec| codec.seal_json_with(&claim, &options));
        sealed.and_then(Result::ok).ok_or(RequestError::Unsealed)
    }

    /// The claim that was sealed with the same `binding`.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn open(&self, sealed: &str, binding: &[u8]) -> Result<Claim, Unconfirmed> {
        let Some(codec) = &self.codec else { return Err(Unconfirmed::Restarted) };
        codec.open_json_with(sealed, binding).map_err(|error| match error {
            RequestStateError::UnknownKeyId => Unconfirmed::Restarted,
            RequestStateError::Expired => Unconfirmed::Expired,
            _ => Unconfirmed::Altered,
        })
    }

    /// Uses a claim for the plan that has this digest now.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn spend(&self, claim: &Claim, plan: &str) -> Result<(), Unconfirmed> {
        self.used.lock().spend(claim, plan, self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// The SHA-256 digest of `bytes`, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_counts_once_within_two_minutes_at_the_process_that_sealed_it() {
        let desk = ClaimDesk::default();
        let sealed = desk.seal("plan", b"a").unwrap();
        let claim = desk.open(&sealed, b"a").unwrap();
        assert_eq!(desk.open(&sealed, b"b"), Err(Unconfirmed::Altered), "another binding");
        assert_eq!(ClaimDesk::default().open(&sealed, b"a"), Err(Unconfirmed::Restarted));
        assert_eq!(desk.spend(&claim, "plan"), Ok(()));
        assert_eq!(desk.spend(&claim, "plan"), Err(Unconfirmed::Replayed));
        let late = desk.open(&desk.seal("plan", b"a").unwrap(), b"a").unwrap();
        let changed = desk.open(&desk.seal("plan", b"a").unwrap(), b"a").unwrap();
        assert_eq!(desk.spend(&changed, "other"), Err(Unconfirmed::Changed));
        assert_eq!(desk.spend(&changed, "plan"), Err(Unconfirmed::Replayed), "it is used up");
        tokio::time::advance(HOLDS).await;
        assert_eq!(desk.spend(&late, "plan"), Err(Unconfirmed::Expired));
        assert_eq!(desk.spend(&claim, "plan"), Err(Unconfirmed::Expired));
    }

    proptest! {
        #[test]
        fn what_was_not_sealed_here_never_opens(at in 0..200_usize, byte in any::<u8>(), noise in ".{0,80}") {
            let desk = ClaimDesk::default();
            let sealed = desk.seal("plan", b"a").unwrap();
            prop_assert!(desk.open(&noise, b"a").is_err());
            let mut altered = sealed.clone().into_bytes();
            let at = at % altered.len();
            altered[at] = byte;
            if let Ok(altered) = String::from_utf8(altered)
                && altered != sealed
                && let Ok(claim) = desk.open(&altered, b"a")
            {
                // Base64 has more than one form of its last letter; what it says is the same.
                prop_assert_eq!(claim, desk.open(&sealed, b"a").unwrap());
            }
        }
    }
}
