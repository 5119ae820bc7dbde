//! What went wrong with a call to AWS: classified here, once, into what the rest of Muster acts on.
//!
//! The SDK's own error does not travel further: its debug text can hold whole requests, and the text of a failed
//! credential helper can hold secrets. What is kept is the code, a cleaned message, and which next step helps.

mod code;
mod message;

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use thiserror::Error;

use self::code::{CREDENTIALS, classify};
use self::message::{cleaned, named_ids};
use super::origin::Origin;
use crate::model::{self, AccountId, ErrorClass, Region, Timestamp};

/// What kind of trouble it was, as far as it can be told apart.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// AWS answered, with an error.
    #[error("AWS answered with an error")]
    Answered,
    /// The answer made no sense.
    #[error("AWS's answer could not be read")]
    Unreadable,
    /// No answer within the time allowed.
    #[error("AWS did not answer in time")]
    TimedOut,
    /// No connection.
    #[error("AWS could not be reached")]
    Unreachable,
    /// The certificate of whoever answers is not one to trust.
    #[error("the certificate of the endpoint is not trusted")]
    Untrusted {
        /// What names the certificate authorities that are trusted in place of the system's.
        bundle: Option<Arc<str>>,
    },
    /// A configuration file cannot be understood.
    #[error("AWS's configuration files cannot be used")]
    Files,
    /// Nothing says which region to ask.
    #[error("no AWS region is set")]
    NoRegion,
    /// The region is not one of those that are watched.
    #[error("the region is not watched")]
    NotWatched,
    /// No source of credentials had any.
    #[error("no AWS credentials were found")]
    NoCredentials,
    /// A login through IAM Identity Center (`aws sso login`) is missing or over.
    #[error("the AWS SSO session is missing or has expired")]
    SsoExpired,
    /// A login with console credentials (`aws login`) is missing or over.
    #[error("the AWS login session is missing or has expired")]
    LoginExpired,
    /// A source of credentials is there but failed.
    #[error("the AWS credentials could not be loaded")]
    CredentialsFailed,
    /// The credentials are those of another account than the one watched.
    #[error("the AWS credentials are not those of account {expected}")]
    OtherAccount {
        /// The account watched.
        expected: AccountId,
    },
    /// Neither an answer of EC2 nor STS shows whose credentials are in use.
    #[error("nothing shows whose the AWS credentials are")]
    IdentityUnproved,
    /// The answer is about other resources than those asked for.
    #[error("AWS's answer is not about what was asked")]
    Unasked,
    /// A call that only asks whether it would be allowed was carried out.
    #[error("the endpoint ignores DryRun and acted")]
    Acted,
    /// The request could not be built.
    #[error("the request could not be built")]
    Unbuildable,
    /// AWS answers page after page of a listing that does not end.
    #[error("the listing does not end")]
    Endless,
}

/// A failed call. Its text names what was asked where, and what happened; [`AwsError::fix`] the next step. Its fields are
/// those of [`Details`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError(Box<Details>);

/// What is known about a failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// How to react.
    pub class: ErrorClass,
    /// What kind of trouble it was.
    pub trouble: Trouble,
    /// AWS's error code, when AWS answered.
    pub code: Option<String>,
    /// What happened, without encoded blobs and key ids.
    pub message: String,
    /// The IAM action that was called.
    pub action: &'static str,
    /// Where; `None` when no region is known.
    pub region: Option<Region>,
    /// Ids that AWS's message names; of a [`ErrorClass::NotFound`], those that do not exist.
    pub ids: Vec<String>,
    /// Where the credentials come from, for the next step.
    pub origin: Origin,
    /// Whether the call may have had its effect all the same: the answer was lost, not refused.
    pub perhaps_done: bool,
}

/// What was called, for the error's text.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) action: &'static str,
    pub(super) region: Option<&'a Region>,
    pub(super) origin: Origin,
    /// What names the certificate authorities that are trusted in place of the system's.
    pub(super) bundle: Option<Arc<str>>,
}

