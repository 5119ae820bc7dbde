//! The next step after a failure.

use super::{AwsError, AwsErrorKind};
use crate::aws::origin::Origin;
use crate::model::text::shown;
use crate::model::{self, ErrorClass, Region, Timestamp};

/// What AWS says of a call that a policy of the organization denies, whatever those of the account allow.
const BY_ORGANIZATION: &str = "explicit deny in a service control policy";

impl AwsError {
    /// What AWS said and what to do about it, short enough to repeat for each of fifty resources.
    #[must_use]
    pub fn explained(&self) -> String {
        format!("{}. {}", shown(&self.to_string(), 240), shown(&self.advice(), 240))
    }

    /// The next step, for whoever runs a server, which tries again by itself.
    #[must_use]
    pub fn fix(&self) -> String {
        let goes_on = match (&self.kind, self.class) {
            (
                AwsErrorKind::TimedOut | AwsErrorKind::Unreachable | AwsErrorKind::Unreadable | AwsErrorKind::Endless,
                _,
            )
            | (AwsErrorKind::Answered, ErrorClass::Transient) => " Muster goes on trying.",
            (AwsErrorKind::Answered, ErrorClass::Throttled) => " Muster slows down and goes on trying.",
            _ => "",
        };
        self.advice() + goes_on
    }

    /// The next step, for whoever ran a command that failed.
    #[must_use]
    pub fn advice(&self) -> String {
        let profile = self.origin.profile().unwrap_or("default");
        let origin = &self.origin;
        let region = self.region.as_ref().map_or("the watched region", Region::as_str);
        match (&self.kind, self.class) {
            (AwsErrorKind::Files, _) => {
                "Repair what the message names: AWS's own tools cannot read it either. Muster reads the files again by itself."
                    .into()
            }
            (AwsErrorKind::Untrusted { bundle: None }, _) => {
                "Set AWS_CA_BUNDLE (or ca_bundle in the profile) to a PEM file with the certificate authority that signed it, \
                 where Muster runs: of a proxy that looks into TLS, its operator has that file. Check this machine's clock as \
                 well."
                    .into()
            }
            (AwsErrorKind::Untrusted { bundle: Some(bundle) }, _) => format!(
                "Only the certificate authorities of {bundle} are trusted, in place of the system's. Name a file that holds \
                 the one that signed it, or leave that out where the system's are enough."
            ),
            (AwsErrorKind::NoRegion, _) => {
                "Set AWS_REGION (or pass --region), or `region` in the profile in ~/.aws/config, for example us-east-1."
                    .into()
            }
            (AwsErrorKind::NotWatched, _) => "Name the region in --regions (or AWS_REGION), and start the server again.".into(),
            (AwsErrorKind::NoCredentials, _) => format!(
                "Set AWS_PROFILE (or pass --profile) to a profile of ~/.aws/config, or set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, where Muster runs; an AI client passes them in the `env` of its server entry. \
                 Profile `{profile}` is in use; `aws configure list-profiles` shows those there are."
            ),
            (AwsErrorKind::SsoExpired, _) => format!("Run: aws sso login --profile {profile}"),
            (AwsErrorKind::LoginExpired, _) => format!("Run: aws login --profile {profile}"),
            (AwsErrorKind::CredentialsFailed, _) if origin.profile().is_none() => {
                format!("The credentials come from: {origin}. Check that it is reachable and holds what it should.")
            }
            (AwsErrorKind::CredentialsFailed, _) => format!(
                "Run `aws sts get-caller-identity --profile {profile}` where Muster runs: it shows what is wrong with the \
                 credentials of profile `{profile}`."
            ),
            (AwsErrorKind::RoleRefused, _) if self.message.contains("SetSourceIdentity") => {
                "Allow sts:SetSourceIdentity in the role's trust policy, or run Muster without --source-identity.".into()
            }
            (AwsErrorKind::RoleRefused, _) => format!(
                "Let the role's trust policy name who assumes it ({origin}) with the external ID of the configuration file, and \
                 allow sts:AssumeRole on it there."
            ),
            (AwsErrorKind::AccountNotWatched, _) => {
                "Add the account to the configuration file, and run `muster reload`.".into()
            }
            (AwsErrorKind::OtherAccount { expected, .. }, _) => format!(
                "Restart Muster with credentials of account {expected}, or with another data directory (--data-dir) for \
                 the other account."
            ),
            (AwsErrorKind::Unreadable, _) if self.message.contains("cannot be read") => {
                "AWS, or a proxy before it, answers in a form that this version does not know: report it, and look at the \
                 resource in the console meanwhile."
                    .into()
            }
            (AwsErrorKind::TimedOut | AwsErrorKind::Unreachable | AwsErrorKind::Unreadable, _) => format!(
                "Check the network, a proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL, and that the region {region} exists."
            ),
            (AwsErrorKind::IdentityUnproved, _) => format!(
                "Allow sts:GetCallerIdentity for the credentials of profile `{profile}`, and let Muster reach the STS \
                 endpoint of {region}; then repeat the call."
            ),
            (AwsErrorKind::CredentialsExchanged, _) => "Repeat the call.".into(),
            (AwsErrorKind::Unasked, _) => {
                "Check AWS_ENDPOINT_URL and a proxy (HTTPS_PROXY): the endpoint answers for other ids than those it is \
                 asked for."
                    .into()
            }
            (AwsErrorKind::DryRunIgnored, _) => {
                "Check AWS_ENDPOINT_URL and a proxy (HTTPS_PROXY): what answers there does not know DryRun, so that no dry run \
                 of a change is safe there."
                    .into()
            }
            (AwsErrorKind::Acted, _) => {
                "Make no dry runs there: the endpoint at AWS_ENDPOINT_URL or behind a proxy carries them out.".into()
            }
            (AwsErrorKind::Endless, _) => format!(
                "Check what answers for {region} (AWS_ENDPOINT_URL, an emulator, a proxy): it hands out page tokens that lead \
                 nowhere."
            ),
            (AwsErrorKind::Unbuildable, _) => {
                "Check AWS_ENDPOINT_URL and the settings of the profile in ~/.aws/config.".into()
            }
            (AwsErrorKind::Answered, _) => self.advice_on_answer(),
        }
    }

