//! The kinds of failures, as far as they can be told apart.

use std::sync::Arc;

use thiserror::Error;

use crate::model::AccountId;

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
