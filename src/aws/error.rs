//! What went wrong with a call to AWS: classified here, once, into what the rest of Muster acts on.
//!
//! The SDK's own error does not travel further: its debug text can hold whole requests, and the text of a failed
//! credential helper can hold secrets. What is kept is the code, a cleaned message, and which next step helps.

mod advice;
mod code;
mod failure;
mod kind;
mod message;

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use aws_sdk_ec2::error::ErrorMetadata;

pub use kind::Trouble;

use self::code::CREDENTIALS;
use super::origin::Origin;
use crate::model::{AccountId, ErrorClass, Region};

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

    pub(super) fn of(trouble: Trouble, class: ErrorClass, detail: Option<String>, call: &Call<'_>) -> Self {
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

    pub(super) fn is_about_credentials(&self) -> bool {
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

#[cfg(test)]
mod tests;