    /// The next step after an answer of AWS.
    fn advice_on_answer(&self) -> String {
        let profile = self.origin.profile().unwrap_or("default");
        let origin = &self.origin;
        let region = self.region.as_ref().map_or("the watched region", Region::as_str);
        match self.class {
            ErrorClass::Throttled => "Other programs in the account share this limit.".into(),
            _ if self.is_about_capacity() => {
                "AWS has no capacity of this kind in the Availability Zone now, so nothing happened: call again later, or choose \
                 another instance type."
                    .into()
            }
            ErrorClass::Denied if self.message.contains(BY_ORGANIZATION) => format!(
                "A service control policy of the organization denies {} in {region}, which no policy of these credentials \
                 ({origin}) can change. Ask whoever manages the organization, or do not watch {region} in this account.",
                self.denied_action()
            ),
            ErrorClass::Denied => format!(
                "Allow {} in the IAM policy of these credentials ({origin}); `muster policy iam` prints all it needs.",
                self.denied_action()
            ),
            ErrorClass::NotFound if self.is_about_events() => format!(
                "Run `muster setup --region {region}`, which creates it again, or name another queue with --queue-url."
            ),
            ErrorClass::NotFound => {
                format!(
                    "Check the id, and that the resource is in {region}; one created seconds ago may not be visible yet."
                )
            }
            ErrorClass::Transient => "AWS has a passing problem.".into(),
            ErrorClass::Fatal if self.is_about_credentials() && *origin == Origin::Keys => format!(
                "Renew the credentials in the environment where Muster runs (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and \
                 AWS_SESSION_TOKEN where they have one), or name a profile with --profile, which takes precedence over them; \
                 and check that region {region} is enabled in the account and this machine's clock is right."
            ),
            ErrorClass::Fatal if self.is_about_credentials() && origin.profile().is_none() => format!(
                "Renew the credentials ({origin}), and check that region {region} is enabled in the account and this \
                 machine's clock is right."
            ),
            ErrorClass::Fatal if self.is_about_credentials() => format!(
                "Renew the credentials of profile `{profile}` (`aws sso login --profile {profile}` for SSO), and check that \
                 region {region} is enabled in the account and this machine's clock is right."
            ),
            ErrorClass::Fatal | ErrorClass::DryRun => {
                "AWS refuses the request as it stands; change what the message names.".into()
            }
        }
    }

    /// The failure as answers show it, lasting since `since`.
    #[must_use]
    pub fn to_trouble(&self, since: Timestamp) -> model::Trouble {
        model::Trouble { class: self.class.into(), what: self.to_string(), fix: self.fix(), since, retry_at: None }
    }

    /// The action that AWS's message names as not allowed: a call can need several.
    #[must_use]
    pub fn denied_action(&self) -> &str {
        let named = self.message.split("perform: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        named.map_or(self.action, |action| action.trim_end_matches(['.', ',']))
    }

    /// Whether the call was about EventBridge or its queue.
    fn is_about_events(&self) -> bool {
        ["sqs:", "events:"].iter().any(|service| self.action.starts_with(service))
    }
}
