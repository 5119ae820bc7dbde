//! Failures of calls to AWS, classified once into what the rest of Muster acts on.
//!
//! The SDK's own error goes no further: its debug text can hold whole requests, and the text of a failed credential helper can hold
//! secrets. Kept are the code, a cleaned message, and the next step.

mod advice;
pub(super) mod code;
mod failure;
mod kind;
mod message;

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use aws_sdk_ec2::error::ErrorMetadata;

pub use kind::AwsErrorKind;

use self::code::{CAPACITY, CREDENTIALS, is_expiry};
use super::origin::Origin;
use crate::model::{AccountId, ErrorClass, Region};

/// A failed call. Its text names what was called where, and what happened; [`AwsError::fix`] gives the next step. Its fields are
/// those of [`Details`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError(Box<Details>);

/// What is known about a failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// How to react.
    pub class: ErrorClass,
    /// What kind of failure it was.
    pub kind: AwsErrorKind,
    /// AWS's error code, if AWS answered.
    pub code: Option<String>,
    /// AWS's message without encoded blobs and key ids.
    pub message: String,
    /// The IAM action that was called.
    pub action: &'static str,
    /// The region of the call; `None` if no region is known.
    pub region: Option<Region>,
    /// The ids that AWS's message names; for [`ErrorClass::NotFound`], those that do not exist.
    pub ids: Vec<String>,
    /// Where the credentials come from, for the next step.
    pub origin: Origin,
    /// Whether the call may have taken effect anyway: the answer was lost, not refused.
    pub perhaps_done: bool,
    /// AWS's id of the request, if AWS answered with one.
    pub request_id: Option<String>,
    /// The encoded text that comes with a denial, which AWS can decode.
    pub encoded: Option<String>,
}

/// What was called, for the error's text.
#[derive(Clone, Debug)]
pub(super) struct CallContext<'a> {
    pub(super) action: &'static str,
    pub(super) region: Option<&'a Region>,
    pub(super) origin: Origin,
    /// The certificate bundle that is trusted instead of the system's, if one is set.
    pub(super) bundle: Option<Arc<str>>,
}

