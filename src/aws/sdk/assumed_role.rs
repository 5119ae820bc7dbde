//! A role that Muster assumes itself, rather than the SDK's own providers: in a session of its choice, with a source identity where
//! a person asks for one, or after other roles.
//!
//! AWS keeps the source identity over further roles, and lets nobody change it. The role's trust policy has to allow
//! `sts:SetSourceIdentity`, so it is given only where a person asks for it. The account of the credentials is the one that STS's
//! answer names.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, Result as CredentialsResult};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::loaded_keys::LoadedKeys;
use crate::aws::error::code::is_expiry;
use crate::model::AccountId;

/// The last role of a profile, and the profile whose credentials assume it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::aws) struct LastRole {
    pub(in crate::aws) role_arn: String,
    pub(in crate::aws) external_id: Option<String>,
    /// The profile of its `source_profile`.
    pub(in crate::aws) source: String,
}

/// Assumes a role.
#[derive(Debug)]
pub(super) struct AssumedRole {
    /// Calls with the credentials that may assume the role.
    pub(super) client: aws_sdk_sts::Client,
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) session: String,
    /// Whether the session's name is its source identity too.
    pub(super) has_source_identity: bool,
    /// Where the keys are noted that STS gave.
    pub(super) loaded: Option<LoadedKeys>,
    /// The last refusal.
    pub(super) refusal: RoleRefusal,
}

/// How long a refusal counts for everybody who needs the role: each region of an account asks for it on its own.
const COUNTS: Duration = Duration::from_secs(10);

/// The last refusal of a role.
#[derive(Debug, Default)]
pub(super) struct RoleRefusal(Mutex<Option<(Instant, RoleRefused)>>);

impl RoleRefusal {
    /// The refusal that still counts at `now`.
    fn at(&self, now: Instant) -> Option<RoleRefused> {
        let known = self.0.lock();
        let (at, refused) = known.as_ref()?;
        (now.saturating_duration_since(*at) < COUNTS).then(|| refused.clone())
    }

    fn note(&self, refused: &RoleRefused, now: Instant) {
        // A session of the source that is over is renewed, and then the role is asked for again at once.
        if !is_expiry(&refused.code) {
            *self.0.lock() = Some((now, refused.clone()));
        }
    }
}

/// STS refuses to let Muster assume a role.
#[derive(Clone, Debug)]
pub(in crate::aws) struct RoleRefused {
    pub(in crate::aws) arn: String,
    pub(in crate::aws) code: String,
    pub(in crate::aws) message: String,
    pub(in crate::aws) status: u16,
}

impl fmt::Display for RoleRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RoleRefused { arn, code, message, .. } = self;
        // AWS's own message names the role mostly.
        if message.contains(arn.as_str()) {
            write!(f, "{code}: {message}")
        } else {
            write!(f, "{arn}: {code}: {message}")
        }
    }
}

impl Error for RoleRefused {}

impl AssumedRole {
    async fn assume(&self) -> CredentialsResult {
        if let Some(refused) = self.refusal.at(Instant::now()) {
            return Err(CredentialsError::provider_error(refused));
        }
        let call = self.client.assume_role().role_arn(&self.arn).role_session_name(&self.session);
        let source = self.has_source_identity.then(|| self.session.clone());
        let call = call.set_source_identity(source).set_external_id(self.external_id.clone());
        let answer = call.send().await.map_err(|failure| match &failure {
            SdkError::ServiceError(answer) if answer.err().code().is_some() => {
                let refused = RoleRefused {
                    arn: self.arn.clone(),
                    code: answer.err().code().unwrap_or_default().to_owned(),
                    message: answer.err().message().unwrap_or_default().to_owned(),
                    status: answer.raw().status().as_u16(),
                };
                self.refusal.note(&refused, Instant::now());
                CredentialsError::provider_error(refused)
            }
            _ => CredentialsError::provider_error(failure),
        })?;
        let given = answer.credentials.ok_or_else(|| CredentialsError::unhandled("STS gave no credentials"))?;
        let ends = SystemTime::try_from(given.expiration).map_err(CredentialsError::unhandled)?;
        let account = answer.assumed_role_user.as_ref().and_then(|user| user.arn.split(':').nth(4)).unwrap_or_default();
        if let Some(loaded) = &self.loaded {
            let account = AccountId::is_valid(account).then(|| AccountId::new(account));
            loaded.note(&given.access_key_id, account.as_ref());
        }
        let token = Some(given.session_token);
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, token, Some(ends), "muster"))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(self.assume())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> RoleRefused {
        RoleRefused { arn: "arn".to_owned(), code: code.to_owned(), message: String::new(), status: 403 }
    }

    #[test]
    fn a_refusal_counts_for_all_regions_of_an_account_for_a_while() {
        let (begun, refusal) = (Instant::now(), RoleRefusal::default());
        assert!(refusal.at(begun).is_none());
        refusal.note(&refused("AccessDenied"), begun);
        assert!(refusal.at(begun + COUNTS / 2).is_some());
        assert!(refusal.at(begun + COUNTS).is_none());
    }

    #[test]
    fn that_the_session_of_the_source_is_over_keeps_nobody_waiting() {
        let (begun, refusal) = (Instant::now(), RoleRefusal::default());
        refusal.note(&refused("ExpiredToken"), begun);
        assert!(refusal.at(begun).is_none());
    }
}
