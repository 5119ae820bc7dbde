//! Where credentials come from: what a person has to change if they are wrong.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

/// Where the credentials in use come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `AWS_ACCESS_KEY_ID` and related variables in the environment of the process.
    Keys,
    /// A profile of the configuration files, with keys, a role or a login.
    Profile(Arc<str>),
    /// A role for a token in a file, as in Kubernetes.
    WebIdentity,
    /// The credentials endpoint of a container.
    Container,
    /// The metadata service of the instance that Muster runs on.
    Instance,
    /// Made-up credentials for an emulator.
    Emulator,
    /// A role that the configuration file names.
    Role {
        /// Its ARN.
        arn: Arc<str>,
        /// Where the credentials come from that assume it.
        source: Box<Origin>,
    },
}

impl Origin {
    /// Where the SDK looks first, before anything was loaded. A profile requested by name takes precedence over keys in the
    /// environment, as in the AWS CLI; those take precedence over `AWS_PROFILE`, as in every SDK.
    #[must_use]
    pub fn expected(asked_for: Option<&str>, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        match asked_for {
            Some(profile) => Origin::Profile(profile.into()),
            // One of them alone is not a key.
            None if said("AWS_ACCESS_KEY_ID").is_some() && said("AWS_SECRET_ACCESS_KEY").is_some() => Origin::Keys,
            None => Origin::Profile(said("AWS_PROFILE").as_deref().unwrap_or("default").into()),
        }
    }

    /// Where these credentials come from, as their provider recorded in them; `profile` is the one in use.
    fn of(credentials: &Credentials, profile: &Arc<str>) -> Option<Self> {
        let features = credentials.get_property::<Vec<Feature>>()?;
        let has = |feature| features.contains(&feature);
        match () {
            () if has(Feature::CredentialsProfile) => Some(Origin::Profile(Arc::clone(profile))),
            () if has(Feature::CredentialsEnvVars) => Some(Origin::Keys),
            () if has(Feature::CredentialsProfileStsWebIdToken) => Some(Origin::WebIdentity),
            () if has(Feature::CredentialsHttp) => Some(Origin::Container),
            () if has(Feature::CredentialsImds) => Some(Origin::Instance),
            () => None,
        }
    }

    /// The profile's name, if the credentials come from one.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        match self {
            Origin::Profile(name) => Some(name),
            Origin::Role { source, .. } => source.profile(),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Keys => f.write_str("environment (AWS_ACCESS_KEY_ID)"),
            Origin::Profile(name) => write!(f, "profile {name}"),
            Origin::WebIdentity => f.write_str("web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"),
            Origin::Container => f.write_str("container (AWS_CONTAINER_CREDENTIALS_*)"),
            Origin::Instance => f.write_str("instance metadata"),
            Origin::Emulator => f.write_str("emulator"),
            Origin::Role { arn, source } => write!(f, "{arn}, assumed by {source}"),
        }
    }
}

/// Describes the fault if the environment holds only half of a key, which the SDK ignores silently.
pub(super) fn half_a_key(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let (set, unset) = match (variable(id), variable(secret)) {
        (Some(_), None) => (id, secret),
        (None, Some(_)) => (secret, id),
        _ => return None,
    };
    Some(format!("{set} is set and {unset} is not, so neither is used: set both or neither"))
}

/// Where credentials were last loaded from. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct LastOrigin(Arc<ArcSwap<Origin>>);

impl LastOrigin {
    /// Nothing is loaded yet.
    pub(super) fn new(expected: Origin) -> Self {
        LastOrigin(Arc::new(ArcSwap::from_pointee(expected)))
    }

    /// The last known origin.
    pub(super) fn get(&self) -> Origin {
        Origin::clone(&self.0.load())
    }
}

/// Records where a provider found its credentials.
#[derive(Debug)]
pub(super) struct OriginRecorder {
    pub(super) provider: SharedCredentialsProvider,
    pub(super) profile: Arc<str>,
    pub(super) seen: LastOrigin,
}

impl ProvideCredentials for OriginRecorder {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(async {
            let credentials = self.provider.provide_credentials().await?;
            if let Some(origin) = Origin::of(&credentials, &self.profile) {
                self.seen.0.store(Arc::new(origin));
            }
            Ok(credentials)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(asked_for: Option<&str>, variables: &[(&str, &str)]) -> String {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Origin::expected(asked_for, &variable).to_string()
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s")];

    #[test]
    fn a_profile_requested_by_name_precedes_keys_which_precede_the_profile_of_the_environment() {
        let named = ("AWS_PROFILE", "corp");
        assert_eq!(expected(Some("corp"), &KEYS), "profile corp");
        assert_eq!(expected(None, &[KEYS[0], KEYS[1], named]), "environment (AWS_ACCESS_KEY_ID)");
        assert_eq!(expected(None, &[KEYS[0], named]), "profile corp", "an id without its secret is no key");
        assert_eq!(expected(None, &[KEYS[0], ("AWS_SECRET_ACCESS_KEY", " "), named]), "profile corp");
        assert_eq!(expected(None, &[]), "profile default");
    }

    #[test]
    fn credentials_say_where_they_come_from() {
        let of = |features: &[Feature]| {
            let mut credentials = Credentials::new("id", "secret", None, None, "test");
            credentials.get_property_mut_or_default::<Vec<Feature>>().extend(features.iter().cloned());
            Origin::of(&credentials, &"corp".into()).map(|origin| origin.to_string())
        };
        for (features, origin) in [
            (&[Feature::CredentialsEnvVars][..], "environment (AWS_ACCESS_KEY_ID)"),
            (
                &[Feature::CredentialsEnvVars, Feature::CredentialsStsAssumeRole, Feature::CredentialsProfile],
                "profile corp",
            ),
            (&[Feature::CredentialsProcess, Feature::CredentialsProfile], "profile corp"),
            (&[Feature::CredentialsProfileStsWebIdToken], "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"),
            (&[Feature::CredentialsHttp], "container (AWS_CONTAINER_CREDENTIALS_*)"),
            (&[Feature::CredentialsImds], "instance metadata"),
        ] {
            assert_eq!(of(features).as_deref(), Some(origin));
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn half_a_key_is_reported_with_the_missing_half() {
        let with = |set: &'static [&str]| half_a_key(&move |name| set.contains(&name).then(|| "x".to_owned()));
        assert_eq!(with(&[]), None);
        assert_eq!(with(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]), None);
        let said = with(&["AWS_ACCESS_KEY_ID"]).unwrap();
        assert!(said.starts_with("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"), "{said}");
        let said = with(&["AWS_SECRET_ACCESS_KEY"]).unwrap();
        assert!(said.starts_with("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not"), "{said}");
    }
}
