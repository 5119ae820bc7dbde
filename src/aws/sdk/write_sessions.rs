//! The configurations of tools' calls, one for each client: they tell clients apart in AWS's records.
//!
//! Where the credentials come from a role that Muster assumes itself, each client gets a session of its own, with its name. In every
//! case the name is in the user agent. Sweeps have the session of the configured credentials, one for the account.

use std::fmt;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{AppName, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::IdentityCache;
use parking_lot::Mutex;

use crate::aws::origin::Origin;
use crate::aws::profiles::Profiles;
use crate::aws::session_name::SessionName;

use super::assumed_role::{AssumedRole, LastRole, RoleRefusal};
use crate::aws::account_plan::RolePlan;

/// How many clients' sessions are kept; the one that was not used for the longest time goes first.
const KEPT: usize = 64;

/// A role that Muster assumes itself, so that it chooses the session's name.
#[derive(Clone)]
pub(in crate::aws) enum AssumableRole {
    /// By a profile with `role_arn`.
    Profile {
        /// The files.
        files: Profiles,
        /// The profile.
        profile: String,
        /// The region and connection of the call.
        context: ProviderConfig,
        /// The role, where it is assumed with a source identity.
        sourced: Option<LastRole>,
    },
    /// As the last of the roles that the configuration file names.
    Planned {
        /// Calls with the credentials that may assume it.
        client: aws_sdk_sts::Client,
        /// The role.
        role: RolePlan,
        /// Whether it is assumed with a source identity.
        is_sourced: bool,
    },
    /// By a token in a file, which the environment names.
    WebIdentity {
        /// The role.
        role_arn: String,
        /// The file.
        token_file: String,
        /// The region and connection of the call.
        context: ProviderConfig,
    },
}

impl fmt::Debug for AssumableRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumableRole").finish_non_exhaustive()
    }
}

impl AssumableRole {
    /// Assumes the role in a session of this name.
    fn provider(&self, session: &SessionName, base: &SdkConfig) -> SharedCredentialsProvider {
        match self {
            AssumableRole::Profile { files, context, sourced: Some(role), .. } => {
                let source = ProfileFileCredentialsProvider::builder().configure(context);
                let source = source.profile_files(files.for_sdk_as(None)).profile_name(&role.source).build();
                let config = base.to_builder().credentials_provider(SharedCredentialsProvider::new(source));
                let client = aws_sdk_sts::Client::new(&config.identity_cache(IdentityCache::lazy().build()).build());
                SharedCredentialsProvider::new(AssumedRole {
                    client,
                    arn: role.role_arn.clone(),
                    external_id: role.external_id.clone(),
                    session: session.to_string(),
                    has_source_identity: true,
                    loaded: None,
                    refusal: RoleRefusal::default(),
                })
            }
            AssumableRole::Planned { client, role, is_sourced } => SharedCredentialsProvider::new(AssumedRole {
                client: client.clone(),
                arn: role.arn.clone(),
                external_id: role.external_id.clone(),
                session: session.to_string(),
                has_source_identity: *is_sourced,
                loaded: None,
                refusal: RoleRefusal::default(),
            }),
            AssumableRole::Profile { files, profile, context, sourced: None } => {
                let files = files.for_sdk_as(Some(session.as_str()));
                let provider = ProfileFileCredentialsProvider::builder().configure(context).profile_files(files);
                SharedCredentialsProvider::new(provider.profile_name(profile).build())
            }
            AssumableRole::WebIdentity { role_arn, token_file, context } => {
                let role = StaticConfiguration {
                    web_identity_token_file: token_file.into(),
                    role_arn: role_arn.clone(),
                    session_name: session.to_string(),
                };
                let provider = WebIdentityTokenCredentialsProvider::builder().configure(context);
                SharedCredentialsProvider::new(provider.static_configuration(role).build())
            }
        }
    }

    /// Whether it is assumed with a source identity.
    pub(in crate::aws) fn has_source_identity(&self) -> bool {
        matches!(
            self,
            AssumableRole::Profile { sourced: Some(_), .. } | AssumableRole::Planned { is_sourced: true, .. }
        )
    }

    /// Whether credentials that come from there are this role's.
    fn is_used(&self, origin: &Origin) -> bool {
        match self {
            AssumableRole::Planned { .. } => true,
            AssumableRole::Profile { .. } => matches!(origin, Origin::Profile(_)),
            AssumableRole::WebIdentity { .. } => *origin == Origin::WebIdentity,
        }
    }
}

/// The configurations of the clients that called last.
#[derive(Debug, Default)]
pub(in crate::aws) struct WriteSessions(Mutex<Vec<(SessionName, SdkConfig)>>);

impl WriteSessions {
    /// The configuration for a client. `role` is the role that Muster can assume, and `origin` is where the credentials come from.
    pub(in crate::aws) fn of(
        &self,
        name: &SessionName,
        base: &SdkConfig,
        role: Option<&AssumableRole>,
        origin: &Origin,
    ) -> SdkConfig {
        let mut kept = self.0.lock();
        let known = kept.iter().position(|(known, _)| known == name).map(|place| kept.remove(place));
        let (name, config) = known.unwrap_or_else(|| {
            let mut config = base.to_builder();
            // A name of a session has only characters that an application's may have.
            config.set_app_name(AppName::new(name.to_string()).ok());
            if let Some(role) = role.filter(|role| role.is_used(origin)) {
                // The session's credentials are kept with it, and dropped with it.
                config = config
                    .credentials_provider(role.provider(name, base))
                    .identity_cache(IdentityCache::lazy().build());
            }
            (name.clone(), config.build())
        });
        kept.push((name, config.clone()));
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::sdk::emulated;
    use crate::model::Principal;

    #[test]
    fn a_client_has_one_configuration_and_those_of_clients_that_called_long_ago_are_dropped() {
        let (sessions, base) = (WriteSessions::default(), emulated("http://127.0.0.1:1"));
        let of = |client: &str| {
            let name = SessionName::of(&Principal::of_user("u").with_client(Some(client), None), None);
            let config = sessions.of(&name, &base, None, &Origin::Emulator);
            assert_eq!(config.app_name().map(ToString::to_string), Some(name.to_string()));
            name
        };
        let first = of("first");
        for number in 0..KEPT - 1 {
            of(&number.to_string());
        }
        assert_eq!(of("first"), first);
        of("one more");
        let kept: Vec<SessionName> = sessions.0.lock().iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(kept.len(), KEPT);
        assert!(kept.contains(&first), "it was used again");
        let zero = SessionName::of(&Principal::of_user("u").with_client(Some("0"), None), None);
        assert!(!kept.contains(&zero));
    }
}