impl AwsError {
    /// Classifies a failure of the SDK.
    pub(super) fn new<E: ProvideErrorMetadata + Error + 'static>(failure: &SdkError<E>, call: &Call<'_>) -> Self {
        match failure {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status();
                if status.is_success() {
                    let root = chain(answer.err()).last().map(|root| cleaned(&root.to_string()));
                    return AwsError::of(Trouble::Unreadable, ErrorClass::Transient, root, call);
                }
                AwsError::answered(answer.err().meta(), status.as_u16(), call)
            }
            SdkError::TimeoutError(_) => AwsError::of(Trouble::TimedOut, ErrorClass::Transient, None, call),
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                let detail = Some(format!("HTTP status {status}"));
                AwsError::of(Trouble::Unreadable, ErrorClass::Transient, detail, call)
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => AwsError::unsent(failure, call),
            _ => AwsError::of(Trouble::Unreadable, ErrorClass::Transient, None, call),
        }
    }

    /// There is no region to ask.
    pub(super) fn no_region(call: &Call<'_>) -> Self {
        AwsError::of(Trouble::NoRegion, ErrorClass::Fatal, None, call)
    }

    /// A call in a region that is not among the `watched` ones.
    pub(super) fn not_watched(watched: &[Region], call: &Call<'_>) -> Self {
        let watched: Vec<&str> = watched.iter().map(Region::as_str).collect();
        AwsError::of(
            Trouble::NotWatched,
            ErrorClass::Fatal,
            Some(format!("this server watches {}", watched.join(", "))),
            call,
        )
    }

    /// A configuration file is needed and cannot be understood; `what` names it.
    pub(super) fn files(what: String, call: &Call<'_>) -> Self {
        AwsError::of(Trouble::Files, ErrorClass::Fatal, Some(what), call)
    }

    /// Adds what may be the cause on this machine, where something was not found on it.
    pub(super) fn because(mut self, hints: &str) -> Self {
        let is_open = matches!(self.trouble, Trouble::NoRegion | Trouble::NoCredentials | Trouble::CredentialsFailed);
        if is_open && !hints.is_empty() {
            self.0.message = format!("{} ({hints})", self.0.message);
        }
        self
    }

    /// There is no answer yet, and it is not waited for.
    pub(super) fn late(call: &Call<'_>) -> Self {
        AwsError::of(Trouble::TimedOut, ErrorClass::Transient, None, call)
    }

    /// The same with a further word about it.
    pub(super) fn adding(mut self, what: &str) -> Self {
        self.0.message = format!("{}; {what}", self.0.message);
        self
    }

    /// A page that belongs to another account.
    pub(super) fn other_account(expected: &AccountId, found: &str, call: &Call<'_>) -> Self {
        let trouble = Trouble::OtherAccount { expected: expected.clone() };
        AwsError::of(trouble, ErrorClass::Fatal, Some(format!("account {found} answered")), call)
    }

    /// Nothing shows whose credentials these are: no owner was described, and STS failed by `cause`.
    pub(super) fn unproved(cause: &AwsError, call: &Call<'_>) -> Self {
        let mut error = AwsError::of(Trouble::IdentityUnproved, cause.class, Some(cause.message.clone()), call);
        error.0.code.clone_from(&cause.code);
        error
    }

    /// An answer to another question, which `what` tells.
    pub(super) fn unasked(what: &str, call: &Call<'_>) -> Self {
        AwsError::of(Trouble::Unasked, ErrorClass::Fatal, Some(what.to_owned()), call)
    }

    /// A dry run that changed what `what` tells.
    pub(super) fn acted(what: &str, call: &Call<'_>) -> Self {
        AwsError::of(Trouble::Acted, ErrorClass::Fatal, Some(what.to_owned()), call)
    }

    /// A request that must not be sent, which `what` tells.
    pub(super) fn unbuildable(what: &str, call: &Call<'_>) -> Self {
        AwsError::of(Trouble::Unbuildable, ErrorClass::Fatal, Some(what.to_owned()), call)
    }

    /// AWS took a call of several entries, but not this one.
    pub(super) fn entry_refused(what: fmt::Arguments<'_>, code: &str, message: &str, call: &Call<'_>) -> Self {
        // As the SDK has it, a failed entry is not an HTTP failure: nothing but the code tells its class.
        let meta = ErrorMetadata::builder().code(if code.is_empty() { "FailedEntry" } else { code });
        let mut error = AwsError::answered(&meta.message(message).build(), 400, call);
        error.0.message = format!("{what}: {}", error.0.message);
        error
    }

    /// A listing that does not end, with what shows that.
    #[must_use]
    pub fn endless(why: &str, action: &'static str, region: &Region) -> Self {
        let call = Call { action, region: Some(region), origin: Origin::Keys, bundle: None };
        let mut error = AwsError::of(Trouble::Endless, ErrorClass::Fatal, Some(why.to_owned()), &call);
        error.0.perhaps_done = false;
        error
    }

    /// An answer that lacks what it is asked for.
    pub(super) fn unreadable(detail: &str, call: &Call<'_>) -> Self {
        AwsError::of(Trouble::Unreadable, ErrorClass::Transient, Some(detail.to_owned()), call)
    }

    /// An answer that AWS never gave.
    #[cfg(test)]
    pub(super) fn made_up(code: &str, message: &str) -> Self {
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        AwsError::answered(
            &meta,
            400,
            &Call { action: "ec2:DescribeVolumes", region: None, origin: Origin::Keys, bundle: None },
        )
    }

    fn of(trouble: Trouble, class: ErrorClass, detail: Option<String>, call: &Call<'_>) -> Self {
        let message = detail.map_or_else(|| trouble.to_string(), |detail| format!("{trouble}: {detail}"));
        let perhaps_done = matches!(trouble, Trouble::TimedOut | Trouble::Unreadable);
        AwsError(Box::new(Details {
            class,
            trouble,
            code: None,
            message,
            action: call.action,
            region: call.region.cloned(),
            ids: Vec::new(),
            origin: call.origin.clone(),
            perhaps_done,
        }))
    }

    fn answered(meta: &ErrorMetadata, status: u16, call: &Call<'_>) -> Self {
        let code = meta.code().unwrap_or("").trim_start_matches("Client.").trim_start_matches("Server.");
        let raw = meta.message().unwrap_or("no message");
        if code.is_empty() {
            let detail = format!("HTTP status {status}, but not in AWS's form; it may come from a proxy");
            return AwsError::of(Trouble::Unreadable, ErrorClass::Transient, Some(detail), call);
        }
        let class = match code {
            // To EventBridge a limit is how many there may be, not how fast; asking again does not help.
            "LimitExceededException" if call.action.starts_with("events:") => ErrorClass::Fatal,
            _ => classify(code, status),
        };
        // What follows, mostly the next step, is a sentence of its own.
        let message = format!("{code}: {}", cleaned(raw).trim_end_matches('.'));
        AwsError(Box::new(Details {
            class,
            trouble: Trouble::Answered,
            code: Some(code.to_owned()),
            message,
            action: call.action,
            region: call.region.cloned(),
            ids: named_ids(raw),
            origin: call.origin.clone(),
            // An internal error says nothing about how far the call got; "slow down" says that it was turned away.
            perhaps_done: status >= 500 && class != ErrorClass::Throttled,
        }))
    }

    /// Nothing was sent, or the connection broke.
    fn unsent<E: Error + 'static>(failure: &SdkError<E>, call: &Call<'_>) -> Self {
        let links = chain(failure);
        let text = links.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ").to_lowercase();
        let root = links.last().map(|root| cleaned(&root.to_string()));
        if text.contains("missing region") || text.contains("missing signing region") {
            return AwsError::no_region(call);
        }
        if let Some(credentials) = links.iter().find_map(|link| link.downcast_ref::<CredentialsError>()) {
            return AwsError::without_credentials(credentials, &text, root, call);
        }
        // The SDK's words for what never left this machine.
        let unbuilt = matches!(failure, SdkError::ConstructionFailure(_)) || text.contains("failed to apply endpoint");
        let unconnected = text.contains("client error (connect)") || text.contains("connect timeout");
        let untrusted = text.contains("invalid peer certificate");
        let timed_out = matches!(failure, SdkError::DispatchFailure(dispatch) if dispatch.is_timeout());
        let (trouble, class) = match () {
            () if unbuilt => (Trouble::Unbuildable, ErrorClass::Fatal),
            () if untrusted => (Trouble::Untrusted { bundle: call.bundle.clone() }, ErrorClass::Fatal),
            () if timed_out => (Trouble::TimedOut, ErrorClass::Transient),
            () => (Trouble::Unreachable, ErrorClass::Transient),
        };
        let mut error = AwsError::of(trouble, class, root, call);
        error.0.perhaps_done = !unbuilt && !unconnected && !untrusted;
        error
    }

    /// `text` is the whole chain in lower case, `root` its last link. The root is shown only where it cannot come from a
    /// credential helper, whose words may hold secrets.
    fn without_credentials(credentials: &CredentialsError, text: &str, root: Option<String>, call: &Call<'_>) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let (trouble, class, detail) = match credentials {
            _ if has(&["sso token", "sso session"]) => (Trouble::SsoExpired, ErrorClass::Fatal, None),
            _ if has(&["login token", "login/cache", "reauthenticate"]) => {
                (Trouble::LoginExpired, ErrorClass::Fatal, None)
            }
            // The instance metadata service comes last in the chain: everything before it had none either.
            CredentialsError::CredentialsNotLoaded(_) => {
                let profile = root.filter(|root| root.contains("profile `"));
                (Trouble::NoCredentials, ErrorClass::Fatal, profile)
            }
            // A profile without credentials says so once; asked again, the SDK only says that it has said so.
            _ if has(&["imds", "already taken"]) => (Trouble::NoCredentials, ErrorClass::Fatal, None),
            // The service that hands out credentials could not be reached.
            CredentialsError::ProviderTimedOut(_) => (Trouble::CredentialsFailed, ErrorClass::Transient, root),
            _ if has(&["client error (", "connect timeout", "read timeout"]) => {
                (Trouble::CredentialsFailed, ErrorClass::Transient, root)
            }
            CredentialsError::InvalidConfiguration(_) => (Trouble::CredentialsFailed, ErrorClass::Fatal, root),
            _ => (Trouble::CredentialsFailed, ErrorClass::Fatal, None),
        };
        let mut error = AwsError::of(trouble, class, detail, call);
        error.0.perhaps_done = false;
        error
    }

    /// Whether AWS no longer takes the page token it gave: the listing has to start again.
    #[must_use]
    pub fn is_token_refused(&self) -> bool {
        match self.code.as_deref() {
            Some("InvalidNextToken" | "ExpiredNextToken" | "InvalidPaginationToken" | "ExpiredPaginationToken") => true,
            Some("InvalidParameterValue" | "InvalidParameter") => self.message.to_lowercase().contains("token"),
            _ => false,
        }
    }

    /// Whether AWS, or what stands before it, does not take or bring a page of this size.
    #[must_use]
    pub fn is_page_too_large(&self) -> bool {
        let (code, message) = (self.code.as_deref().unwrap_or_default(), self.message.to_lowercase());
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let answered =
            self.trouble == Trouble::Answered && matches!(self.class, ErrorClass::Fatal | ErrorClass::Transient);
        let of_size = code != "UnknownParameter" && says(&["maxresults", "max results", "max_results", "page size"]);
        (answered && (of_size || code.contains("TooLarge") || says(&["too large"]))) || says(&["http status 413"])
    }

    /// Whether a parameter of the request is refused by name.
    pub(super) fn is_about_parameter(&self, name: &str) -> bool {
        let refused =
            self.trouble == Trouble::Answered && self.class == ErrorClass::Fatal && !self.is_about_credentials();
        refused && self.message.to_lowercase().contains(&name.to_lowercase())
    }

    /// Whether some parameter is not known to the endpoint, which does not say that it is one that a listing needs.
    pub(super) fn is_about_some_parameter(&self) -> bool {
        let needed = ["MaxResults", "NextToken", "Owner", "IncludeAllInstances"];
        self.trouble == Trouble::Answered
            && matches!(
                self.code.as_deref(),
                Some("UnknownParameter" | "UnrecognizedParameter" | "UnsupportedParameter")
            )
            && !needed.iter().any(|name| self.is_about_parameter(name))
    }

    /// Whether it touches everything that is asked of a scope, not only what was asked: whose credentials these are, and whether
    /// they are any.
    #[must_use]
    pub fn is_about_scope(&self) -> bool {
        matches!(self.trouble, Trouble::OtherAccount { .. })
            || self.is_local()
            || self.is_about_credentials()
            || (self.class == ErrorClass::Denied && self.action.starts_with("sts:"))
    }

    /// Whether SQS keeps the name of a deleted queue back, which it does for a minute.
    #[must_use]
    pub fn is_deleted_recently(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code.rsplit('.').next() == Some("QueueDeletedRecently"))
    }

    /// Whether whoever answers has no such call: an emulator.
    #[must_use]
    pub fn is_not_implemented(&self) -> bool {
        self.message.to_lowercase().contains("not been implemented") || self.message.contains("HTTP status 501")
    }

    /// Whether reading the configuration files again may help.
    pub(super) fn is_about_configuration(&self) -> bool {
        let on_this_machine = matches!(
            self.trouble,
            Trouble::NoRegion
                | Trouble::NoCredentials
                | Trouble::CredentialsFailed
                | Trouble::Files
                | Trouble::Untrusted { .. }
        );
        on_this_machine || self.is_about_credentials()
    }

    /// Whether another account than the one watched answered.
    pub(super) fn is_about_account(&self) -> bool {
        matches!(self.trouble, Trouble::OtherAccount { .. })
    }

    /// Whether it happened on this machine, before any region was asked.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.trouble {
            Trouble::Files
            | Trouble::NoRegion
            | Trouble::NotWatched
            | Trouble::NoCredentials
            | Trouble::SsoExpired
            | Trouble::LoginExpired
            | Trouble::CredentialsFailed
            | Trouble::Unbuildable => true,
            Trouble::Answered
            | Trouble::Unreadable
            | Trouble::TimedOut
            | Trouble::Unreachable
            | Trouble::IdentityUnproved
            | Trouble::Unasked
            | Trouble::Acted
            | Trouble::Untrusted { .. }
            | Trouble::Endless
            | Trouble::OtherAccount { .. } => false,
        }
    }

    /// The next step, for the person who runs a server, which asks again by itself.
    #[must_use]
    pub fn fix(&self) -> String {
        let goes_on = match (&self.trouble, self.class) {
            (Trouble::TimedOut | Trouble::Unreachable | Trouble::Unreadable | Trouble::Endless, _)
            | (Trouble::Answered, ErrorClass::Transient) => " Muster goes on trying.",
            (Trouble::Answered, ErrorClass::Throttled) => " Muster slows down and goes on trying.",
            _ => "",
        };
        self.advice() + goes_on
    }

    /// The next step, for the person whose command failed.
    #[must_use]
    pub fn advice(&self) -> String {
        let profile = self.origin.profile().unwrap_or("default");
        let origin = &self.origin;
        let region = self.region.as_ref().map_or("the watched region", Region::as_str);
        match (&self.trouble, self.class) {
            (Trouble::Files, _) => {
                "Mend what the message names: AWS's own tools cannot read it either. Muster reads the files again by itself."
                    .into()
            }
            (Trouble::Untrusted { bundle: None }, _) => {
                "Set AWS_CA_BUNDLE (or ca_bundle in the profile) to a PEM file with the certificate authority that signed it, \
                 where Muster runs: of a proxy that looks into TLS, its operator has that file. Check this machine's clock as \
                 well."
                    .into()
            }
            (Trouble::Untrusted { bundle: Some(bundle) }, _) => format!(
                "Only the certificate authorities of {bundle} are trusted, in place of the system's. Name a file that holds \
                 the one that signed it, or leave that out where the system's are enough."
            ),
            (Trouble::NoRegion, _) => {
                "Set AWS_REGION (or pass --region), or `region` in the profile in ~/.aws/config, for example us-east-1."
                    .into()
            }
            (Trouble::NotWatched, _) => "Name the region in --regions (or AWS_REGION), and start the server again.".into(),
            (Trouble::NoCredentials, _) => format!(
                "Set AWS_PROFILE (or pass --profile) to a profile of ~/.aws/config, or set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, where Muster runs; an AI client passes them in the `env` of its server entry. \
                 Profile `{profile}` is in use; `aws configure list-profiles` shows those there are."
            ),
            (Trouble::SsoExpired, _) => format!("Run: aws sso login --profile {profile}"),
            (Trouble::LoginExpired, _) => format!("Run: aws login --profile {profile}"),
            (Trouble::CredentialsFailed, _) if origin.profile().is_none() => {
                format!("The credentials come from: {origin}. Check that it is reachable and holds what it should.")
            }
            (Trouble::CredentialsFailed, _) => format!(
                "Run `aws sts get-caller-identity --profile {profile}` where Muster runs: it shows what is wrong with the \
                 credentials of profile `{profile}`."
            ),
            (Trouble::OtherAccount { expected, .. }, _) => format!(
                "Restart Muster with credentials of account {expected}, or with another data directory (--data-dir) for \
                 the other account."
            ),
            (Trouble::Unreadable, _) if self.message.contains("cannot be read") => {
                "AWS, or what stands before it, answers in a form that this version does not know: report it, and look at the \
                 resource in the console meanwhile."
                    .into()
            }
            (Trouble::TimedOut | Trouble::Unreachable | Trouble::Unreadable, _) => format!(
                "Check the network, a proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL, and that the region {region} exists."
            ),
            (Trouble::IdentityUnproved, _) => format!(
                "Allow sts:GetCallerIdentity for the credentials of profile `{profile}`, and let Muster reach the STS \
                 endpoint of {region}; then repeat the call."
            ),
            (Trouble::Unasked, _) => {
                "Check AWS_ENDPOINT_URL and a proxy (HTTPS_PROXY): whatever answers there does not keep to the ids that it is \
                 asked for."
                    .into()
            }
            (Trouble::Acted, _) => {
                "Make no dry runs there: whatever answers at AWS_ENDPOINT_URL or behind a proxy carries them out.".into()
            }
            (Trouble::Endless, _) => format!(
                "Check what answers for {region} (AWS_ENDPOINT_URL, an emulator, a proxy): it hands out page tokens that lead \
                 nowhere."
            ),
            (Trouble::Unbuildable, _) => {
                "Check AWS_ENDPOINT_URL and the settings of the profile in ~/.aws/config.".into()
            }
            (Trouble::Answered, ErrorClass::Throttled) => "Other programs in the account share this limit.".into(),
            (Trouble::Answered, ErrorClass::Denied) => format!(
                "Allow {} in the IAM policy of these credentials ({origin}); iam-policy.json of Muster lists all it needs.",
                self.denied_action()
            ),
            (Trouble::Answered, ErrorClass::NotFound) if self.is_about_events() => format!(
                "Run `muster setup --region {region}`, which makes it again, or name another queue with --queue-url."
            ),
            (Trouble::Answered, ErrorClass::NotFound) => {
                format!(
                    "Check the id, and that the resource is in {region}; one made seconds ago may not be visible yet."
                )
            }
            (Trouble::Answered, ErrorClass::Transient) => "AWS has a passing problem.".into(),
            (Trouble::Answered, ErrorClass::Fatal) if self.is_about_credentials() && *origin == Origin::Keys => format!(
                "Renew the credentials in the environment where Muster runs (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and \
                 AWS_SESSION_TOKEN where they have one), or name a profile with --profile, which takes precedence over them; \
                 and check that region {region} is enabled in the account and this machine's clock is right."
            ),
            (Trouble::Answered, ErrorClass::Fatal) if self.is_about_credentials() && origin.profile().is_none() => format!(
                "Renew the credentials ({origin}), and check that region {region} is enabled in the account and this \
                 machine's clock is right."
            ),
            (Trouble::Answered, ErrorClass::Fatal) if self.is_about_credentials() => format!(
                "Renew the credentials of profile `{profile}` (`aws sso login --profile {profile}` for SSO), and check that \
                 region {region} is enabled in the account and this machine's clock is right."
            ),
            (Trouble::Answered, ErrorClass::Fatal | ErrorClass::DryRun) => {
                "AWS refuses the request as it stands; change what the message names.".into()
            }
        }
    }

    /// The failure as it shows in answers, from `since` on.
    #[must_use]
    pub fn to_trouble(&self, since: Timestamp) -> model::Trouble {
        model::Trouble { class: self.class.into(), what: self.to_string(), fix: self.fix(), since, retry_at: None }
    }

    /// The action that AWS's message says is not allowed: a call can need several.
    fn denied_action(&self) -> &str {
        let named = self.message.split("perform: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        named.map_or(self.action, |action| action.trim_end_matches(['.', ',']))
    }

    /// Whether it was asked about what `muster setup` makes.
    fn is_about_events(&self) -> bool {
        ["sqs:", "events:"].iter().any(|service| self.action.starts_with(service))
    }

    fn is_about_credentials(&self) -> bool {
        self.code.as_deref().is_some_and(|code| CREDENTIALS.contains(&code))
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.region {
            Some(region) => write!(f, "{} in {region}: {}", self.action, self.message),
            None => write!(f, "{}: {}", self.action, self.message),
        }
    }
}

impl Error for AwsError {}

impl From<Details> for AwsError {
    fn from(details: Details) -> Self {
        AwsError(Box::new(details))
    }
}

impl Deref for AwsError {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

/// The links of an error's source chain, itself first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| (**link).source()).collect()
}

#[cfg(test)]
mod tests;