impl AwsError {
    /// There is no region to call.
    pub(super) fn no_region(call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::NoRegion, ErrorClass::Fatal, None, call)
    }

    /// A call for an account that is not among the watched ones.
    pub(super) fn account_not_watched(call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::AccountNotWatched, ErrorClass::Fatal, None, call)
    }

    /// A call in a region that is not among the `watched` ones.
    pub(super) fn not_watched(watched: &[Region], call: &CallContext<'_>) -> Self {
        let watched: Vec<&str> = watched.iter().map(Region::as_str).collect();
        AwsError::of(
            AwsErrorKind::NotWatched,
            ErrorClass::Fatal,
            Some(format!("this server watches {}", watched.join(", "))),
            call,
        )
    }

    /// A configuration file is needed but cannot be understood; `what` names it.
    pub(super) fn files(what: String, call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::Files, ErrorClass::Fatal, Some(what), call)
    }

    /// Adds possible causes on this machine, if something was not found on it.
    pub(super) fn because(mut self, hints: &str) -> Self {
        let is_open =
            matches!(self.kind, AwsErrorKind::NoRegion | AwsErrorKind::NoCredentials | AwsErrorKind::CredentialsFailed);
        if is_open && !hints.is_empty() {
            self.0.message = format!("{} ({hints})", self.0.message);
        }
        self
    }

    /// There is no answer yet, and the caller does not wait for it.
    pub(super) fn late(call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::TimedOut, ErrorClass::Transient, None, call)
    }

    /// Adds `what` to the message.
    pub(super) fn adding(mut self, what: &str) -> Self {
        self.0.message = format!("{}; {what}", self.0.message);
        self
    }

    /// A page that belongs to another account.
    pub(super) fn other_account(expected: &AccountId, found: &str, call: &CallContext<'_>) -> Self {
        let kind = AwsErrorKind::OtherAccount { expected: expected.clone() };
        AwsError::of(kind, ErrorClass::Fatal, Some(format!("account {found} answered")), call)
    }

    /// Credentials took the place of those that made the call, so that nobody knows whose answer it is.
    pub(super) fn exchanged(call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::CredentialsExchanged, ErrorClass::Transient, None, call)
    }

    /// The account of the credentials is not proved: no owner was described, and STS failed with `cause`.
    pub(super) fn unproved(cause: &AwsError, call: &CallContext<'_>) -> Self {
        let mut error = AwsError::of(AwsErrorKind::IdentityUnproved, cause.class, Some(cause.message.clone()), call);
        error.0.code.clone_from(&cause.code);
        error
    }

    /// The answer does not match the question; `what` says how.
    pub(super) fn unasked(what: &str, call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::Unasked, ErrorClass::Fatal, Some(what.to_owned()), call)
    }

    /// A dry run was carried out; `what` says what to check.
    pub(super) fn acted(what: &str, call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::Acted, ErrorClass::Fatal, Some(what.to_owned()), call)
    }

    /// The endpoint ignores `DryRun`, so that a dry run of a change must not be sent to it.
    pub(super) fn dry_run_ignored(call: &CallContext<'_>) -> Self {
        let detail = "it carried out a dry run of a describe, so no dry run of a change was sent".to_owned();
        AwsError::of(AwsErrorKind::DryRunIgnored, ErrorClass::Fatal, Some(detail), call)
    }

    /// The same failure, where the call that changes something was not sent because of it.
    pub(super) fn before_a_change(mut self) -> Self {
        self.0.perhaps_done = false;
        self
    }

    /// The request must not be sent; `what` says why.
    pub(super) fn unbuildable(what: &str, call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::Unbuildable, ErrorClass::Fatal, Some(what.to_owned()), call)
    }

    /// AWS accepted a call with several entries, but refused this one.
    pub(super) fn entry_refused(what: fmt::Arguments<'_>, code: &str, message: &str, call: &CallContext<'_>) -> Self {
        // A failed entry is not an HTTP failure to the SDK, so only the code determines its class.
        let meta = ErrorMetadata::builder().code(if code.is_empty() { "FailedEntry" } else { code });
        let mut error = AwsError::answered(&meta.message(message).build(), 400, call);
        error.0.message = format!("{what}: {}", error.0.message);
        error
    }

    /// A listing does not end; `why` says how that shows.
    #[must_use]
    pub fn endless(why: &str, action: &'static str, region: &Region) -> Self {
        let call = CallContext { action, region: Some(region), origin: Origin::Keys, bundle: None };
        let mut error = AwsError::of(AwsErrorKind::Endless, ErrorClass::Fatal, Some(why.to_owned()), &call);
        error.0.perhaps_done = false;
        error
    }

    /// The answer lacks something; `detail` names it.
    pub(super) fn unreadable(detail: &str, call: &CallContext<'_>) -> Self {
        AwsError::of(AwsErrorKind::Unreadable, ErrorClass::Transient, Some(detail.to_owned()), call)
    }

    /// An error that AWS never sent.
    #[cfg(test)]
    pub(super) fn made_up(code: &str, message: &str) -> Self {
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        AwsError::answered(
            &meta,
            400,
            &CallContext { action: "ec2:DescribeVolumes", region: None, origin: Origin::Keys, bundle: None },
        )
    }

    pub(super) fn of(kind: AwsErrorKind, class: ErrorClass, detail: Option<String>, call: &CallContext<'_>) -> Self {
        let message = detail.map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}"));
        let perhaps_done = matches!(kind, AwsErrorKind::TimedOut | AwsErrorKind::Unreadable);
        AwsError(Box::new(Details {
            class,
            kind,
            code: None,
            message,
            action: call.action,
            region: call.region.cloned(),
            ids: Vec::new(),
            origin: call.origin.clone(),
            perhaps_done,
            request_id: None,
            encoded: None,
        }))
    }

    /// Whether AWS does not take an id for one.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        self.class == ErrorClass::NotFound && (code.ends_with("Malformed") || code == "InvalidParameterValue")
    }

    /// Whether AWS no longer accepts its page token: the listing has to start again.
    #[must_use]
    pub fn is_token_refused(&self) -> bool {
        match self.code.as_deref() {
            Some("InvalidNextToken" | "ExpiredNextToken" | "InvalidPaginationToken" | "ExpiredPaginationToken") => true,
            Some("InvalidParameterValue" | "InvalidParameter") => self.message.to_lowercase().contains("token"),
            _ => false,
        }
    }

    /// Whether AWS, or a proxy before it, cannot accept or deliver a page of this size.
    #[must_use]
    pub fn is_page_too_large(&self) -> bool {
        let (code, message) = (self.code.as_deref().unwrap_or_default(), self.message.to_lowercase());
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let answered =
            self.kind == AwsErrorKind::Answered && matches!(self.class, ErrorClass::Fatal | ErrorClass::Transient);
        let of_size = code != "UnknownParameter" && says(&["maxresults", "max results", "max_results", "page size"]);
        (answered && (of_size || code.contains("TooLarge") || says(&["too large"]))) || says(&["http status 413"])
    }

    /// Whether the request is refused for the parameter `name`.
    pub(super) fn is_about_parameter(&self, name: &str) -> bool {
        let refused =
            self.kind == AwsErrorKind::Answered && self.class == ErrorClass::Fatal && !self.is_about_credentials();
        refused && self.message.to_lowercase().contains(&name.to_lowercase())
    }

    /// Whether the endpoint refuses an unknown parameter. This does not mean that a listing needs it.
    pub(super) fn is_about_some_parameter(&self) -> bool {
        let needed = ["MaxResults", "NextToken", "Owner", "IncludeAllInstances"];
        self.kind == AwsErrorKind::Answered
            && matches!(
                self.code.as_deref(),
                Some("UnknownParameter" | "UnrecognizedParameter" | "UnsupportedParameter")
            )
            && !needed.iter().any(|name| self.is_about_parameter(name))
    }

    /// Whether it affects every call for a scope and not only this one: the account of the credentials is wrong or unknown, or they
    /// are not valid.
    #[must_use]
    pub fn is_about_scope(&self) -> bool {
        matches!(self.kind, AwsErrorKind::OtherAccount { .. })
            || self.is_local()
            || self.is_about_credentials()
            || (self.class == ErrorClass::Denied && self.action.starts_with("sts:"))
    }

    /// Whether SQS still blocks the name of a deleted queue, which it does for a minute.
    #[must_use]
    pub fn is_deleted_recently(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code.rsplit('.').next() == Some("QueueDeletedRecently"))
    }

    /// Whether the endpoint does not implement the call: an emulator.
    #[must_use]
    pub fn is_not_implemented(&self) -> bool {
        self.message.to_lowercase().contains("not been implemented") || self.message.contains("HTTP status 501")
    }

    /// Whether reading the configuration files again may help.
    pub(super) fn is_about_configuration(&self) -> bool {
        let on_this_machine = matches!(
            self.kind,
            AwsErrorKind::NoRegion
                | AwsErrorKind::NoCredentials
                | AwsErrorKind::CredentialsFailed
                | AwsErrorKind::Files
                | AwsErrorKind::Untrusted { .. }
        );
        on_this_machine || self.is_about_credentials()
    }

    /// Whether an account other than the watched one answered.
    pub(super) fn is_about_account(&self) -> bool {
        matches!(self.kind, AwsErrorKind::OtherAccount { .. })
    }

    /// Whether it happened on this machine, before any region was called.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.kind {
            AwsErrorKind::Files
            | AwsErrorKind::NoRegion
            | AwsErrorKind::NotWatched
            | AwsErrorKind::NoCredentials
            | AwsErrorKind::SsoExpired
            | AwsErrorKind::LoginExpired
            | AwsErrorKind::CredentialsFailed
            | AwsErrorKind::RoleRefused
            | AwsErrorKind::AccountNotWatched
            | AwsErrorKind::Unbuildable => true,
            AwsErrorKind::Answered
            | AwsErrorKind::Unreadable
            | AwsErrorKind::TimedOut
            | AwsErrorKind::Unreachable
            | AwsErrorKind::IdentityUnproved
            | AwsErrorKind::CredentialsExchanged
            | AwsErrorKind::Unasked
            | AwsErrorKind::Acted
            | AwsErrorKind::DryRunIgnored
            | AwsErrorKind::Untrusted { .. }
            | AwsErrorKind::Endless
            | AwsErrorKind::OtherAccount { .. } => false,
        }
    }

    /// Whether AWS refuses the keys themselves: they are unknown, wrong or expired.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        self.code.as_deref().is_some_and(|code| CREDENTIALS.contains(&code))
    }

    /// Whether AWS says that the session of the keys is over.
    #[must_use]
    pub fn is_about_expiry(&self) -> bool {
        self.code.as_deref().is_some_and(is_expiry)
    }

    /// Whether AWS has no room for what was asked.
    #[must_use]
    pub fn is_about_capacity(&self) -> bool {
        self.code.as_deref().is_some_and(|code| CAPACITY.contains(&code))
    }

    /// Whether AWS may have refused a call for several resources because of one of them, so that calls for the others alone can
    /// succeed. It does not help against a limit, a passing problem or refused credentials.
    #[must_use]
    pub fn may_be_about_one(&self) -> bool {
        let is_of_all = self.class.is_passing() && !self.is_about_capacity() || self.is_about_credentials();
        self.kind == AwsErrorKind::Answered && !is_of_all
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

#[cfg(test)]
mod tests;
