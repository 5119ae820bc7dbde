//! The kinds of failures that Muster distinguishes.

use std::sync::Arc;

use thiserror::Error;

use crate::model::AccountId;

/// The kind of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AwsErrorKind {
    /// AWS answered, with an error.
    #[error("AWS answered with an error")]
    Answered,
    /// The answer could not be read.
    #[error("AWS's answer could not be read")]
    Unreadable,
    /// No answer arrived in time.
    #[error("AWS did not answer in time")]
    TimedOut,
    /// No connection was made.
    #[error("AWS could not be reached")]
    Unreachable,
    /// The endpoint's certificate is not trusted.
    #[error("the certificate of the endpoint is not trusted")]
    Untrusted {
        /// The certificate bundle that is trusted instead of the system's, if one is set.
        bundle: Option<Arc<str>>,
    },
    /// A configuration file cannot be understood.
    #[error("AWS's configuration files cannot be used")]
    Files,
    /// No region is configured.
    #[error("no AWS region is set")]
    NoRegion,
    /// The region is not watched.
    #[error("the region is not watched")]
    NotWatched,
    /// No source of credentials had any.
    #[error("no AWS credentials were found")]
    NoCredentials,
    /// The login through IAM Identity Center (`aws sso login`) is missing or has expired.
    #[error("the AWS SSO session is missing or has expired")]
    SsoExpired,
    /// The login with console credentials (`aws login`) is missing or has expired.
    #[error("the AWS login session is missing or has expired")]
    LoginExpired,
    /// A source of credentials exists but failed.
    #[error("the AWS credentials could not be loaded")]
    CredentialsFailed,
    /// STS does not let Muster assume the role.
    #[error("the role cannot be assumed")]
    RoleRefused,
    /// The account is not watched.
    #[error("the account is not watched")]
    AccountNotWatched,
    /// The credentials belong to another account than the watched one.
    #[error("the AWS credentials are not those of account {expected}")]
    OtherAccount {
        /// The account watched.
        expected: AccountId,
    },
    /// The credentials that asked are not the ones that are in use since.
    #[error("the AWS credentials were exchanged while AWS was asked")]
    CredentialsExchanged,
    /// Neither EC2 nor STS shows the account of the credentials.
    #[error("the account of the AWS credentials could not be proved")]
    IdentityUnproved,
    /// The answer is about other resources than those asked for.
    #[error("AWS's answer is not about what was asked")]
    Unasked,
    /// A dry run was carried out.
    #[error("the endpoint ignores DryRun and acted")]
    Acted,
    /// A dry run of a describe was carried out.
    #[error("the endpoint ignores DryRun")]
    DryRunIgnored,
    /// The request could not be built.
    #[error("the request could not be built")]
    Unbuildable,
    /// AWS answers page after page without an end.
    #[error("the listing does not end")]
    Endless,
}
