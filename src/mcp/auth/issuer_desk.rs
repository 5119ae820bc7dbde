//! Judges the access tokens of one issuer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::access_token::AccessToken;
use super::caller::KnownCaller;
use super::claims::{ClaimFault, JudgedClaims, judge};
use super::issuer_plan::IssuerPlan;
use super::key_set::KeyMark;
use super::key_source::{KeyFault, KeySource};
use super::refusal::AuthRefusal;
use super::ring_provider;
use super::token_hash::TokenHash;
use crate::model::Timestamp;
use crate::policy::{GrantBook, Grantee};

/// How many tokens are remembered that were accepted. When there are more, all are judged again.
const MOST: usize = 4096;

/// Judges the access tokens of one issuer.
pub(super) struct IssuerDesk {
    plan: IssuerPlan,
    grants: GrantBook,
    /// Those of its desk before, where only what is said of the issuer has changed: they need not be fetched again.
    keys: Arc<KeySource>,
    accepted: Mutex<AcceptedTokens>,
    /// For each key that anybody was let in by, what ends all of them once the issuer has it no more.
    signed: Mutex<HashMap<KeyMark, CancellationToken>>,
    /// Cancelled when what is said of the issuer changes, and so ends all whom it let in.
    revoked: CancellationToken,
}

/// The tokens that were accepted, by their hashes, and how often keys had come by then.
#[derive(Default)]
struct AcceptedTokens {
    revision: u64,
    callers: HashMap<TokenHash, Arc<KnownCaller>>,
}

impl IssuerDesk {
    /// A desk for the tokens of an issuer, which has these keys.
    pub(super) fn new(plan: IssuerPlan, grants: GrantBook, keys: Arc<KeySource>) -> Self {
        ring_provider::install();
        let (accepted, signed) = (Mutex::default(), Mutex::default());
        IssuerDesk { plan, grants, keys, accepted, signed, revoked: CancellationToken::new() }
    }

    /// The keys of the issuer.
    pub(super) fn keys(&self) -> &Arc<KeySource> {
        &self.keys
    }

    /// What is said of the issuer.
    pub(super) fn plan(&self) -> &IssuerPlan {
        &self.plan
    }

    /// Whether it judges as one with this plan and these grants would: grants that the plan does not name give nobody anything here.
    pub(super) fn judges_by(&self, plan: &IssuerPlan, grants: &GrantBook) -> bool {
        let gives_the_same =
            |name: &String| self.grants.visibility([name.as_str()]) == grants.visibility([name.as_str()]);
        self.plan == *plan && plan.grants.values().flatten().all(gives_the_same)
    }

    /// Fetches the keys of the issuer when they are due, and ends those who were let in by one that it has no more. Never ends.
    pub(super) async fn attend(&self) {
        tokio::join!(self.keys.attend(), self.keys.each_time(|| self.withdraw()));
    }

    /// Ends those who were let in by a key that the issuer has no more.
    fn withdraw(&self) {
        self.signed.lock().retain(|mark, signed| {
            let is_kept = self.keys.has(*mark);
            if !is_kept {
                signed.cancel();
            }
            is_kept
        });
    }

    /// What ends whoever is let in by a key; `None` where the issuer has it no more.
    fn signed(&self, mark: KeyMark) -> Option<CancellationToken> {
        let mut signed = self.signed.lock();
        // A key that goes from now on finds them here.
        self.keys.has(mark).then(|| signed.entry(mark).or_insert_with(|| self.revoked.child_token()).child_token())
    }

    /// Ends all whom it let in.
    pub(super) fn revoke(&self) {
        self.revoked.cancel();
    }

    /// Whoever has a token of this issuer.
    pub(super) async fn admit(
        &self,
        token: &AccessToken<'_>,
        hash: TokenHash,
        now: Timestamp,
    ) -> Result<Arc<KnownCaller>, AuthRefusal> {
        let revision = self.keys.revision();
        if let Some(caller) = self.accepted.lock().of(revision).get(&hash).filter(|caller| !caller.is_over(now)) {
            return Ok(Arc::clone(caller));
        }
        if !self.plan.algorithms.contains(&token.algorithm) {
            return Err(AuthRefusal::Invalid(
                "it is signed with an algorithm that is not accepted of its issuer".to_owned(),
            ));
        }
        let no_key = || AuthRefusal::Invalid("its issuer has no such key".to_owned());
        let (key, mark, judged_by) =
            self.keys.get(token.kid.as_deref(), token.algorithm).await.map_err(|fault| match fault {
                KeyFault::Unknown => no_key(),
                KeyFault::Unavailable(why) => {
                    AuthRefusal::Unavailable(format!("the keys of {} cannot be fetched: {why}", self.plan.issuer))
                }
            })?;
        let claims = token.verified(&key).map_err(|fault| AuthRefusal::Invalid(fault.to_string()))?;
        let JudgedClaims { name, grants, ends } =
            judge(&claims, &token.is, &self.plan, now).map_err(|fault| match fault {
                ClaimFault::Scope(scope) => AuthRefusal::Scope(scope),
                fault => AuthRefusal::Invalid(fault.to_string()),
            })?;
        let visibility = self.grants.visibility(grants.iter().map(String::as_str));
        let grantee = Grantee {
            name: name.into(),
            issuer: Some(self.plan.issuer.as_str().into()),
            writes: visibility.may_change_anything(),
            visibility: Arc::new(visibility),
            ends: Some(ends),
        };
        let caller = KnownCaller::new(grantee, self.signed(mark).ok_or_else(no_key)?);
        let mut accepted = self.accepted.lock();
        // Keys that came meanwhile may not have accepted it.
        if judged_by >= accepted.revision {
            let callers = accepted.of(judged_by);
            if callers.len() >= MOST {
                callers.clear();
            }
            callers.insert(hash, Arc::clone(&caller));
        }
        Ok(caller)
    }
}

impl AcceptedTokens {
    /// Those that were judged by the keys of now.
    fn of(&mut self, revision: u64) -> &mut HashMap<TokenHash, Arc<KnownCaller>> {
        if self.revision != revision {
            self.revision = revision;
            self.callers.clear();
        }
        &mut self.callers
    }
}
