//! A role that is assumed with a source identity, which the SDK's own provider cannot give.
//!
//! AWS keeps the source identity over further roles, and lets nobody change it. The role's trust policy has to allow
//! `sts:SetSourceIdentity`, so it is given only where a person asks for it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, Result as CredentialsResult};

use crate::aws::session_name::SessionName;

/// The last role of a profile, and the profile whose credentials assume it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::aws) struct LastRole {
    pub(in crate::aws) role_arn: String,
    pub(in crate::aws) external_id: Option<String>,
    /// The profile of its `source_profile`.
    pub(in crate::aws) source: String,
}

/// Assumes a role in a session whose name is its source identity too.
#[derive(Debug)]
pub(super) struct SourcedRole {
    /// Calls with the credentials that may assume the role.
    pub(super) client: aws_sdk_sts::Client,
    pub(super) role: LastRole,
    pub(super) session: SessionName,
}

impl SourcedRole {
    async fn assume(&self) -> CredentialsResult {
        let call = self.client.assume_role().role_arn(&self.role.role_arn).role_session_name(self.session.as_str());
        let call = call.source_identity(self.session.as_str()).set_external_id(self.role.external_id.clone());
        let answer = call.send().await.map_err(CredentialsError::provider_error)?;
        let given = answer.credentials.ok_or_else(|| CredentialsError::unhandled("STS gave no credentials"))?;
        let ends = SystemTime::try_from(given.expiration).map_err(CredentialsError::unhandled)?;
        let token = Some(given.session_token);
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, token, Some(ends), "muster"))
    }
}

impl ProvideCredentials for SourcedRole {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(self.assume())
    }
}
