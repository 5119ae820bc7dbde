//! Classifies failures of the SDK.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId;

use super::code::{CAPACITY, classify, is_about_no_id};
use super::message::{cleaned, encoded, named_ids};
use super::{AwsError, AwsErrorKind, CallContext, Details};
use crate::aws::sdk::RoleRefused;
use crate::model::ErrorClass;

impl AwsError {
    /// Classifies a failure of the SDK.
    pub(in crate::aws) fn new<E: ProvideErrorMetadata + Error + 'static>(
        failure: &SdkError<E>,
        call: &CallContext<'_>,
    ) -> Self {
        match failure {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status();
                if status.is_success() {
                    let root = chain(answer.err()).last().map(|root| cleaned(&root.to_string()));
                    return AwsError::of(AwsErrorKind::Unreadable, ErrorClass::Transient, root, call);
                }
                AwsError::answered(answer.err().meta(), status.as_u16(), call)
            }
            SdkError::TimeoutError(_) => AwsError::of(AwsErrorKind::TimedOut, ErrorClass::Transient, None, call),
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                let detail = Some(format!("HTTP status {status}"));
                AwsError::of(AwsErrorKind::Unreadable, ErrorClass::Transient, detail, call)
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => AwsError::unsent(failure, call),
            _ => AwsError::of(AwsErrorKind::Unreadable, ErrorClass::Transient, None, call),
        }
    }

    pub(super) fn answered(meta: &ErrorMetadata, status: u16, call: &CallContext<'_>) -> Self {
        let code = meta.code().unwrap_or("").trim_start_matches("Client.").trim_start_matches("Server.");
        let raw = meta.message().unwrap_or("no message");
        if code.is_empty() {
            let detail = format!("HTTP status {status}, but not in AWS's form; it may come from a proxy");
            return AwsError::of(AwsErrorKind::Unreadable, ErrorClass::Transient, Some(detail), call);
        }
        let class = match code {
            // For EventBridge this is a limit on the number of resources, not on the rate: trying again does not help.
            "LimitExceededException" if call.action.starts_with("events:") => ErrorClass::Fatal,
            // No resource has what is no id.
            _ if is_about_no_id(code, raw) => ErrorClass::NotFound,
            _ => classify(code, status),
        };
        // The rest, mostly the next step, is a sentence of its own.
        let message = format!("{code}: {}", cleaned(raw).trim_end_matches('.'));
        AwsError(Box::new(Details {
            class,
            kind: AwsErrorKind::Answered,
            code: Some(code.to_owned()),
            message,
            action: call.action,
            region: call.region.cloned(),
            ids: named_ids(raw),
            origin: call.origin.clone(),
            // After an internal error the call may have had an effect; after "slow down" or "no capacity" it had none.
            perhaps_done: status >= 500 && class != ErrorClass::Throttled && !CAPACITY.contains(&code),
            request_id: meta.request_id().map(str::to_owned),
            encoded: encoded(raw),
        }))
    }

    /// Nothing was sent, or the connection broke.
    fn unsent<E: Error + 'static>(failure: &SdkError<E>, call: &CallContext<'_>) -> Self {
        let links = chain(failure);
        let text = links.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ").to_lowercase();
        let root = links.last().map(|root| cleaned(&root.to_string()));
        if text.contains("missing region") || text.contains("missing signing region") {
            return AwsError::no_region(call);
        }
        if let Some(refused) = links.iter().find_map(|link| link.downcast_ref::<RoleRefused>()) {
            let class = classify(&refused.code, refused.status);
            let detail = cleaned(&refused.to_string());
            let mut error = AwsError::of(AwsErrorKind::RoleRefused, class, Some(detail), call);
            error.0.code = Some(refused.code.clone());
            error.0.perhaps_done = false;
            return error;
        }
        if let Some(credentials) = links.iter().find_map(|link| link.downcast_ref::<CredentialsError>()) {
            return AwsError::without_credentials(credentials, &text, root, call);
        }
        // The SDK's words for calls that never left this machine.
        let unbuilt = matches!(failure, SdkError::ConstructionFailure(_)) || text.contains("failed to apply endpoint");
        let unconnected = text.contains("client error (connect)") || text.contains("connect timeout");
        let untrusted = text.contains("invalid peer certificate");
        let timed_out = matches!(failure, SdkError::DispatchFailure(dispatch) if dispatch.is_timeout());
        let (kind, class) = match () {
            () if unbuilt => (AwsErrorKind::Unbuildable, ErrorClass::Fatal),
            () if untrusted => (AwsErrorKind::Untrusted { bundle: call.bundle.clone() }, ErrorClass::Fatal),
            () if timed_out => (AwsErrorKind::TimedOut, ErrorClass::Transient),
            () => (AwsErrorKind::Unreachable, ErrorClass::Transient),
        };
        let mut error = AwsError::of(kind, class, root, call);
        error.0.perhaps_done = !unbuilt && !unconnected && !untrusted;
        error
    }

    /// `text` is the whole chain in lower case, `root` its last link. The root is shown only if it cannot come from a credential
    /// helper, whose output may hold secrets.
    fn without_credentials(
        credentials: &CredentialsError,
        text: &str,
        root: Option<String>,
        call: &CallContext<'_>,
    ) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let (kind, class, detail) = match credentials {
            _ if has(&["setsourceidentity"]) => {
                let detail = "the role may not be assumed with a source identity: its trust policy has to allow \
                              sts:SetSourceIdentity, or Muster has to run without --source-identity";
                (AwsErrorKind::CredentialsFailed, ErrorClass::Fatal, Some(detail.to_owned()))
            }
            _ if has(&["sso token", "sso session"]) => (AwsErrorKind::SsoExpired, ErrorClass::Fatal, None),
            _ if has(&["login token", "login/cache", "reauthenticate"]) => {
                (AwsErrorKind::LoginExpired, ErrorClass::Fatal, None)
            }
            // The instance metadata service is last in the chain: all sources before it had no credentials either.
            CredentialsError::CredentialsNotLoaded(_) => {
                let profile = root.filter(|root| root.contains("profile `"));
                (AwsErrorKind::NoCredentials, ErrorClass::Fatal, profile)
            }
            // The SDK reports a profile without credentials once; after that it only says that it already did.
            _ if has(&["imds", "already taken"]) => (AwsErrorKind::NoCredentials, ErrorClass::Fatal, None),
            // The service that issues credentials could not be reached.
            CredentialsError::ProviderTimedOut(_) => (AwsErrorKind::CredentialsFailed, ErrorClass::Transient, root),
            _ if has(&["client error (", "connect timeout", "read timeout"]) => {
                (AwsErrorKind::CredentialsFailed, ErrorClass::Transient, root)
            }
            CredentialsError::InvalidConfiguration(_) => (AwsErrorKind::CredentialsFailed, ErrorClass::Fatal, root),
            _ => (AwsErrorKind::CredentialsFailed, ErrorClass::Fatal, None),
        };
        let mut error = AwsError::of(kind, class, detail, call);
        error.0.perhaps_done = false;
        error
    }
}

/// The links of an error's source chain, itself first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| (**link).source()).collect()
}
